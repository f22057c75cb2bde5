// Files that hold a picture other than the one that is found first in them.
#pragma once

#include <string_view>

namespace keepsake::editor {

// Whether these are a camera's raw data: behind a preview, or in a format of its maker.
bool is_raw_file(std::string_view bytes);

// Whether the first picture of a TIFF file says that it is a smaller copy of another in the file
// (TIFF 6, NewSubfileType).
bool is_preview_first(std::string_view tiff);

}  // namespace keepsake::editor
