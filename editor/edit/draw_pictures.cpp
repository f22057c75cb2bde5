#include "editor/edit/draw_pictures.h"

#include <ATen/core/grad_mode.h>

#include "editor/edit/render.h"
#include "editor/photo/pixel_tensors.h"

namespace keepsake::editor {

at::Tensor token_ids(const pipeline::Model& model, const std::string& text) {
    return at::tensor(model.tokenizer(text).ids, at::TensorOptions().dtype(at::kLong))
        .unsqueeze(0)
        .to(model.device);
}

std::vector<Pixels> draw_pictures(const pipeline::Model& model, const DrawnPictures& pictures,
                                  Monitor& monitor, const DrawingNetworks& networks) {
    const at::NoGradGuard no_grad;
    const pipeline::TextEncoder& encoder =
        networks.text_encoder ? *networks.text_encoder : model.text_encoder;
    pipeline::GenerateInput input;
    input.cond = encoder(token_ids(model, pictures.prompt));
    if (pictures.sample.guidance_scale > 1)
        input.uncond = encoder(token_ids(model, pictures.sample.negative_prompt));
    std::vector<Pixels> drawn;
    const std::size_t most =
        pipeline::pictures_at_once(model, pictures.sample, pictures.width, pictures.height);
    for (const ImageBatch& batch : image_batches(pictures.seeds.size(), most)) {
        std::vector<at::Tensor> noise;
        input.generators.clear();
        for (std::size_t i = batch.first; i < batch.first + batch.count; ++i) {
            input.generators.push_back(pipeline::make_generator(pictures.seeds[i]));
            noise.push_back(pipeline::initial_noise(model, pictures.width, pictures.height,
                                                    input.generators.back()));
        }
        input.noise = at::cat(noise);
        Monitor part = part_of(monitor, batch);
        const at::Tensor latents =
            pipeline::generate_latents(model, input, pictures.sample, part, networks.unet);
        for (const at::Tensor& image : pipeline::decode_latents(model, latents).split(1))
            drawn.push_back(to_pixels(image));
    }
    return drawn;
}

}  // namespace keepsake::editor
