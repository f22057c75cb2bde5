#include "optimize/learn/pictures.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "optimize/learn/picture_steps.h"
#include "optimize/training/denoising.h"
#include "optimize/training/loop.h"
#include "optimize/training/streams.h"
#include "pipeline/networks/activation_bytes.h"

namespace keepsake::optimize {

namespace {

using pipeline::TextEncoder;
using pipeline::UNet;
using pipeline::Weights;

void add_prefixed(TensorMap& all, const std::string& prefix, const TensorMap& tensors) {
    for (const auto& [name, tensor] : tensors) all[prefix + name] = tensor;
}

TextEncoder cloned(const TextEncoder& encoder) {
    TensorMap copies;
    for (const auto& [name, tensor] : encoder.parameters()) copies[name] = tensor.clone();
    const Tensor& norm = encoder.parameters().at("final_layer_norm.weight");
    Weights weights = Weights::from_tensors(std::move(copies), "text encoder");
    weights.set_target(at::kFloat, norm.device());
    return TextEncoder(encoder.config(), std::move(weights));
}

std::int64_t largest_area(const PictureTask& task, const LearnPicture*& largest) {
    std::int64_t area = 0;
    for (const LearnPicture& picture : task.pictures) {
        const std::int64_t here = picture.latents.size(2) * picture.latents.size(3);
        if (here > area) largest = &picture;
        area = std::max(area, here);
    }
    return area;
}

TrainingRecipe recipe_of(const PictureTask& task, const PictureOptions& options,
                         const LearnedPictures& learned) {
    TrainingRecipe recipe;
    recipe.name = "learn";
    recipe.learns = learning_tensors(learned, options);
    const auto steps = std::make_shared<PictureSteps>(task, options, learned);
    recipe.draw = [steps](std::int64_t step) { return steps->draw(step); };
    const LearnPicture* largest = nullptr;
    largest_area(task, largest);
    recipe.samples_at_once = samples_at_once(largest->latents);
    recipe.activation_bytes = [&task, largest](std::int64_t samples) {
        return pipeline::activation_bytes(task.unet, samples, largest->latents.size(2),
                                          largest->latents.size(3));
    };
    recipe.device = largest->latents.device();
    recipe.rate = [&options](std::int64_t step) { return rate_of(options, step); };
    recipe.weight_decay = options.weight_decay;
    recipe.max_gradient_norm = options.max_gradient_norm;
    recipe.evaluate = [&task, &learned] { return evaluate_pictures(task, learned); };
    return recipe;
}

}  // namespace

double rate_of(const PictureOptions& options, std::int64_t step) {
    ScheduleOptions schedule = options.schedule;
    schedule.steps = options.stage.steps;
    return scheduled_rate(schedule, step);
}

PictureOptions subject_options() {
    PictureOptions options;
    options.stage.steps = 400;
    options.stage.draws = Draws::stratified;
    return options;
}

PictureOptions word_options() {
    PictureOptions options;
    options.stage.steps = 2000;
    options.stage.draws = Draws::stratified;
    options.schedule.rate = 5e-3;
    options.schedule.kind = LearningSchedule::cosine;
    options.max_gradient_norm = 0;
    options.word.emplace();
    return options;
}

PictureOptions caption_options() {
    PictureOptions options = subject_options();
    options.stage.steps = 1000;
    options.stage.batch_size = 4;
    options.caption_dropout = 0.1;
    return options;
}

TensorMap learning_tensors(const LearnedPictures& learned, const PictureOptions& options) {
    TensorMap tensors;
    if (options.word) {
        if (learned.word.defined()) tensors["word"] = learned.word;
    } else if (options.all_weights) {
        if (learned.unet) add_prefixed(tensors, "unet.", learned.unet->parameters());
        if (learned.text_encoder)
            add_prefixed(tensors, "text_encoder.", learned.text_encoder->parameters());
    } else {
        add_prefixed(tensors, "unet.", pipeline::lora_tensors(learned.loras));
        add_prefixed(tensors, "text_encoder.", pipeline::lora_tensors(learned.text_loras));
    }
    return tensors;
}

void prepare_learning(const PictureTask& task, const PictureOptions& options,
                      LearnedPictures& learned) {
    if (options.word) {
        learned.unet = task.unet;
        if (!learned.word.defined()) learned.word = task.word_start.clone();
        learned.text_encoder = task.text_encoder.with_tokens(learned.word);
        return;
    }
    if (options.all_weights) {
        if (!learned.unet) learned.unet = task.unet.clone();
        if (options.text_encoder && !learned.text_encoder)
            learned.text_encoder = cloned(task.text_encoder);
        return;
    }
    const at::Generator generator = step_generator(task.seed, streams::pictures, -2);
    if (learned.loras.empty())
        learned.loras = pipeline::start_loras(task.unet, options.lora, generator);
    learned.unet = pipeline::with_loras(task.unet, learned.loras);
    if (!options.text_encoder) return;
    if (learned.text_loras.empty())
        learned.text_loras = pipeline::start_loras(task.text_encoder, options.lora, generator);
    learned.text_encoder = pipeline::with_loras(task.text_encoder, learned.text_loras);
}

void learn_pictures(const PictureTask& task, const PictureOptions& options,
                    LearnedPictures& learned, const LearnControls& controls) {
    check_pictures(task, options);
    prepare_learning(task, options, learned);
    std::optional<Ema> ema;
    if (options.ema && is_first(controls.ranks)) {
        ema.emplace(learning_tensors(learned, options), *options.ema);
        if (!learned.averages.empty()) ema->load(learned.averages);
        learned.averages = ema->averages();
    }
    const Tensor norms = options.word
                             ? word_norms(task.text_encoder, task.word_start, options.word->norm)
                             : Tensor();
    TrainingControls training;
    training.monitor = controls.monitor;
    training.checkpointing = controls.checkpointing;
    training.warn = controls.warn;
    training.ranks = controls.ranks;
    training.after_step = [&] {
        if (norms.defined()) keep_norms(learned.word, norms);
        if (ema) ema->update(learned.steps);
        const std::int64_t every = controls.evaluate_every;
        if (every > 0 && learned.steps % every == 0 && is_first(controls.ranks)) {
            learned.evaluations.push_back({learned.steps, evaluate_pictures(task, learned)});
            if (controls.after_evaluation) controls.after_evaluation();
        }
        if (controls.after_step) controls.after_step();
    };
    train(recipe_of(task, options, learned), options.stage,
          {learned.steps, learned.optimiser, learned.losses}, training);
}

double evaluate_pictures(const PictureTask& task, const LearnedPictures& learned) {
    const at::NoGradGuard no_grad;
    constexpr std::int64_t pairs = 16;  // of evaluation_pairs()
    std::vector<const LearnPicture*> pictures;
    for (const LearnPicture& picture : task.pictures)
        if (!picture.is_prior) pictures.push_back(&picture);
    if (pictures.empty()) throw Error("pictures", "there are none to learn from");
    const UNet& unet = learned.unet ? *learned.unet : task.unet;
    const TextEncoder& encoder = learned.text_encoder ? *learned.text_encoder : task.text_encoder;
    double sum = 0;
    for (std::int64_t i = 0; i < pairs; ++i) {
        // All parts of a large set, not its first sixteen.
        const std::size_t n = pictures.size();
        const LearnPicture& picture =
            *pictures[n <= pairs ? static_cast<std::size_t>(i) % n
                                 : static_cast<std::size_t>(i) * n / pairs];
        const Draw all =
            evaluation_pairs(picture.latents.sizes().slice(1).vec(),
                             task.schedule.config.num_train_timesteps, picture.latents.device());
        const Tensor embedding = encoder(task.token_ids(picture.captions.front()));
        sum += denoising_loss({unet, task.schedule, picture.latents, embedding}, all.part(i, i + 1))
                   .item<double>();
    }
    return sum / pairs;
}

}  // namespace keepsake::optimize
