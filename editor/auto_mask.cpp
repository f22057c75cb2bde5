#include "editor/auto_mask.h"

#include "editor/pixel_tensors.h"
#include "pipeline/generate.h"

namespace keepsake::editor {

Mask auto_mask(const pipeline::Model& model, const optimize::Tuning& tuning, const Pixels& square,
               const pipeline::EditMaskOptions& options, Monitor& monitor) {
    const pipeline::EditMaskInput input{pipeline::encode_image(model, to_tensor(square)),
                                        tuning.target_embedding, tuning.optimised_embedding};
    const pipeline::UNet& unet = tuning.unet ? *tuning.unet : model.unet;
    const at::Tensor map = pipeline::edit_mask(unet, model.schedule, input, options, monitor);
    const at::Tensor bytes = map.mul(255).round().to(at::kByte).contiguous();
    const auto* data = bytes.const_data_ptr<std::uint8_t>();
    return {static_cast<int>(bytes.size(1)), static_cast<int>(bytes.size(0)),
            std::vector<std::uint8_t>(data, data + bytes.numel())};
}

}  // namespace keepsake::editor
