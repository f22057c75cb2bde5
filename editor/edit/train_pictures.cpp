#include "editor/edit/train_pictures.h"

#include <fstream>
#include <limits>
#include <vector>

#include "editor/photo/photo.h"
#include "editor/photo/pixel_tensors.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using at::Tensor;

std::string name_of(const PictureSet& set, std::int64_t side) {
    Fingerprint fingerprint;
    for (const SetPicture& picture : set.pictures) {
        fingerprint.add(picture.fingerprint);
        fingerprint.end_part();
    }
    return "pixels-" + std::to_string(side) + "-" + fingerprint.text() + ".u8";
}

void write_squares(const PictureSet& set, std::int64_t side, const fs::path& file,
                   Monitor& monitor) {
    const auto total = static_cast<std::int64_t>(set.pictures.size());
    write_file_atomically(file, [&](std::ostream& out) {
        std::int64_t done = 0;
        for (const SetPicture& from : set.pictures) {
            const Photo photo = load_photo(from.file);
            if (photo.pixels.width != from.width || photo.pixels.height != from.height)
                throw Error(from.file.string(), "has changed since it was looked at");
            const Pixels square = working_area(photo, centred_square(photo),
                                               {static_cast<int>(side), static_cast<int>(side)});
            const std::size_t plane = square.rgb.size() / 3;
            std::string bytes(square.rgb.size(), '\0');
            for (std::size_t i = 0; i < square.rgb.size(); ++i)
                bytes[i % 3 * plane + i / 3] = static_cast<char>(square.rgb[i]);
            out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
            monitor.step(++done, total, "pictures");
        }
    });
}

}  // namespace

Tensor square_pictures(const PictureSet& set, std::int64_t side, const fs::path& folder,
                       Monitor& monitor) {
    const fs::path file = own_file(folder, name_of(set, side));
    const auto count = static_cast<std::int64_t>(set.pictures.size());
    const std::int64_t size = count * 3 * side * side;
    std::error_code code;
    if (!is_there(file) || static_cast<std::int64_t>(fs::file_size(file, code)) != size)
        write_squares(set, side, file, monitor);
    return at::from_file(file.string(), /*shared=*/false, size,
                         at::TensorOptions().dtype(at::kByte))
        .view({count, 3, side, side});
}

Tensor held_out(const PictureSet& set, double percent) {
    std::vector<std::int64_t> apart;
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    std::size_t least_of = 0;
    for (std::size_t i = 0; i < set.pictures.size(); ++i) {
        Fingerprint fingerprint;
        fingerprint.add(set.pictures[i].fingerprint);
        const std::uint64_t place = fingerprint.hash % 10000;
        apart.push_back(static_cast<double>(place) < percent * 100);
        if (place < least) least = place, least_of = i;
    }
    if (percent > 0 && apart.size() > 1) apart[least_of] = 1;
    return at::tensor(apart).to(at::kBool);
}

Pixels picture_wall(const Tensor& pictures, std::int64_t columns) {
    const std::int64_t count = pictures.size(0), rows = (count + columns - 1) / columns;
    const std::int64_t height = pictures.size(2), width = pictures.size(3);
    Tensor wall = at::ones({1, 3, rows * height, columns * width});
    for (std::int64_t i = 0; i < count; ++i)
        wall.slice(2, i / columns * height, (i / columns + 1) * height)
            .slice(3, i % columns * width, (i % columns + 1) * width)
            .copy_(pictures[i].detach().to(at::kCPU).add(1).div(2).clamp(0, 1));
    return to_pixels(wall);
}

}  // namespace keepsake::editor
