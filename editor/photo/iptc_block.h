// Photoshop's image resources, and IPTC-IIM: bare in a TIFF, within those in a JPEG.
#pragma once

#include <string>
#include <string_view>

namespace keepsake::editor {

// The IPTC records of a block of either kind; empty where there are none or it is damaged.
std::string_view bare_iptc(std::string_view block);

// Bare records as they are in the file, of a TIFF whose numbers are big-endian: libvips takes them
// for numbers of four bytes and turns those around.
std::string turned_iptc(std::string_view block);

// A block of either kind as a JPEG holds it: a block of image resources as it is, bare records in
// the one resource that is for them (Adobe Photoshop File Formats Specification, "Image Resource
// Blocks", 1028).
std::string jpeg_iptc(std::string_view block);

// Photoshop's image resources, with their name before them (JPEG) or without (TIFF), as far as they
// are true of an edited picture: no thumbnails, no copies of EXIF and XMP. strip_place: of the rest
// only what cannot hold a place (IPTC, resolution, whether there is a copyright). Bare IPTC as it
// is; empty where nothing is left.
std::string kept_resources(std::string_view block, bool strip_place);

}  // namespace keepsake::editor
