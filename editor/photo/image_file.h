// Pictures as files: what `edit`, `render` and `generate` write, and `info` reads back.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

// Writes a whole file (house rule 10) in the format of its extension. A PNG carries `recipe`, ASCII
// JSON, in a text chunk (zTXt) of the keyword "keepsake"; the other formats do not. quality: 1 to
// 100, of JPEG and WebP; none: 95 and 92. Throws Error naming the path when the extension is not
// known or the file cannot be written.
void write_image(const std::filesystem::path& path, const Pixels& pixels,
                 const std::string& recipe = {}, std::optional<int> quality = {});

// libvips writes and reads the text chunks of a PNG as fields "png-comment-<n>-<keyword>".
inline constexpr const char* recipe_field = "png-comment-0-keepsake";

// The recipe in an image that Keepsake made: a PNG's text chunk, or (exported photos of every
// format) its XMP; none when there is none. Throws Error naming the
// path when it cannot be read as an image.
std::optional<std::string> read_image_recipe(const std::filesystem::path& path);

}  // namespace keepsake::editor
