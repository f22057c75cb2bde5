#include "optimize/scratch/clip.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numeric>
#include <utility>

#include "optimize/scratch/fresh_weights.h"
#include "optimize/training/rounds.h"
#include "pipeline/error.h"
#include "pipeline/files/fingerprint.h"

namespace keepsake::optimize {

namespace {

using pipeline::ClipConfig;
using pipeline::ClipNetwork;

// Who draws (optimize/training/draws.h).
constexpr auto start_stream = static_cast<Stream>(75);
constexpr auto order_stream = static_cast<Stream>(76);
constexpr auto caption_stream = static_cast<Stream>(77);

bool is_embedding(const std::string& name) {
    return name.find("embeddings.") != std::string::npos &&
           name.find("patch_embedding") == std::string::npos;
}

// openai's CLIP.initialize_parameters for a matrix of either transformer; 0: not one that it names.
double deviation_of(const std::string& name, const ClipConfig& config) {
    const bool text = name.starts_with("text_model.");
    const auto width =
        static_cast<double>(text ? config.text.hidden_size : config.image.hidden_size);
    const auto layers =
        static_cast<double>(text ? config.text.num_hidden_layers : config.image.num_hidden_layers);
    const double plain = 1 / std::sqrt(width), deep = plain / std::sqrt(2 * layers);
    if (name.ends_with("token_embedding.weight")) return 0.02;
    if (name.ends_with("position_embedding.weight")) return text ? 0.01 : plain;
    if (name.ends_with("class_embedding")) return plain;
    if (name.ends_with("projection.weight")) {
        const bool of_text = name.starts_with("text_");
        return 1 / std::sqrt(static_cast<double>(of_text ? config.text.hidden_size
                                                         : config.image.hidden_size));
    }
    if (name.ends_with("out_proj.weight") || name.ends_with("fc2.weight")) return deep;
    if (name.ends_with("_proj.weight")) return plain;
    if (name.ends_with("fc1.weight")) return 1 / std::sqrt(2 * width);
    return 0;
}

pipeline::Weights::Maker clip_maker(const ClipConfig& config, const std::string& prefix,
                                    std::uint64_t seed) {
    return [config, prefix, plain = fresh_weights(seed), seed](const std::string& bare,
                                                               at::IntArrayRef shape) -> Tensor {
        const std::string name = prefix + bare;
        if (bare.ends_with(".bias")) return at::zeros(shape);
        if (name == "logit_scale") return at::full(shape, std::log(1 / 0.07));
        const double deviation = deviation_of(name, config);
        if (deviation == 0) return plain(name, shape);
        Fingerprint place;
        place.add(name);
        const at::Generator generator =
            step_generator(seed, start_stream, static_cast<std::int64_t>(place.hash >> 1));
        return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)) * deviation;
    };
}

struct Batch {
    Tensor pictures, ids;
};

Batch draw_batch(const ClipTask& task, const std::vector<std::int64_t>& which, std::int64_t step) {
    const auto count = static_cast<std::int64_t>(which.size());
    const Tensor chance = at::rand({count}, step_generator(task.seed, caption_stream, step),
                                   at::TensorOptions().dtype(at::kDouble));
    std::vector<Tensor> ids;
    const Tensor rows = task.rows.index_select(0, at::tensor(which));
    for (std::int64_t i = 0; i < count; ++i) {
        const auto& all = task.tokens[static_cast<std::size_t>(rows[i].item<std::int64_t>())];
        const auto said =
            static_cast<std::size_t>(chance[i].item<double>() * static_cast<double>(all.size()));
        ids.push_back(all[said]);
    }
    return {clip_values(task.pictures.index_select(0, rows), task.preprocessing), at::cat(ids)};
}

// The features of some pairs, (end - begin, D) each; of none no network is asked.
struct Features {
    Tensor image, text;
};

Features features_of(const ClipNetwork& network, const Batch& batch, const Part& part) {
    const Tensor& scale = network.logit_scale();
    if (part.begin == part.end) {
        const Tensor none = at::zeros({0, network.config().projection_dim}, scale.options());
        return {none, none};
    }
    const Tensor pictures = batch.pictures.slice(0, part.begin, part.end);
    return {network.image_features(pictures.to(scale.device())),
            network.text_features(batch.ids.slice(0, part.begin, part.end))};
}

// The loss of all pairs, differentiable through the features of `part`. The factor is one for all:
// rank 0 learns it, so that its gradient counts once.
Tensor loss_of(const ClipNetwork& network, const Batch& batch, const Part& part,
               const Ranks& ranks) {
    const Features own = features_of(network, batch, part);
    const std::int64_t all = batch.ids.size(0);
    const Tensor scale = is_first(ranks) ? network.logit_scale() : network.logit_scale().detach();
    return contrastive_loss(gather_rows(ranks, own.image, part.begin, all),
                            gather_rows(ranks, own.text, part.begin, all), scale);
}

