// What a person chooses about the file of an exported photo.
#pragma once

#include <optional>
#include <string>

namespace keepsake::editor {

struct ExportOptions {
    bool strip_gps = false;      // leaves out where the photo was taken, and the maker's note
    std::optional<int> quality;  // 1 to 100, of JPEG and lossy WebP; none: like the photo's own
    std::string recipe;          // ASCII JSON, noted in the file; may be empty
    // What other programs list the picture by, as in ImageNotes. Left out where the photo has an
    // EXIF comment of its own, which takes the same place.
    std::string parameters = {};
};

}  // namespace keepsake::editor
