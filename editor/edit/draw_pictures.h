// Pictures from text for what learns: of the class, and on the way.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "editor/photo/pixels.h"
#include "pipeline/model/generate.h"
#include "pipeline/networks/text_encoder.h"
#include "pipeline/networks/unet.h"

namespace keepsake::editor {

struct DrawnPictures {
    std::string prompt;
    int width = 0, height = 0;
    std::vector<std::uint64_t> seeds;  // a picture each
    pipeline::SampleOptions sample;
};

// The networks that draw in place of the model's own.
struct DrawingNetworks {
    const pipeline::UNet* unet = nullptr;
    const pipeline::TextEncoder* text_encoder = nullptr;
};

// In the order of the seeds; the same pictures as `keepsake generate` draws. No gradients. Throws
// Cancelled.
std::vector<Pixels> draw_pictures(const pipeline::Model& model, const DrawnPictures& pictures,
                                  Monitor& monitor, const DrawingNetworks& networks = {});

// A text's tokens for a text encoder: (1, 77) int64 on the model's device.
at::Tensor token_ids(const pipeline::Model& model, const std::string& text);

}  // namespace keepsake::editor
