#define GL_GLEXT_PROTOTYPES
#include "gui/textures.h"

#include <GL/gl.h>
#include <GL/glext.h>

#include <algorithm>
#include <cstdint>

namespace keepsake::gui {
namespace {

constexpr int most_idle_frames = 120;
// Smaller pictures are hardly ever drawn smaller than they are.
constexpr int mipmap_side = 256;

bool has_mipmaps(const editor::Pixels& pixels) {
    return pixels.width > mipmap_side || pixels.height > mipmap_side;
}

unsigned upload(const editor::Pixels& pixels) {
    unsigned name = 0;
    glGenTextures(1, &name);
    glBindTexture(GL_TEXTURE_2D, name);
    glPixelStorei(GL_UNPACK_ALIGNMENT, 1);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGB8, pixels.width, pixels.height, 0, GL_RGB,
                 GL_UNSIGNED_BYTE, pixels.rgb.data());
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
    if (has_mipmaps(pixels)) glGenerateMipmap(GL_TEXTURE_2D);
    return name;
}

unsigned upload(const editor::Mask& mask, Textures::Opaque opaque) {
    const bool inside = opaque == Textures::Opaque::inside;
    std::vector<std::uint8_t> white(mask.values.size() * 4, 255);
    for (std::size_t i = 0; i < mask.values.size(); ++i) {
        white[4 * i + 3] = inside ? mask.values[i] : 255 - mask.values[i];
    }
    unsigned name = 0;
    glGenTextures(1, &name);
    glBindTexture(GL_TEXTURE_2D, name);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, mask.width, mask.height, 0, GL_RGBA, GL_UNSIGNED_BYTE,
                 white.data());
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_LINEAR);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_LINEAR);
    return name;
}

void set_sampling(const editor::Pixels& pixels, Sampling sampling) {
    const bool smooth = sampling == Sampling::smooth;
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, smooth ? GL_LINEAR : GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER,
                    has_mipmaps(pixels) ? GL_LINEAR_MIPMAP_LINEAR : GL_LINEAR);
}

}  // namespace

Textures::~Textures() {
    for (const auto& [pixels, texture] : textures_) glDeleteTextures(1, &texture.name);
    for (const MaskTexture& texture : masks_) glDeleteTextures(1, &texture.name);
}

ImTextureID Textures::id(const editor::Picture& picture, Sampling sampling) {
    Texture& texture = textures_[picture.get()];
    const bool fresh = texture.name == 0;
    if (fresh) {
        texture.picture = picture;
        texture.name = upload(*picture);
    }
    if (fresh || texture.sampling != sampling) {
        glBindTexture(GL_TEXTURE_2D, texture.name);
        set_sampling(*picture, sampling);
        texture.sampling = sampling;
    }
    texture.idle_frames = 0;
    return reinterpret_cast<ImTextureID>(static_cast<std::intptr_t>(texture.name));
}

ImTextureID Textures::id(const editor::SharedMask& mask, Opaque opaque) {
    auto found = std::ranges::find_if(masks_, [&](const MaskTexture& texture) {
        return texture.mask == mask && texture.opaque == opaque;
    });
    if (found == masks_.end()) {
        found = masks_.insert(found, {mask, opaque, upload(*mask, opaque), 0});
    }
    found->idle_frames = 0;
    return reinterpret_cast<ImTextureID>(static_cast<std::intptr_t>(found->name));
}

void Textures::end_frame() {
    // While a mask is painted, each frame may have another one.
    std::erase_if(masks_, [](MaskTexture& texture) {
        const bool old = ++texture.idle_frames > 2;
        if (old) glDeleteTextures(1, &texture.name);
        return old;
    });
    for (auto at = textures_.begin(); at != textures_.end();) {
        if (++at->second.idle_frames > most_idle_frames) {
            glDeleteTextures(1, &at->second.name);
            at = textures_.erase(at);
        } else {
            ++at;
        }
    }
}

}  // namespace keepsake::gui
