#include "editor/photo/exif_entries.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include "editor/photo/exif_block.h"

namespace keepsake::editor {
namespace {

struct MemoryRelease {
    void operator()(ExifMem* memory) const { exif_mem_unref(memory); }
};
using MemoryHandle = std::unique_ptr<ExifMem, MemoryRelease>;

}  // namespace

ExifHandle new_exif() {
    ExifHandle data(exif_data_new());
    // As it is: libexif would otherwise add what it thinks that the standard demands.
    exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
    exif_data_set_byte_order(data.get(), std::endian::native == std::endian::little
                                             ? EXIF_BYTE_ORDER_INTEL
                                             : EXIF_BYTE_ORDER_MOTOROLA);
    return data;
}

ExifHandle parsed_exif(std::string_view bytes) {
    ExifHandle data = new_exif();
    const bool is_jpeg = bytes.starts_with("\xff\xd8");
    std::string block(is_jpeg || bytes.starts_with(exif_prefix) ? std::string_view() : exif_prefix);
    block += bytes;
    exif_data_load_data(data.get(), reinterpret_cast<const unsigned char*>(block.data()),
                        static_cast<unsigned>(block.size()));
    return data;
}

std::string exif_bytes(ExifData* data) {
    unsigned char* bytes = nullptr;
    unsigned size = 0;
    exif_data_save_data(data, &bytes, &size);
    const std::unique_ptr<unsigned char, void (*)(void*)> owned(bytes, std::free);
    if (!bytes || size < exif_prefix.size()) return {};
    return std::string(reinterpret_cast<const char*>(bytes), size).substr(exif_prefix.size());
}

void add_exif_entry(ExifData* data, ExifIfd directory, int tag, ExifFormat format,
                    unsigned long components, std::string_view value) {
    if (value.empty()) return;
    const MemoryHandle memory(exif_mem_new_default());
    ExifEntry* entry = exif_entry_new_mem(memory.get());
    entry->tag = static_cast<ExifTag>(tag);
    entry->format = format;
    entry->components = components;
    entry->size = static_cast<unsigned>(value.size());
    entry->data = static_cast<unsigned char*>(exif_mem_alloc(memory.get(), entry->size));
    std::memcpy(entry->data, value.data(), value.size());
    exif_content_add_entry(data->ifd[directory], entry);
    exif_entry_unref(entry);
}

void set_exif_size(ExifData* data, int width, int height) {
    const ExifByteOrder order = exif_data_get_byte_order(data);
    const auto set = [&](ExifTag tag, int value) {
        ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_EXIF], tag);
        if (!entry || entry->components != 1) return;
        if (entry->format == EXIF_FORMAT_LONG && entry->size == 4) {
            exif_set_long(entry->data, order, static_cast<ExifLong>(value));
        } else if (entry->format == EXIF_FORMAT_SHORT && entry->size == 2) {
            exif_set_short(entry->data, order, static_cast<ExifShort>(value));
        }
    };
    set(EXIF_TAG_PIXEL_X_DIMENSION, width);
    set(EXIF_TAG_PIXEL_Y_DIMENSION, height);
}

void drop_exif_place(ExifData* data) {
    ExifContent* gps = data->ifd[EXIF_IFD_GPS];
    while (gps->count > 0) exif_content_remove_entry(gps, gps->entries[gps->count - 1]);
    ExifContent* exif = data->ifd[EXIF_IFD_EXIF];
    if (ExifEntry* note = exif_content_get_entry(exif, EXIF_TAG_MAKER_NOTE)) {
        exif_content_remove_entry(exif, note);
    }
}

}  // namespace keepsake::editor
