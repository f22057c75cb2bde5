#include "editor/photo/exif_entries.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include "editor/photo/exif_block.h"
#include "editor/photo/xmp.h"

namespace keepsake::editor {
namespace {

constexpr int maker_note_tag = 0x927c;

struct MemoryRelease {
    void operator()(ExifMem* memory) const { exif_mem_unref(memory); }
};
using MemoryHandle = std::unique_ptr<ExifMem, MemoryRelease>;

void remove_tag(ExifContent* directory, int tag) {
    ExifEntry* entry = exif_content_get_entry(directory, static_cast<ExifTag>(tag));
    if (entry) exif_content_remove_entry(directory, entry);
}

void set_text(ExifData* data, ExifIfd directory, int tag, const std::string& text) {
    remove_tag(data->ifd[directory], tag);
    add_exif_entry(data, directory, tag, EXIF_FORMAT_ASCII, text.size() + 1,
                   {text.c_str(), text.size() + 1});
}

void set_short(ExifData* data, ExifIfd directory, int tag, int value) {
    unsigned char bytes[2];
    exif_set_short(bytes, exif_data_get_byte_order(data), static_cast<ExifShort>(value));
    remove_tag(data->ifd[directory], tag);
    add_exif_entry(data, directory, tag, EXIF_FORMAT_SHORT, 1,
                   {reinterpret_cast<const char*>(bytes), sizeof bytes});
}

void set_long(ExifData* data, ExifIfd directory, int tag, int value) {
    unsigned char bytes[4];
    exif_set_long(bytes, exif_data_get_byte_order(data), static_cast<ExifLong>(value));
    remove_tag(data->ifd[directory], tag);
    add_exif_entry(data, directory, tag, EXIF_FORMAT_LONG, 1,
                   {reinterpret_cast<const char*>(bytes), sizeof bytes});
}

// The first directory after the picture's own tells of its thumbnail.
void drop_thumbnail(ExifData* data) {
    ExifContent* thumbnail = data->ifd[EXIF_IFD_1];
    while (thumbnail->count > 0) {
        exif_content_remove_entry(thumbnail, thumbnail->entries[thumbnail->count - 1]);
    }
    if (!data->data) return;
    const MemoryHandle memory(exif_mem_new_default());
    exif_mem_free(memory.get(), data->data);
    data->data = nullptr;
    data->size = 0;
}

// Settings of a generator: text of any encoding, or (ComfyUI in WebP) its graph in Make and Model.
bool tells_of_generation(const ExifEntry& entry) {
    const bool text = entry.format == EXIF_FORMAT_ASCII || entry.format == EXIF_FORMAT_UNDEFINED ||
                      entry.format == EXIF_FORMAT_BYTE;
    if (!text || !entry.data || entry.tag == maker_note_tag) return false;
    std::string bytes(reinterpret_cast<const char*>(entry.data), entry.size);
    std::erase(bytes, '\0');  // of UTF-16
    for (const char* start : {"workflow:{", "Workflow:{", "prompt:{", "Prompt:{"}) {
        if (bytes.starts_with(start)) return true;
    }
    return is_generation_text(bytes);
}

void drop_generation(ExifContent* directory) {
    for (unsigned i = directory->count; i-- > 0;) {
        if (tells_of_generation(*directory->entries[i])) {
            exif_content_remove_entry(directory, directory->entries[i]);
        }
    }
}

}  // namespace

ExifHandle new_exif() {
    ExifHandle data(exif_data_new());
    // As it is: libexif would otherwise add what it thinks that the standard demands.
    exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
    exif_data_unset_option(data.get(), EXIF_DATA_OPTION_IGNORE_UNKNOWN_TAGS);
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

void drop_exif_place(ExifData* data) {
    ExifContent* gps = data->ifd[EXIF_IFD_GPS];
    while (gps->count > 0) exif_content_remove_entry(gps, gps->entries[gps->count - 1]);
    ExifContent* exif = data->ifd[EXIF_IFD_EXIF];
    if (ExifEntry* note = exif_content_get_entry(exif, EXIF_TAG_MAKER_NOTE)) {
        exif_content_remove_entry(exif, note);
    }
}

std::string updated_exif(std::string_view block, const ExifChanges& changes) {
    const ExifHandle exif = block.empty() ? new_exif() : parsed_exif(block);
    drop_thumbnail(exif.get());
    drop_generation(exif->ifd[EXIF_IFD_0]);
    drop_generation(exif->ifd[EXIF_IFD_EXIF]);
    if (changes.strip_place) drop_exif_place(exif.get());
    set_short(exif.get(), EXIF_IFD_0, EXIF_TAG_ORIENTATION, 1);
    set_text(exif.get(), EXIF_IFD_0, EXIF_TAG_SOFTWARE, "Keepsake " KEEPSAKE_VERSION);
    set_long(exif.get(), EXIF_IFD_EXIF, EXIF_TAG_PIXEL_X_DIMENSION, changes.width);
    set_long(exif.get(), EXIF_IFD_EXIF, EXIF_TAG_PIXEL_Y_DIMENSION, changes.height);
    return exif_bytes(exif.get());
}

bool says_adobe_rgb(std::string_view block) {
    const ExifHandle exif = parsed_exif(block);
    const ExifEntry* index = exif_content_get_entry(exif->ifd[EXIF_IFD_INTEROPERABILITY],
                                                    EXIF_TAG_INTEROPERABILITY_INDEX);
    const std::string_view option("R03");
    return index && index->data && index->size >= option.size() &&
           option == std::string_view(reinterpret_cast<const char*>(index->data), option.size());
}

bool has_maker_note(std::string_view block) {
    const ExifHandle exif = parsed_exif(block);
    return exif_content_get_entry(exif->ifd[EXIF_IFD_EXIF], EXIF_TAG_MAKER_NOTE) != nullptr;
}

}  // namespace keepsake::editor
