#include "gui/theme.h"

#include <array>
#include <filesystem>

namespace keepsake::gui {
namespace {

constexpr float text_size = 16, small_size = 13.5F, title_size = 26;

constexpr std::array font_files = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",    // Debian, Ubuntu
    "/usr/share/fonts/TTF/DejaVuSans.ttf",                // Arch
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",  // Fedora
    "/usr/local/share/fonts/dejavu/DejaVuSans.ttf",       // BSD
};

const char* find_font() {
    for (const char* path : font_files) {
        std::error_code code;
        if (std::filesystem::exists(path, code)) return path;
    }
    return nullptr;
}

// What people write in: Latin, Greek and Cyrillic letters, punctuation, arrows, a few symbols.
constexpr std::array<ImWchar, 17> glyph_ranges = {0x20,   0x24F,  0x370,  0x3FF,  0x400,  0x52F,
                                                  0x1E00, 0x1EFF, 0x2010, 0x205E, 0x20A0, 0x20BF,
                                                  0x2190, 0x21FF, 0x25A0, 0x25FF, 0};

ImFont* add_font(const char* path, float size) {
    ImGuiIO& io = ImGui::GetIO();
    if (path) {
        ImFontConfig config;
        config.OversampleH = 2;
        if (ImFont* font = io.Fonts->AddFontFromFileTTF(path, size, &config, glyph_ranges.data())) {
            return font;
        }
    }
    ImFontConfig config;
    config.SizePixels = size;
    return io.Fonts->AddFontDefault(&config);
}

ImVec4 colour_of(ImU32 value) {
    return ImGui::ColorConvertU32ToFloat4(value);
}

}  // namespace

void apply_theme(float scale) {
    ImGuiStyle style;
    ImGui::StyleColorsDark(&style);
    style.WindowPadding = {14, 12};
    style.FramePadding = {10, 6};
    style.ItemSpacing = {8, 8};
    style.FrameRounding = 4;
    style.PopupRounding = 6;
    style.WindowRounding = 0;
    style.ScrollbarSize = 12;
    style.GrabMinSize = 12;
    style.WindowBorderSize = 0;
    style.PopupBorderSize = 1;
    ImVec4* colors = style.Colors;
    const ImVec4 raised(0.22F, 0.22F, 0.23F, 1), hover(0.29F, 0.29F, 0.30F, 1),
        press(0.34F, 0.34F, 0.36F, 1);
    colors[ImGuiCol_Text] = colour_of(colour::text);
    colors[ImGuiCol_TextDisabled] = colour_of(colour::faint);
    colors[ImGuiCol_WindowBg] = colour_of(colour::panel);
    colors[ImGuiCol_ChildBg] = ImVec4(0, 0, 0, 0);
    colors[ImGuiCol_PopupBg] = ImVec4(0.13F, 0.13F, 0.14F, 1);
    colors[ImGuiCol_TitleBg] = colors[ImGuiCol_TitleBgActive] = raised;
    colors[ImGuiCol_Border] = colour_of(colour::line);
    colors[ImGuiCol_FrameBg] = ImVec4(0.10F, 0.10F, 0.105F, 1);
    colors[ImGuiCol_FrameBgHovered] = ImVec4(0.12F, 0.12F, 0.125F, 1);
    colors[ImGuiCol_FrameBgActive] = ImVec4(0.12F, 0.12F, 0.125F, 1);
    colors[ImGuiCol_Button] = raised;
    colors[ImGuiCol_ButtonHovered] = hover;
    colors[ImGuiCol_ButtonActive] = press;
    colors[ImGuiCol_Header] = raised;
    colors[ImGuiCol_HeaderHovered] = hover;
    colors[ImGuiCol_HeaderActive] = press;
    colors[ImGuiCol_CheckMark] = colour_of(colour::accent);
    colors[ImGuiCol_SliderGrab] = colour_of(colour::accent);
    colors[ImGuiCol_SliderGrabActive] = colour_of(colour::accent);
    colors[ImGuiCol_TextSelectedBg] = colour_of(colour::accent_faint);
    colors[ImGuiCol_PlotHistogram] = colour_of(colour::accent);
    colors[ImGuiCol_ModalWindowDimBg] = ImVec4(0, 0, 0, 0.6F);
    colors[ImGuiCol_Separator] = colour_of(colour::line);
    style.ScaleAllSizes(scale);
    ImGui::GetStyle() = style;
}

Fonts load_fonts(float scale) {
    ImGui::GetIO().Fonts->Clear();
    const char* path = find_font();
    Fonts fonts;
    fonts.text = add_font(path, text_size * scale);
    fonts.small = add_font(path, small_size * scale);
    fonts.title = add_font(path, title_size * scale);
    return fonts;
}

}  // namespace keepsake::gui
