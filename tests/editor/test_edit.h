// Edits made for a test: pairs of squares as a model gives them, without a model.
#pragma once

#include <algorithm>
#include <cmath>

#include "editor/photo/photo.h"
#include "editor/transfer/full_resolution.h"

namespace keepsake::testing {

inline const std::string daisy = KEEPSAKE_ASSETS "/photos/daisy-19813618946.jpg";

// A picture of the repository's daisy at any size.
inline editor::Pixels daisy_pixels(int width, int height) {
    return editor::resize(editor::load_photo(daisy).pixels, width, height);
}

// What is bright and grey becomes red: the petals of the daisy.
inline editor::Pixels recoloured(editor::Pixels pixels) {
    for (std::size_t i = 0; i < pixels.rgb.size(); i += 3) {
        std::uint8_t* c = &pixels.rgb[i];
        const int least = std::min({c[0], c[1], c[2]});
        const double petal = std::clamp((least - 90) / 60.0, 0.0, 1.0);
        for (int k = 1; k < 3; ++k) {
            c[k] = static_cast<std::uint8_t>(std::lround(c[k] * (1 - 0.7 * petal)));
        }
    }
    return pixels;
}

// The edit "red petals" of `crop` in `picture`, as a model of `size` pixels would make it.
inline editor::AreaEdit red_edit(const editor::Pixels& picture, const editor::Crop& crop,
                                 int size) {
    editor::Photo photo;
    photo.pixels = picture;
    return {crop, editor::working_area(photo, crop, {size, size}),
            recoloured(editor::working_area(photo, crop, {size, size}))};
}

}  // namespace keepsake::testing
