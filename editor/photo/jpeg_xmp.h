// XMP of JPEG files that does not fit one segment (XMP Specification Part 3, section 1.1.3.1: a
// packet, and an extended one in as many segments as it needs); libvips 8.14 reads the first and
// writes none that is large.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keepsake::editor {

// The packet of a JPEG file together with its extended one, where there is one that is whole; else
// `packet`, which is the first alone.
std::string with_extended_xmp(std::string_view jpeg, std::string_view packet);

// A finished JPEG without XMP with this packet: its largest properties in an extended one where it
// does not fit. None where even so it does not: the text is no packet, or one property of this
// program's own is too large.
std::optional<std::string> jpeg_with_xmp(std::string jpeg, const std::string& packet);

}  // namespace keepsake::editor
