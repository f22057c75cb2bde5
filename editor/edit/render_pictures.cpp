// Pictures of a tuning, as the model makes them; what becomes of them is render.cpp's.
#include <algorithm>
#include <map>

#include "editor/edit/render.h"
#include "editor/photo/pixel_tensors.h"

namespace keepsake::editor {
namespace {

// Whether sampling starts from the photo's own latents. The mode inpaint has noise alone there,
// whatever share of it the recipe says.
bool inverts(const Recipe& recipe) {
    return recipe.sample.noise_share < 1 && recipe.mode != Mode::inpaint;
}

}  // namespace

Conditions with_sampling(Conditions conditions, const pipeline::Model& model,
                         const optimize::Tuning& tuning, const Recipe& recipe, Monitor& monitor) {
    const pipeline::SampleOptions& sample = recipe.sample;
    conditions.uncond = at::Tensor();
    if (sample.guidance_scale > 1 || recipe.way == Way::words) {
        conditions.uncond = pipeline::encode_text(model, sample.negative_prompt);
    }
    if (inverts(recipe)) {
        pipeline::GenerateInput photo;
        photo.cond = conditions.optimised.to(model.dtype);
        photo.init_latents = conditions.photo_latents;
        const pipeline::UNet* tuned = tuning.unet ? &*tuning.unet : nullptr;
        conditions.inverted = pipeline::invert_latents(model, photo, sample, monitor, tuned);
    }
    return conditions;
}

Conditions encode_conditions(const pipeline::Model& model, const optimize::Tuning& tuning,
                             const Recipe& recipe, const Pixels& square, Monitor& monitor,
                             const WordsPull* words) {
    Conditions conditions{
        tuning.target_embedding, tuning.optimised_embedding, {}, {}, {}, {}, {}, {}};
    if (inverts(recipe) || recipe.way == Way::words)
        conditions.photo_latents = pipeline::encode_image(model, to_tensor(square));
    conditions = with_sampling(std::move(conditions), model, tuning, recipe, monitor);
    if (recipe.way == Way::words) {
        conditions.words =
            words ? *words : words_pull(model, tuning, square, conditions.photo_latents, monitor);
    }
    return conditions;
}

namespace {

// Of each key the final latents, in one batch.
at::Tensor words_latents(const PictureJob& job, const std::vector<PictureKey>& keys,
                         Monitor& monitor) {
    const Conditions& conditions = job.conditions;
    pipeline::EditTask task = edit_task(job.model, job.tuning, *conditions.words, conditions.uncond,
                                        working_size(job.recipe.crop, job.recipe.size));
    task.inverted = conditions.inverted;
    std::vector<pipeline::EditPicture> pictures;
    for (const PictureKey& key : keys) {
        pictures.push_back({key.seed, key.eta * full_pull_of(job.recipe.mode)});
    }
    return pipeline::generate_edits(job.model, task, pictures, job.recipe.sample, {}, monitor);
}

at::Tensor line_latents(const PictureJob& job, const std::vector<PictureKey>& keys,
                        Monitor& monitor) {
    const pipeline::Model& model = job.model;
    pipeline::GenerateInput input;
    std::vector<at::Tensor> noise, cond;
    const Size size = working_size(job.recipe.crop, job.recipe.size);
    for (const PictureKey& key : keys) {
        const at::Generator generator = pipeline::make_generator(key.seed);
        noise.push_back(pipeline::initial_noise(model, size.width, size.height, generator));
        cond.push_back(
            optimize::interpolate(job.conditions.target, job.conditions.optimised, key.eta));
        input.generators.push_back(generator);
    }
    input.noise = at::cat(noise);
    input.cond = at::cat(cond).to(model.dtype);
    input.uncond = job.conditions.uncond;
    input.inverted = job.conditions.inverted;
    const pipeline::UNet* tuned = job.tuning.unet ? &*job.tuning.unet : nullptr;
    return pipeline::generate_latents(model, input, job.recipe.sample, monitor, tuned);
}

// Of keys of one strength.
at::Tensor inpainted_latents(const PictureJob& job, const std::vector<PictureKey>& keys,
                             Monitor& monitor) {
    const pipeline::Model& model = job.model;
    const Conditions& conditions = job.conditions;
    const Size size = working_size(job.recipe.crop, job.recipe.size);
    pipeline::GenerateInput input;
    input.strength = std::min(keys.front().eta, 1.0);
    for (const PictureKey& key : keys)
        input.generators.push_back(pipeline::make_generator(key.seed));
    // In diffusers' order: the picture, the noise, what stays of the picture.
    input.init_latents = pipeline::draw_latents(
        model, *conditions.photo, draws_of_picture(model, input.strength, input.generators));
    std::vector<at::Tensor> noise;
    for (const at::Generator& generator : input.generators)
        noise.push_back(pipeline::initial_noise(model, size.width, size.height, generator));
    input.noise = at::cat(noise);
    input.inpainting = inpainting_of(model, *conditions.drawn, input.generators);
    input.cond = conditions.target.to(model.dtype);
    input.uncond = conditions.uncond;
    pipeline::SampleOptions sample = job.recipe.sample;
    sample.noise_share = 1;
    return pipeline::generate_latents(model, input, sample, monitor);
}

// Strengths take different numbers of steps, and so batches of their own.
at::Tensor inpainted_by_strength(const PictureJob& job, const std::vector<PictureKey>& keys,
                                 Monitor& monitor) {
    std::map<double, std::vector<std::size_t>> by_strength;
    for (std::size_t i = 0; i < keys.size(); ++i) by_strength[keys[i].eta].push_back(i);
    std::vector<at::Tensor> latents(keys.size());
    std::size_t first = 0;
    for (const auto& [eta, indices] : by_strength) {
        std::vector<PictureKey> together;
        for (const std::size_t i : indices) together.push_back(keys[i]);
        Monitor part = part_of(monitor, {first, indices.size(), keys.size()});
        first += indices.size();
        // The photo itself, as the model has it.
        const at::Tensor made =
            eta == 0 ? pipeline::draw_latents(job.model, *job.conditions.photo)
                           .expand({static_cast<std::int64_t>(indices.size()), -1, -1, -1})
                     : inpainted_latents(job, together, part);
        for (std::size_t i = 0; i < indices.size(); ++i)
            latents[indices[i]] = made.narrow(0, static_cast<std::int64_t>(i), 1);
    }
    return at::cat(latents);
}

}  // namespace

Error no_mask_to_draw() {
    return {"mode inpaint", "needs a mask of what is to be drawn anew: --mask FILE or --mask auto"};
}

void take_mask(Conditions& conditions, const pipeline::Model& model, const Pixels& square,
               const EditRegion& region) {
    if (!region.mask) throw no_mask_to_draw();
    const at::Tensor image = to_tensor(square);
    conditions.photo = pipeline::picture_latents(model, image);
    conditions.drawn = drawn_anew(
        model, image, mask_over(*region.mask, {square.width, square.height}, region.threshold));
}

std::vector<Pixels> render_pictures(const PictureJob& job, const std::vector<PictureKey>& keys,
                                    Monitor& monitor) {
    const at::Tensor latents = job.conditions.words   ? words_latents(job, keys, monitor)
                               : job.conditions.drawn ? inpainted_by_strength(job, keys, monitor)
                                                      : line_latents(job, keys, monitor);
    std::vector<Pixels> pictures;
    for (const at::Tensor& image : pipeline::decode_latents(job.model, latents).split(1))
        pictures.push_back(to_pixels(image));
    return pictures;
}

std::size_t pictures_at_once(const pipeline::Model& model, const Recipe& recipe) {
    const Size size = working_size(recipe.crop, recipe.size);
    if (recipe.way == Way::words) {
        return pipeline::edits_at_once(model, recipe.sample, size.width, size.height);
    }
    return pipeline::pictures_at_once(model, recipe.sample, size.width, size.height);
}

}  // namespace keepsake::editor
