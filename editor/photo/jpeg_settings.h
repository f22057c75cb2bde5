// How a JPEG was compressed, so that it can be compressed alike.
#pragma once

#include <optional>
#include <string_view>

namespace keepsake::editor {

// The quality, 1 to 100, on the scale of libjpeg (its jpeg_set_quality) whose luminance table comes
// nearest to that of a JPEG file's bytes; none when its header cannot be read.
std::optional<int> jpeg_quality(std::string_view jpeg);

}  // namespace keepsake::editor
