#include "tests/bench/learn_parts.h"

#include "optimize/learn/pictures.h"
#include "optimize/scratch/fresh_weights.h"
#include "optimize/scratch/unet.h"
#include "optimize/scratch/vae.h"
#include "pipeline/error.h"
#include "tests/bench/step_clock.h"

namespace keepsake::bench {
namespace {

using optimize::PictureOptions;

constexpr const char* text = "a photo of a red daisy";
constexpr std::int64_t scratch_batch = 8;

PictureOptions options_of(const std::string& part) {
    PictureOptions options;
    if (part == "learn-word") {
        options = optimize::word_options();
    } else if (part == "learn-subject") {
        options = optimize::subject_options();
        options.text_encoder = true;
    } else if (part == "learn-captions") {
        options = optimize::caption_options();
        options.min_snr_gamma = 5;
        options.caption_dropout = 0;
    } else if (part == "scratch-unet") {
        options = optimize::unet_options();
        options.stage.batch_size = scratch_batch;
        options.caption_dropout = 0;
    } else {
        throw Error(part, "no such part");
    }
    options.lora = {.rank = 4, .targets = pipeline::LoraTargets::attention};
    return options;
}

double time_pictures(const std::string& part, const pipeline::Model& model,
                     const at::Tensor& latents, int iterations) {
    PictureOptions options = options_of(part);
    options.stage.steps = iterations + 1;
    const auto vocabulary = static_cast<std::int64_t>(model.text_encoder.vocabulary_size());
    const auto ids = [&](const std::string& caption) {
        at::Tensor tokens =
            at::tensor(model.tokenizer(caption).ids, at::TensorOptions().dtype(at::kLong))
                .unsqueeze(0);
        if (options.word) tokens.index_put_({0, 5}, at::scalar_tensor(vocabulary, at::kLong));
        return tokens;
    };
    optimize::PictureTask task{model.unet, model.text_encoder, model.schedule, ids, {}, 0};
    optimize::LearnPicture picture;
    picture.latents = latents;
    picture.captions = {text};
    task.pictures.assign(static_cast<std::size_t>(options.stage.batch_size), picture);
    if (part == "learn-subject") {
        picture.is_prior = true;
        picture.captions = {"a photo of a daisy"};
        task.pictures.push_back(picture);
    }
    if (options.word) task.word_start = optimize::word_start(model.text_encoder, {1000}, 1);
    StepClock clock;
    optimize::LearnControls controls;
    controls.checkpointing = optimize::Checkpointing::off;
    controls.after_step = [&] { clock.tick(); };
    optimize::LearnedPictures learned;
    optimize::learn_pictures(task, options, learned, controls);
    return clock.per_step(iterations);
}

double time_vae(const pipeline::Model& model, int iterations) {
    optimize::VaeOptions options = optimize::vae_options();
    options.stage.steps = iterations + 1;
    options.stage.batch_size = scratch_batch;
    const std::int64_t side = model.native_size();
    const at::Tensor pictures = at::randint(0, 256, {scratch_batch, 3, side, side}, at::kByte);
    const optimize::VaeTask task{pictures, at::arange(scratch_batch),
                                 at::empty({0, 3, side, side}, at::kByte), false, 0};
    optimize::LearnedVae learned{optimize::fresh_vae(model.vae.config(), 0), 0, {}, {}, {}, {}};
    StepClock clock;
    optimize::VaeControls controls;
    controls.after_step = [&] { clock.tick(); };
    optimize::train_vae(task, options, learned, controls);
    return clock.per_step(iterations);
}

}  // namespace

double time_learning(const std::string& part, const pipeline::Model& model,
                     const at::Tensor& latents, int iterations) {
    if (part == "scratch-vae") return time_vae(model, iterations);
    return time_pictures(part, model, latents, iterations);
}

}  // namespace keepsake::bench
