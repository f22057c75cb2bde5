// Pictures as files: what `edit`, `render` and `generate` write, and `info` reads back.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "editor/photo/pixels.h"
#include "editor/photo/xmp.h"

namespace keepsake::editor {

// What is noted in a picture's file.
struct ImageNotes {
    std::string recipe = {};                          // ASCII JSON; may be empty
    std::optional<int> quality = {};                  // 1 to 100, of JPEG and WebP; none: 95 and 92
    PictureSource source = PictureSource::as_before;  // as XMP, unless as_before
    // What other programs list the picture by (generation_text.h, a1111_parameters): a PNG's text
    // "parameters", EXIF's UserComment in the other formats. May be empty.
    std::string parameters = {};
};

// Writes a whole file (house rule 10) in the format of its extension. A PNG carries the recipe in a
// text chunk (zTXt) of the keyword "keepsake", the other formats in the XMP that tells the source.
// Throws Error naming the path when the extension is not known or the file cannot be written.
void write_image(const std::filesystem::path& path, const Pixels& pixels,
                 const ImageNotes& notes = {});

// The bytes of a PNG, for a page that carries its pictures in itself. Throws Error.
std::string png_bytes(const Pixels& pixels);

// The recipe in an image that Keepsake made: a PNG's text chunk, or (exported photos of every
// format) its XMP; none when there is none. Throws Error naming the
// path when it cannot be read as an image.
std::optional<std::string> read_image_recipe(const std::filesystem::path& path);

}  // namespace keepsake::editor
