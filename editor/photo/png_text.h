// Text of PNG files that is not plain ASCII, by libpng: libvips 8.14 does not read Latin-1 (tEXt,
// zTXt), and writes all text as if it were Latin-1. Not for public headers: it includes vips.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "editor/photo/vips_image.h"

namespace keepsake::editor {

// The keyword in the name of a field that libvips made of a text chunk, png-comment-<n>-<keyword>;
// empty for other fields.
std::string png_keyword(std::string_view field);

struct PngText {
    std::string keyword;
    std::string text;  // UTF-8
};

// Sets the text fields of `image` that libvips could not read of the PNG file it was loaded from.
void read_latin_text(VipsImage* image, std::string_view png);

// Takes the text fields that are not ASCII off the image.
std::vector<PngText> take_unicode_text(VipsImage* image);

// A PNG file with these texts as chunks for Unicode (iTXt; PNG 3, section 11.3.3.4).
std::string png_with_text(std::string png, const std::vector<PngText>& texts);

}  // namespace keepsake::editor
