// An edited photo as a file that is still the user's own photo: size, depth, profile, transparency,
// metadata and format.
#pragma once

#include <filesystem>

#include "editor/photo/export_options.h"
#include "editor/transfer/full_resolution.h"

namespace keepsake::editor {

// The extension, with its dot, of the format that a photo is exported in unless asked otherwise:
// its own (".jpg", ".png", ".webp", ".tif").
std::string export_extension(const Photo& photo);

// Writes the photo with the edit at its own size, whole (house rule 10), in the format of the
// path's extension. Kept from the photo's file: 16-bit samples (where the format can hold them),
// the ICC profile (or what a PNG tells of its colours without one), in which the edit is applied,
// transparency, a TIFF's further channels (in a TIFF), EXIF, XMP and IPTC (the orientation is
// applied and noted as upright), and how a JPEG or WebP was compressed. Greyscale becomes sRGB when
// the edit brings in colour; CMYK always does. Throws Error naming the path that cannot be written,
// or the photo, crop, pictures or mask that do not fit.
void export_photo(const std::filesystem::path& path, const Photo& photo, const AreaEdit& edit,
                  const EditRegion& region = {}, const ExportOptions& options = {});

// A picture file as a mask of `crop`: white is inside, black and transparent outside. It has the
// photo's size, or covers the crop alone and has its shape. Throws Error naming the path when it
// cannot be read or its shape fits neither.
Mask load_mask(const std::filesystem::path& path, const Photo& photo, const Crop& crop);

}  // namespace keepsake::editor
