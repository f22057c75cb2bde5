// The values of a TIFF directory's tags as those of EXIF entries, and back: libtiff hands out each
// type in a way of its own. Not for public headers: it includes tiffio.h.
#pragma once

#include <libexif/exif-data.h>
#include <tiffio.h>

#include <optional>
#include <string>

namespace keepsake::editor {

// A value as EXIF stores it, in the byte order of this machine.
struct ExifValue {
    ExifFormat format = EXIF_FORMAT_UNDEFINED;
    unsigned long components = 0;
    std::string bytes;
};

// The value of a tag of the current directory; none where there is none, or EXIF has no such type.
std::optional<ExifValue> read_tiff_value(TIFF* tiff, std::uint32_t tag);

// Sets the tag in the current directory. Nothing happens where libtiff would not take the value.
// Fractions come out as libtiff's floating point has them: restore_fractions.
void write_tiff_value(TIFF* tiff, std::uint32_t tag, const ExifEntry& entry, ExifByteOrder order);

// Gives a written directory at `offset` of a classic TIFF file in this machine's byte order the
// fractions of the block's directory themselves, numerator and denominator.
void restore_fractions(std::string& file, std::uint64_t offset, const ExifContent& from,
                       ExifByteOrder order);

}  // namespace keepsake::editor
