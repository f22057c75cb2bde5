// Pictures on the graphics card.
#pragma once

#include <imgui.h>

#include <unordered_map>
#include <vector>

#include "editor/workbench/document.h"

namespace keepsake::gui {

enum class Sampling { smooth, pixels };

// Uploads each picture once and keeps it as long as it is drawn.
class Textures {
  public:
    Textures() = default;
    ~Textures();
    Textures(const Textures&) = delete;
    Textures& operator=(const Textures&) = delete;

    // For ImGui's drawing functions, in this frame. picture: not null.
    ImTextureID id(const editor::Picture& picture, Sampling sampling = Sampling::smooth);
    // White, as opaque as the mask's values say, or as what is left of them to 255.
    enum class Opaque { inside, outside };
    ImTextureID id(const editor::SharedMask& mask, Opaque opaque);
    // Frees what was not drawn for a while. Once a frame.
    void end_frame();

  private:
    struct Texture {
        editor::Picture picture;  // keeps the address, which is the key, from being used again
        unsigned name = 0;
        Sampling sampling = Sampling::smooth;
        int idle_frames = 0;
    };
    struct MaskTexture {
        editor::SharedMask mask;
        Opaque opaque = Opaque::inside;
        unsigned name = 0;
        int idle_frames = 0;
    };
    std::unordered_map<const editor::Pixels*, Texture> textures_;
    std::vector<MaskTexture> masks_;  // one or two
};

}  // namespace keepsake::gui
