// The photos of a folder and the masks that belong to them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keepsake::editor {

struct BatchPhoto {
    std::filesystem::path file;
    std::string key;             // what its files are called: its stem, or its whole name where
                                 // another photo has that stem
    std::filesystem::path mask;  // empty: none
};

// The photos that lie in `folder` itself (has_photo_extension), by name. A mask is a picture of a
// photo's name in `masks`, or in either folder of the photo's name followed by "mask":
// rose-mask.png, rose_mask.png, rose.mask.png. It is no photo itself. Throws Error naming a folder
// that cannot be read or, of `folder`, holds no photo or more than 200,000 files.
std::vector<BatchPhoto> find_batch_photos(const std::filesystem::path& folder,
                                          const std::optional<std::filesystem::path>& masks);

}  // namespace keepsake::editor
