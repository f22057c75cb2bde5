#include "editor/edit/batch_photos.h"

#include <algorithm>
#include <map>

#include "editor/photo/photo.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_files = 200'000;

// The pictures in a folder, sorted; hidden ones, which programs leave behind, are not among them.
std::vector<fs::path> pictures_in(const fs::path& folder) {
    std::vector<fs::path> pictures;
    std::error_code error;
    std::size_t files = 0;
    fs::directory_iterator at(folder, error);
    for (; !error && at != fs::directory_iterator(); at.increment(error)) {
        if (++files > most_files)
            throw Error(folder.string(), "holds more than 200000 files; divide it");
        const fs::path& path = at->path();
        std::error_code of_type;
        if (path.filename().string().starts_with(".") || !has_photo_extension(path) ||
            !at->is_regular_file(of_type))
            continue;
        pictures.push_back(path);
    }
    if (error) throw Error(folder.string(), "cannot be read: " + error.message());
    std::ranges::sort(pictures);
    return pictures;
}

// "rose" of "rose-mask", "rose_mask", "rose.mask"; empty for other stems.
std::string name_of_masked(const std::string& stem) {
    for (const char* ending : {"-mask", "_mask", ".mask"})
        if (stem.ends_with(ending)) return stem.substr(0, stem.size() - 5);
    return {};
}

// By the photo's stem, or its whole name.
using Masks = std::map<std::string, fs::path>;

}  // namespace

std::vector<BatchPhoto> find_batch_photos(const fs::path& folder,
                                          const std::optional<fs::path>& masks) {
    const std::vector<fs::path> pictures = pictures_in(folder);
    std::map<std::string, int> stems;
    for (const fs::path& picture : pictures) {
        ++stems[picture.stem().string()];
        ++stems[picture.filename().string()];
    }
    Masks found;
    std::vector<BatchPhoto> photos;
    for (const fs::path& picture : pictures) {
        const std::string of = name_of_masked(picture.stem().string());
        if (!of.empty() && stems.contains(of)) {
            found.emplace(of, picture);
            continue;
        }
        const std::string stem = picture.stem().string();
        // "sheet" is what the sheet of all photos is called.
        const bool own = stems.at(stem) == 1 && stem != "sheet";
        photos.push_back({picture, own ? stem : picture.filename().string(), {}});
    }
    if (photos.empty()) throw Error(folder.string(), "holds no photo (.jpg, .png, .webp, .tif)");
    std::error_code error;
    if (masks && !fs::equivalent(folder, *masks, error)) {
        for (const fs::path& mask : pictures_in(*masks)) {
            const std::string stem = mask.stem().string(), of = name_of_masked(stem);
            found.insert_or_assign(of.empty() ? stem : of, mask);
        }
    }
    for (BatchPhoto& photo : photos) {
        for (const std::string& name : {photo.file.filename().string(), photo.file.stem().string()})
            if (const auto at = found.find(name); at != found.end() && photo.mask.empty())
                photo.mask = at->second;
    }
    return photos;
}

}  // namespace keepsake::editor
