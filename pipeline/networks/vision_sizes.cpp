#include "pipeline/networks/vision_sizes.h"

#include "pipeline/error.h"
#include "pipeline/files/config_fields.h"

namespace keepsake::pipeline {

void VisionSizes::read(ConfigFields& fields) {
    image_size = fields.size("image_size", image_size);
    patch_size = fields.size("patch_size", patch_size);
    hidden_size = fields.size("hidden_size", hidden_size);
    intermediate_size = fields.size("intermediate_size", intermediate_size);
    num_hidden_layers = fields.size("num_hidden_layers", num_hidden_layers);
    fields.at_most("num_hidden_layers", num_hidden_layers, most_encoder_layers);
    num_attention_heads = fields.size("num_attention_heads", num_attention_heads);
    layer_norm_eps = fields.number("layer_norm_eps", layer_norm_eps);
    constexpr std::int64_t most_pixels = 4096;
    fields.at_most("image_size", image_size, most_pixels);
    if (patch_size > image_size) fields.reject("patch_size", "is larger than image_size");
}

void VisionSizes::check_pictures(const Tensor& pictures) const {
    if (pictures.dim() == 4 &&
        pictures.sizes().slice(1) == at::IntArrayRef({num_channels, image_size, image_size}))
        return;
    const std::string side = std::to_string(image_size);
    throw Error("pictures",
                "should be (B, " + std::to_string(num_channels) + ", " + side + ", " + side + ")");
}

}  // namespace keepsake::pipeline
