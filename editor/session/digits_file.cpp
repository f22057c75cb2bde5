#include "editor/session/digits_file.h"

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "editor/photo/photo.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {

optimize::Digits read_digits(const std::filesystem::path& folder) {
    const std::filesystem::path picture = folder / "digits.png", text = folder / "labels.txt";
    const Pixels sheet = load_photo(picture).pixels;
    constexpr int side = optimize::digit_side;
    constexpr int ink = 16, scale = 15;  // as README.md there says
    std::vector<std::int64_t> labels;
    std::vector<float> pixels;
    std::istringstream rows(read_file(text));
    int y = 0;
    for (std::string row; std::getline(rows, row); y += side) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            const int x = static_cast<int>(i) * side;
            if (row[i] < '0' || row[i] > '9' || x + side > sheet.width || y + side > sheet.height)
                throw Error(text.string(), "does not fit the pictures of digits.png");
            labels.push_back(row[i] - '0');
            for (int pixel = 0; pixel < side * side; ++pixel) {
                const int at = (y + pixel / side) * sheet.width + x + pixel % side;
                const int value = sheet.rgb[static_cast<std::size_t>(at) * 3];
                if (value % scale != 0 || value > ink * scale)
                    throw Error(picture.string(), "holds other pixels than 0 to 16 times 15");
                pixels.push_back(static_cast<float>(value) / (scale * ink / 2) - 1);
            }
        }
    }
    if (labels.empty()) throw Error(text.string(), "names no digit");
    const auto count = static_cast<std::int64_t>(labels.size());
    return {at::tensor(pixels).view({count, 1, side, side}), at::tensor(labels)};
}

}  // namespace keepsake::editor
