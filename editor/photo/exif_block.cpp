#include "editor/photo/exif_block.h"

#include <webp/mux.h>

#include "editor/photo/jpeg_segments.h"
#include "editor/photo/png_chunks.h"

namespace keepsake::editor {
namespace {

constexpr std::uint8_t app1 = 0xe1;

WebPData webp_data(std::string_view bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string_view exif_block(VipsImage* image) {
    std::string_view block = metadata_block(image, VIPS_META_EXIF_NAME);
    if (block.starts_with(exif_prefix)) block.remove_prefix(exif_prefix.size());
    return block;
}

void hang_exif(VipsImage* image, std::string_view block) {
    if (block.empty()) {
        vips_image_remove(image, VIPS_META_EXIF_NAME);
        return;
    }
    const std::string whole = std::string(exif_prefix) + std::string(block);
    vips_image_set_blob_copy(image, VIPS_META_EXIF_NAME, whole.data(), whole.size());
}

std::string jpeg_with_exif(std::string jpeg, std::string_view block) {
    for (const JpegSegment& segment : jpeg_segments(jpeg)) {
        if (segment.marker != app1 || !segment.content.starts_with(exif_prefix)) continue;
        const auto at = static_cast<std::size_t>(segment.content.data() - jpeg.data()) - 4;
        jpeg.erase(at, segment.content.size() + 4);
        break;
    }
    if (block.empty()) return jpeg;
    const std::string content = std::string(exif_prefix) + std::string(block);
    return jpeg_with_segments(std::move(jpeg), jpeg_segment_of(app1, content));
}

std::string png_with_exif(std::string png, std::string_view block) {
    return block.empty() ? png : png_with_chunks(std::move(png), png_chunk_of("eXIf", block));
}

std::string webp_with_exif(std::string webp, std::string_view block) {
    const WebPData file = webp_data(webp), exif = webp_data(block);
    const std::unique_ptr<WebPMux, void (*)(WebPMux*)> mux(WebPMuxCreate(&file, 1), WebPMuxDelete);
    WebPData assembled{};
    if (!mux) return webp;
    const WebPMuxError changed = block.empty() ? WebPMuxDeleteChunk(mux.get(), "EXIF")
                                               : WebPMuxSetChunk(mux.get(), "EXIF", &exif, 1);
    if (changed != WEBP_MUX_OK || WebPMuxAssemble(mux.get(), &assembled) != WEBP_MUX_OK) {
        return webp;
    }
    webp.assign(reinterpret_cast<const char*>(assembled.bytes), assembled.size);
    WebPDataClear(&assembled);
    return webp;
}

}  // namespace keepsake::editor
