#include "editor/photo/tiff_metadata.h"

#include <array>
#include <cstring>

#include "editor/photo/exif_entries.h"
#include "editor/photo/tiff_file.h"
#include "editor/photo/tiff_values.h"

namespace keepsake::editor {
namespace {

constexpr int maker_note_tag = 0x927c;

// A block has to fit a JPEG's segment.
constexpr std::size_t largest_value = 60000;

// Tags of a page that tell of the picture and not of how the page is stored: title, description,
// make, model, software, date, artist, computer, copyright, rating, and Windows' of the same kind.
constexpr std::array page_tags = {0x010d, 0x010e, 0x010f, 0x0110, 0x0131, 0x0132, 0x013b, 0x013c,
                                  0x8298, 0x4746, 0x4749, 0x9c9b, 0x9c9c, 0x9c9d, 0x9c9e, 0x9c9f};

// Pointers to directories: libexif and libtiff set their own.
bool is_pointer(int tag) {
    return tag == 0x8769 || tag == 0x8825 || tag == 0xa005;
}

void read_tag(TIFF* tiff, int tag, ExifData* into, ExifIfd directory) {
    const auto value = read_tiff_value(tiff, static_cast<std::uint32_t>(tag));
    if (!value || value->bytes.size() > largest_value) return;
    add_exif_entry(into, directory, tag, value->format, value->components, value->bytes);
}

// The directory that libtiff is at.
void read_directory(TIFF* tiff, ExifData* into, ExifIfd directory) {
    const int count = TIFFGetTagListCount(tiff);
    for (int i = 0; i < count; ++i) {
        const auto tag = static_cast<int>(TIFFGetTagListEntry(tiff, i));
        if (!is_pointer(tag)) read_tag(tiff, tag, into, directory);
    }
}

toff_t pointer(TIFF* tiff, std::uint32_t tag) {
    toff_t offset = 0;
    return TIFFGetField(tiff, tag, &offset) ? offset : 0;
}

// The entries of one of a block's directories.
void write_directory(TIFF* tiff, ExifData* from, ExifIfd directory) {
    const ExifContent* content = from->ifd[directory];
    const ExifByteOrder order = exif_data_get_byte_order(from);
    for (unsigned i = 0; i < content->count; ++i) {
        const ExifEntry& entry = *content->entries[i];
        const int tag = entry.tag;
        if (!is_pointer(tag)) write_tiff_value(tiff, static_cast<std::uint32_t>(tag), entry, order);
    }
}

// Where the directory of its own was written; 0 when it was not.
toff_t append_directory(TIFF* tiff, ExifData* from, ExifIfd directory, std::string_view note) {
    if (from->ifd[directory]->count == 0) return 0;
    const bool is_gps = directory == EXIF_IFD_GPS;
    if ((is_gps ? TIFFCreateGPSDirectory(tiff) : TIFFCreateEXIFDirectory(tiff)) != 0) return 0;
    write_directory(tiff, from, directory);
    if (!note.empty() && note.size() <= 0xffff) {
        TIFFSetField(tiff, EXIFTAG_MAKERNOTE, static_cast<int>(note.size()), note.data());
    }
    std::uint64_t offset = 0;
    return TIFFWriteCustomDirectory(tiff, &offset) ? offset : 0;
}

void write_page(TIFF* tiff, ExifData* from) {
    const ExifByteOrder order = exif_data_get_byte_order(from);
    for (const int tag : page_tags) {
        const ExifEntry* entry =
            exif_content_get_entry(from->ifd[EXIF_IFD_0], static_cast<ExifTag>(tag));
        if (entry) write_tiff_value(tiff, static_cast<std::uint32_t>(tag), *entry, order);
    }
}

void set_iptc(TIFF* tiff, std::string_view iptc) {
    // An array of longs to some versions of libtiff (so Adobe's note on TIFF), zeros at the end.
    std::string padded(iptc);
    padded.resize((padded.size() + 3) / 4 * 4);
    const TIFFField* field = TIFFFindField(tiff, TIFFTAG_RICHTIFFIPTC, TIFF_ANY);
    const std::size_t item = TIFFFieldDataType(field) == TIFF_LONG ? 4 : 1;
    TIFFSetField(tiff, TIFFTAG_RICHTIFFIPTC, static_cast<std::uint32_t>(padded.size() / item),
                 padded.data());
}

// Where a block's directories were written.
struct Written {
    toff_t exif = 0, gps = 0;
};

// Directories of their own first, behind the picture; then the page's, which points to them, anew.
Written add_metadata(TIFF* tiff, ExifData* exif, const TiffMetadata& metadata) {
    const Written at{append_directory(tiff, exif, EXIF_IFD_EXIF, metadata.maker_note),
                     append_directory(tiff, exif, EXIF_IFD_GPS, {})};
    if (!TIFFSetDirectory(tiff, 0)) return {};
    write_page(tiff, exif);
    if (at.exif != 0) TIFFSetField(tiff, TIFFTAG_EXIFIFD, at.exif);
    if (at.gps != 0) TIFFSetField(tiff, TIFFTAG_GPSIFD, at.gps);
    if (!metadata.iptc.empty()) set_iptc(tiff, metadata.iptc);
    TIFFRewriteDirectory(tiff);
    return at;
}

}  // namespace

std::string tiff_exif(std::string_view tiff) {
    TiffMemory memory{tiff};
    const TiffHandle file = open_tiff(memory);
    if (!file) return {};
    const ExifHandle data = new_exif();
    for (const int tag : page_tags) read_tag(file.get(), tag, data.get(), EXIF_IFD_0);
    const toff_t exif = pointer(file.get(), TIFFTAG_EXIFIFD);
    const toff_t gps = pointer(file.get(), TIFFTAG_GPSIFD);
    if (exif != 0 && TIFFReadEXIFDirectory(file.get(), exif)) {
        read_directory(file.get(), data.get(), EXIF_IFD_EXIF);
    }
    if (gps != 0 && TIFFReadGPSDirectory(file.get(), gps)) {
        read_directory(file.get(), data.get(), EXIF_IFD_GPS);
    }
    for (const ExifIfd directory : {EXIF_IFD_0, EXIF_IFD_EXIF, EXIF_IFD_GPS}) {
        if (data->ifd[directory]->count > 0) return exif_bytes(data.get());
    }
    return {};
}

std::string tiff_maker_note(std::string_view tiff) {
    TiffMemory memory{tiff};
    const TiffHandle file = open_tiff(memory);
    if (!file) return {};
    const toff_t exif = pointer(file.get(), TIFFTAG_EXIFIFD);
    if (exif == 0 || !TIFFReadEXIFDirectory(file.get(), exif)) return {};
    const auto note = read_tiff_value(file.get(), maker_note_tag);
    return note ? note->bytes : std::string();
}

std::string tiff_with_metadata(std::string tiff, const TiffMetadata& metadata) {
    TiffMemory memory{tiff, &tiff};
    TiffHandle file = open_tiff(memory);
    if (!file) return tiff;
    const ExifHandle exif = parsed_exif(metadata.exif);
    const ExifByteOrder order = exif_data_get_byte_order(exif.get());
    const Written at = add_metadata(file.get(), exif.get(), metadata);
    file.reset();  // may still write
    restore_fractions(tiff, at.exif, *exif->ifd[EXIF_IFD_EXIF], order);
    restore_fractions(tiff, at.gps, *exif->ifd[EXIF_IFD_GPS], order);
    return tiff;
}

}  // namespace keepsake::editor