TrainingRecipe recipe_of(const ClipTask& task, const ClipOptions& options,
                         const ClipNetwork& network, const Ranks& ranks) {
    TrainingRecipe recipe;
    recipe.name = "clip";
    recipe.learns = network.parameters();
    recipe.rate = [&options](std::int64_t step) { return rate_of(options, step); };
    recipe.weight_decay = options.weight_decay;
    recipe.decays = [&network](const std::string& name) {
        return network.parameters().at(name).dim() >= 2 && !is_embedding(name);
    };
    recipe.max_gradient_norm = options.max_gradient_norm;
    PictureGroup all(static_cast<std::size_t>(task.rows.numel()));
    std::iota(all.begin(), all.end(), 0);
    const auto rounds = std::make_shared<Rounds>(std::vector<PictureGroup>{all},
                                                 options.stage.batch_size, task.seed, order_stream);
    recipe.draw = [&task, &network, &ranks, rounds](std::int64_t step) {
        const std::vector<std::int64_t> which = rounds->batch(step);
        const Batch batch = draw_batch(task, which, step);
        StepSamples samples;
        samples.count = static_cast<std::int64_t>(which.size());
        samples.together = true;
        samples.loss = [&network, &ranks, batch](std::int64_t begin, std::int64_t end, auto) {
            return loss_of(network, batch, {begin, end}, ranks);
        };
        return samples;
    };
    return recipe;
}

}  // namespace

Tensor contrastive_loss(const Tensor& image, const Tensor& text, const Tensor& logit_scale) {
    const Tensor logits =
        logit_scale.exp() * at::matmul(pipeline::normalised(image), pipeline::normalised(text).t());
    const Tensor pairs =
        at::arange(image.size(0), at::TensorOptions().dtype(at::kLong).device(image.device()));
    return (at::cross_entropy_loss(logits, pairs) + at::cross_entropy_loss(logits.t(), pairs)) / 2;
}

ClipOptions clip_options() {
    ClipOptions options;
    options.stage.steps = 2000;
    options.stage.batch_size = 64;
    options.stage.adam = {0.9, 0.98, 1e-6};
    options.schedule.kind = LearningSchedule::cosine;
    options.schedule.rate = 5e-4;
    options.schedule.warmup_steps = 100;
    return options;
}

double rate_of(const ClipOptions& options, std::int64_t step) {
    ScheduleOptions schedule = options.schedule;
    schedule.steps = options.stage.steps;
    return scheduled_rate(schedule, schedule.warmup_steps > 0 ? step + 1 : step);
}

ClipNetwork fresh_clip(const ClipConfig& config, std::uint64_t seed) {
    using pipeline::Weights;
    const pipeline::TextEncoder text(config.text,
                                     Weights::fresh(clip_maker(config, "text_model.", seed)));
    const pipeline::ImageEncoder image(config.image,
                                       Weights::fresh(clip_maker(config, "vision_model.", seed)));
    TensorMap tensors;
    for (const auto& [name, tensor] : text.parameters()) tensors["text_model." + name] = tensor;
    for (const auto& [name, tensor] : image.parameters()) tensors["vision_model." + name] = tensor;
    const auto make = clip_maker(config, "", seed);
    tensors["text_projection.weight"] =
        make("text_projection.weight", {config.projection_dim, config.text.hidden_size});
    tensors["visual_projection.weight"] =
        make("visual_projection.weight", {config.projection_dim, config.image.hidden_size});
    tensors["logit_scale"] = make("logit_scale", {});
    return {config, std::move(tensors)};
}

void train_clip(const ClipTask& task, const ClipOptions& options, LearnedClip& learned,
                const ClipControls& controls) {
    if (task.rows.numel() < 2)
        throw Error("pictures", "two at least are needed, to be told from each other");
    if (task.tokens.size() != static_cast<std::size_t>(task.pictures.size(0)))
        throw Error("captions", "there are not as many as pictures");
    for (const auto& captions : task.tokens)
        if (captions.empty()) throw Error("picture", "has no caption");
    TrainingControls training;
    training.monitor = controls.monitor;
    training.ranks = controls.ranks;
    training.after_step = [&] {
        const at::NoGradGuard no_grad;
        Tensor scale = learned.network.logit_scale();
        scale.clamp_(0, most_logit_scale);
        if (controls.after_step) controls.after_step();
    };
    train(recipe_of(task, options, learned.network, controls.ranks), options.stage,
          {learned.steps, learned.optimiser, learned.losses}, training);
}

Tensor clip_values(const Tensor& pictures, const pipeline::ClipPreprocessing& how) {
    const auto three = [](const std::array<double, 3>& values) {
        return at::tensor(std::vector<double>(values.begin(), values.end()),
                          at::TensorOptions().dtype(at::kFloat))
            .view({1, 3, 1, 1});
    };
    return (pictures.to(at::kFloat) / 255 - three(how.mean)) / three(how.deviation);
}

}  // namespace keepsake::optimize
