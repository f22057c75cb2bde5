// What is written into an exported photo's file beside its pixels. Not for public headers: it
// includes vips.h.
#pragma once

#include "editor/photo/export_options.h"
#include "editor/photo/vips_image.h"
#include "editor/photo/xmp.h"

namespace keepsake::editor {

// Brings the metadata of the photo that hangs on `image` to what holds after the edit: upright,
// made by this version of Keepsake, from `source`, with the recipe (as XMP in every format, and in
// a text chunk of its own in PNG), without thumbnails, settings of generators and other traces of
// the picture before and, if asked for, without places and the maker's note.
void update_metadata(VipsImage* image, const ExportOptions& options, PictureSource source);

// Hangs generators' text of the settings on `image`: a PNG's text "parameters"; else EXIF's
// UserComment, beside what EXIF is there, unless that has one. Empty: nothing.
void hang_parameters(VipsImage* image, const std::string& text, bool is_png);

}  // namespace keepsake::editor
