// What a photo's file says beside its pixels, as a list of names and values that can be compared.
// Not for public headers: it includes vips.h.
#pragma once

#include <map>
#include <string>

#include "editor/photo/vips_image.h"

namespace keepsake::editor {

// By name: "EXIF:Make", "GPS:GPSLatitude", "XMP:dc:title[1]", "IPTC:2:25 Keywords", "PNG:Title".
// Values are text as far as they are text or numbers (fractions in lowest terms, whatever the byte
// order), else their length and fingerprint. What repeats is joined by "; ". A block that cannot be
// read is one field of its own. `image`: as decode_upright gives it (decode_photo.h), so that a
// TIFF's EXIF is in it.
std::map<std::string, std::string> metadata_fields(VipsImage* image);

// What an ICC profile calls itself; empty where it has no name or is none.
std::string profile_name(std::string_view profile);

}  // namespace keepsake::editor
