// An EXIF block taken apart into its directories, by libexif, and put together again.
#pragma once

#include <libexif/exif-data.h>

#include <memory>
#include <string>
#include <string_view>

namespace keepsake::editor {

struct ExifRelease {
    void operator()(ExifData* data) const { exif_data_unref(data); }
};
using ExifHandle = std::unique_ptr<ExifData, ExifRelease>;

// An empty block, in the byte order of this machine.
ExifHandle new_exif();

// A block that begins with its TIFF header, or a whole JPEG file with one in it. Never null; what
// is damaged is left out.
ExifHandle parsed_exif(std::string_view bytes);

// The block with its TIFF header first, without JPEG's "Exif\0\0".
std::string exif_bytes(ExifData* data);

// Adds an entry whose value is already laid out in the byte order of `data`.
void add_exif_entry(ExifData* data, ExifIfd directory, int tag, ExifFormat format,
                    unsigned long components, std::string_view value);

struct ExifChanges {
    int width = 0, height = 0;  // of the picture
    bool strip_place = false;
};

// A block (its TIFF header first; an empty one: a new one) after an export: upright, of that size,
// made by this version of Keepsake, without the thumbnail of the picture before and what a
// generator noted of it and, if asked for, without places. All else stays byte for byte, whatever
// its character set. It begins with its TIFF header.
std::string updated_exif(std::string_view block, const ExifChanges& changes);

// Whether a block says that the picture is in Adobe RGB: the interoperability index R03 of DCF
// (JEITA CP-3461, section 6), which cameras write in place of a profile.
bool says_adobe_rgb(std::string_view block);

// Whether a block has a maker's note.
bool has_maker_note(std::string_view block);

// Removes the GPS directory and the maker's note.
void drop_exif_place(ExifData* data);

}  // namespace keepsake::editor
