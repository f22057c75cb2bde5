#include "editor/photo/exif_block.h"

#include <webp/mux.h>

#include <vector>

#include "editor/photo/exif_entries.h"

namespace keepsake::editor {
namespace {

// The largest content of a JPEG segment, less its own length.
constexpr std::size_t largest_segment = 65533;

// A JPEG of nothing but this EXIF block.
std::string carrier_jpeg(std::string_view block) {
    VipsImage* made = nullptr;
    if (vips_black(&made, 8, 8, nullptr) != 0) return {};
    const VipsHandle black(made);
    void* data = nullptr;
    std::size_t size = 0;
    if (vips_jpegsave_buffer(black.get(), &data, &size, "strip", TRUE, nullptr) != 0) return {};
    const std::unique_ptr<void, void (*)(gpointer)> owned(data, g_free);
    const std::string jpeg(static_cast<const char*>(data), size);
    const std::size_t length = 2 + exif_prefix.size() + block.size();
    std::string carrier = jpeg.substr(0, 2);  // the start of the image
    carrier += "\xff\xe1";
    carrier += static_cast<char>(length >> 8);
    carrier += static_cast<char>(length & 0xff);
    carrier += exif_prefix;
    carrier += block;
    carrier += jpeg.substr(2);
    return carrier;
}

struct CopyTo {
    VipsImage* image;
};

void* copy_exif_field(VipsImage*, const char* name, GValue* value, void* to) {
    if (g_str_has_prefix(name, "exif-")) {
        vips_image_set(static_cast<CopyTo*>(to)->image, name, value);
    }
    return nullptr;
}

void* collect_place_field(VipsImage*, const char* name, GValue*, void* to) {
    if (g_str_has_prefix(name, "exif-ifd3-") || g_str_equal(name, "exif-ifd2-MakerNote")) {
        static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    }
    return nullptr;
}

}  // namespace

std::string_view bare_exif(VipsImage* image) {
    const std::string_view block = metadata_block(image, VIPS_META_EXIF_NAME);
    return block.starts_with(exif_prefix) ? std::string_view() : block;
}

void adopt_exif(VipsImage* image, std::string_view block) {
    if (block.empty() || block.size() + exif_prefix.size() + 2 > largest_segment) return;
    const std::string carrier = carrier_jpeg(block);
    const VipsHandle loaded(
        vips_image_new_from_buffer(carrier.data(), carrier.size(), "", nullptr));
    if (loaded) {
        CopyTo to{image};
        vips_image_map(loaded.get(), copy_exif_field, &to);
    }
    vips_error_clear();
}

std::string exif_of(VipsImage* image) {
    VipsImage* made = nullptr;
    if (vips_black(&made, 8, 8, nullptr) != 0) return {};
    const VipsHandle carrier(made);
    CopyTo to{carrier.get()};
    vips_image_map(image, copy_exif_field, &to);
    vips_image_set_int(carrier.get(), VIPS_META_ORIENTATION, 1);
    void* data = nullptr;
    std::size_t size = 0;
    if (vips_jpegsave_buffer(carrier.get(), &data, &size, nullptr) != 0) {
        vips_error_clear();
        return {};
    }
    const std::unique_ptr<void, void (*)(gpointer)> owned(data, g_free);
    const ExifHandle exif = parsed_exif({static_cast<const char*>(data), size});
    set_exif_size(exif.get(), image->Xsize, image->Ysize);
    return exif_bytes(exif.get());
}

void drop_place(VipsImage* image) {
    std::vector<std::string> fields;
    vips_image_map(image, collect_place_field, &fields);
    for (const std::string& field : fields) vips_image_remove(image, field.c_str());
    const std::string_view block = metadata_block(image, VIPS_META_EXIF_NAME);
    if (block.empty()) return;
    const ExifHandle exif = parsed_exif(block);
    drop_exif_place(exif.get());
    std::string kept = exif_bytes(exif.get());
    if (block.starts_with(exif_prefix)) kept.insert(0, exif_prefix);
    vips_image_set_blob_copy(image, VIPS_META_EXIF_NAME, kept.data(), kept.size());
}

std::string webp_with_bare_exif(std::string webp) {
    const WebPData file{reinterpret_cast<const std::uint8_t*>(webp.data()), webp.size()};
    const std::unique_ptr<WebPMux, void (*)(WebPMux*)> mux(WebPMuxCreate(&file, 1), WebPMuxDelete);
    WebPData chunk{};
    if (!mux || WebPMuxGetChunk(mux.get(), "EXIF", &chunk) != WEBP_MUX_OK) return webp;
    const std::string block(reinterpret_cast<const char*>(chunk.bytes), chunk.size);
    if (!block.starts_with(exif_prefix)) return webp;
    const WebPData bare{reinterpret_cast<const std::uint8_t*>(block.data()) + exif_prefix.size(),
                        block.size() - exif_prefix.size()};
    WebPData assembled{};
    if (WebPMuxSetChunk(mux.get(), "EXIF", &bare, 1) != WEBP_MUX_OK ||
        WebPMuxAssemble(mux.get(), &assembled) != WEBP_MUX_OK) {
        return webp;
    }
    webp.assign(reinterpret_cast<const char*>(assembled.bytes), assembled.size);
    WebPDataClear(&assembled);
    return webp;
}

}  // namespace keepsake::editor
