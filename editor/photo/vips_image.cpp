#include "editor/photo/vips_image.h"

#include <algorithm>

#include "pipeline/error.h"

namespace keepsake::editor {

void start_vips() {
    static const bool started = [] {
        if (VIPS_INIT("keepsake") != 0) throw Error("libvips", vips_failure());
        // Fontconfig, Pango and the decoders report through GLib; what matters also comes as an
        // error.
        g_log_set_default_handler([](const gchar*, GLogLevelFlags, const gchar*, gpointer) {},
                                  nullptr);
        vips_block_untrusted_set(TRUE);
        vips_cache_set_max(0);
        return true;
    }();
    (void)started;
}

VipsHandle vips_image_of(const Pixels& pixels, const std::string& name) {
    VipsImage* made = vips_image_new_from_memory(pixels.rgb.data(), pixels.rgb.size(), pixels.width,
                                                 pixels.height, 3, VIPS_FORMAT_UCHAR);
    const VipsHandle borrowed(made);
    if (!made || vips_copy(made, &made, "interpretation", VIPS_INTERPRETATION_sRGB, nullptr) != 0) {
        throw Error(name, "cannot be made an image: " + vips_failure());
    }
    return VipsHandle(made);
}

std::string_view metadata_block(VipsImage* image, const char* name) {
    const void* data = nullptr;
    std::size_t size = 0;
    if (vips_image_get_typeof(image, name) == 0 ||
        vips_image_get_blob(image, name, &data, &size) != 0) {
        vips_error_clear();
        return {};
    }
    return {static_cast<const char*>(data), size};
}

std::string vips_failure() {
    std::string text = vips_error_buffer();
    vips_error_clear();
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (text.empty()) return "the file is damaged";
    // Only the first line says what went wrong; the later ones say who else noticed.
    return text.substr(0, std::min(text.find('\n'), text.size()));
}

}  // namespace keepsake::editor
