// IPTC-IIM: bare in a TIFF, within Photoshop's image resources in a JPEG.
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

}  // namespace keepsake::editor
