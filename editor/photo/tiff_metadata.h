// EXIF, GPS and IPTC of TIFF files, by libtiff: libvips 8.14 reads no EXIF there and writes
// neither.
#pragma once

#include <string>
#include <string_view>

namespace keepsake::editor {

// What a TIFF file says of its first page as an EXIF block that begins with its TIFF header: who
// made the picture and with what (tags of the page itself), its EXIF and GPS directories. Fractions
// are the nearest short ones to libtiff's floating point, so that 0/0 becomes 0. Empty where there
// is nothing, or the file is damaged.
std::string tiff_exif(std::string_view tiff);

// A maker's note as it lies in the file; empty where there is none. In a block it may not survive:
// libexif rewrites notes whose entries it knows, by offsets that hold in the file only.
std::string tiff_maker_note(std::string_view tiff);

struct TiffMetadata {
    std::string_view exif;        // a block as above
    std::string_view maker_note;  // in place of the block's, unless empty
    std::string_view iptc;        // bare IPTC-IIM
};

// A finished TIFF file with these added. What does not fit is left out; the picture is untouched.
std::string tiff_with_metadata(std::string tiff, const TiffMetadata& metadata);

}  // namespace keepsake::editor
