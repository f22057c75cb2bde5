#include "editor/edit/words_judge.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>

#include "editor/photo/pixel_tensors.h"
#include "editor/transfer/colour_odds.h"

namespace keepsake::editor {
namespace {

using at::Tensor;

// The squared error for one text, (B, 1, h, w).
Tensor error_of(const Tensor& prediction, const Tensor& target) {
    return (prediction.to(at::kFloat) - target).square().mean(1, /*keepdim=*/true);
}

// Where the strength between two that were tried reaches `enough`, in a straight line.
double between(double before, double after, double low, double high, double enough) {
    const double share = high > low ? (enough - low) / (high - low) : 1;
    return before + (after - before) * std::clamp(share, 0.0, 1.0);
}

// The smallest strength at which what is measured reaches `enough`, in steps of 0.05. photo: what
// it is at strength 0; none: nothing weaker than the first that was tried counts.
std::optional<double> first_strength(std::optional<double> photo, const std::vector<double>& values,
                                     double enough, const JudgeOptions& options) {
    const auto first = std::ranges::find_if(values, [&](double at) { return at >= enough; });
    if (first == values.end()) return std::nullopt;
    const auto i = static_cast<std::size_t>(first - values.begin());
    double exact = options.strengths[i];
    if (i > 0)
        exact = between(options.strengths[i - 1], exact, values[i - 1], *first, enough);
    else if (photo)
        exact = between(0, exact, *photo, *first, enough);
    return std::ceil(exact * 20 - 1e-9) / 20;
}

// The edit at each strength, in few steps: (B, C, h, w).
Tensor draw_ladder(const pipeline::Model& model, const optimize::Tuning& tuning,
                   const pipeline::EditTask& edit, const Tensor& photo_latents,
                   const JudgeOptions& options, Monitor& monitor) {
    pipeline::SampleOptions sample;
    sample.sampler = pipeline::Sampler::dpmpp_2m;
    sample.steps = options.steps;
    sample.guidance_scale = 1;
    sample.noise_share = options.noise_share;
    pipeline::EditTask task = edit;
    pipeline::GenerateInput photo;
    photo.cond = tuning.optimised_embedding.to(model.dtype);
    photo.init_latents = photo_latents;
    task.inverted = pipeline::invert_latents(model, photo, sample, monitor, &task.photo);
    std::vector<pipeline::EditPicture> pictures;
    for (const double strength : options.strengths)
        pictures.push_back({options.seed, strength * options.full_pull});
    return pipeline::generate_edits(model, task, pictures, sample, {}, monitor);
}

// How the pretrained network colours `text`: guided against `none`, or unguided where that is
// undefined. text, none: (1, T, D).
ColourDensity drawn_colours(const pipeline::Model& model, const Tensor& text, const Tensor& none,
                            const JudgeOptions& options, Monitor& monitor) {
    pipeline::SampleOptions sample;
    sample.sampler = pipeline::Sampler::dpmpp_2m;
    sample.steps = options.drawn.steps;
    sample.guidance_scale = none.defined() ? options.drawn.guidance_scale : 1;
    const std::int64_t side = std::min(model.native_size(), options.drawn.longest_side);
    const int n = none.defined() ? options.drawn.of_words : options.drawn.of_anything;
    const auto most = static_cast<int>(pipeline::pictures_at_once(model, sample, side, side));
    std::vector<cv::Mat> pictures;
    for (int first = 0; first < n; first += most) {
        pipeline::GenerateInput input;
        std::vector<Tensor> noise;
        for (int i = first; i < std::min(n, first + most); ++i)
            noise.push_back(pipeline::initial_noise(model, side, side,
                                                    pipeline::make_generator(options.seed + i)));
        input.noise = at::cat(noise);
        input.cond = text.to(model.dtype);
        if (none.defined()) input.uncond = none.to(model.dtype);
        const Tensor latents = pipeline::generate_latents(model, input, sample, monitor);
        for (const Tensor& one : pipeline::decode_latents(model, latents).split(1))
            pictures.push_back(lab_mat(to_pixels(one)));
    }
    return colour_density(pictures);
}

// CV_8UC1. Lives as long as `mask`.
cv::Mat region_mat(const Mask& mask) {
    // OpenCV knows no const data; nobody writes to it.
    return {mask.height, mask.width, CV_8UC1, const_cast<std::uint8_t*>(mask.values.data())};
}

// By the colours of the pictures of the ladder (judge_odds).
std::optional<Judgement> judge_colours(const pipeline::Model& model, const optimize::Tuning& tuning,
                                       const WordsPull& words, const Pixels& photo,
                                       const std::vector<Pixels>& ladder, const Tensor& none,
                                       Monitor& monitor, const JudgeOptions& options) {
    const cv::Mat region = words.region ? region_mat(*words.region) : cv::Mat();
    const ColourDensity of_words =
        drawn_colours(model, tuning.target_embedding, none, options, monitor);
    const cv::Mat own = lab_mat(photo);
    const ColourDensity others =
        mixed(colour_density({own}, region), drawn_colours(model, none, Tensor(), options, monitor),
              options.own);
    std::vector<double> odds;
    for (const Pixels& picture : ladder)
        odds.push_back(colour_odds(lab_mat(picture), region, of_words, others));
    return judge_odds(colour_odds(own, region, of_words, others), odds, options);
}

}  // namespace

JudgeOptions judge_options(const Recipe& recipe) {
    JudgeOptions options;
    if (recipe.mode == Mode::quick) options.noise_share = recipe.sample.noise_share;
    options.full_pull = full_pull_of(recipe.mode);
    options.negative_prompt = recipe.sample.negative_prompt;
    return options;
}

std::vector<double> words_advantage(const pipeline::Model& model, const Tensor& latents,
                                    const Tensor& text, const Tensor& none, const Tensor& mask,
                                    const JudgeOptions& options, Monitor& monitor) {
    const at::NoGradGuard no_grad;
    const std::int64_t n = latents.size(0);
    const Tensor texts = at::cat({text.expand({n, -1, -1}), none.expand({n, -1, -1})});
    const Tensor weight =
        mask.defined() ? mask.to(latents.device()) : at::ones({1, 1, 1, 1}, latents.options());
    at::Generator generator = pipeline::make_generator(options.seed);
    const auto steps = static_cast<double>(model.schedule.config.num_train_timesteps);
    Tensor with = at::zeros({n}), without = at::zeros({n});
    const auto calls = static_cast<std::int64_t>(options.noises.size()) * options.samples;
    std::int64_t done = 0;
    for (int i = 0; i < options.samples; ++i) {
        const Tensor noise =
            pipeline::randn(latents.narrow(0, 0, 1).sizes(), generator).to(latents.device());
        for (const double level : options.noises) {
            const auto t = std::max<std::int64_t>(std::llround(level * steps), 1) - 1;
            const Tensor timestep =
                at::full({n}, t, at::TensorOptions(at::kLong).device(latents.device()));
            const Tensor all = noise.expand_as(latents);
            const Tensor noisy = model.schedule.add_noise(latents, all, timestep);
            const Tensor target = model.schedule.target(latents, all, timestep);
            const auto both =
                model.unet(at::cat({noisy, noisy}), timestep.narrow(0, 0, 1), texts).chunk(2);
            const auto sum = [&](const Tensor& prediction) {
                return (error_of(prediction, target) * weight).sum({1, 2, 3}).to(at::kCPU);
            };
            with += sum(both[0]);
            without += sum(both[1]);
            monitor.step(++done, calls, "judge");
        }
    }
    std::vector<double> advantage;
    for (std::int64_t i = 0; i < n; ++i) {
        const double error = without[i].item<double>();
        advantage.push_back(error > 0 ? (error - with[i].item<double>()) / error : 0);
    }
    return advantage;
}

std::optional<Judgement> judge_odds(double photo, const std::vector<double>& odds,
                                    const JudgeOptions& options) {
    const double best = *std::ranges::max_element(odds);
    if (!(best - photo > options.least_way)) return std::nullopt;
    const double enough = std::min(options.odds, photo + options.way * (best - photo));
    // Below 0 the picture at its best still has the photo's colours rather than the words'.
    return Judgement{first_strength(photo, odds, enough, options).value(), best >= 0};
}

std::optional<double> judge_likeness(const std::vector<double>& similarities,
                                     const JudgeOptions& options) {
    const double best = *std::ranges::max_element(similarities);
    if (!(best >= options.least_likeness)) return std::nullopt;
    return first_strength(0, similarities, options.likeness * best, options);
}

Judgement judge_words(const pipeline::Model& model, const optimize::Tuning& tuning,
                      const WordsPull& words, const EncodedSquare& square,
                      const EditDirection* direction, Monitor& monitor,
                      const JudgeOptions& options) {
    const Tensor none = pipeline::encode_text(model, "").to(at::kFloat);
    const pipeline::EditTask task =
        edit_task(model, tuning, words, pipeline::encode_text(model, options.negative_prompt),
                  {square.pixels.width, square.pixels.height});
    const Tensor latents = draw_ladder(model, tuning, task, square.latents, options, monitor);
    std::vector<Pixels> ladder;
    for (const Tensor& one : pipeline::decode_latents(model, latents).split(1))
        ladder.push_back(to_pixels(one));

    const std::optional<Judgement> colours =
        judge_colours(model, tuning, words, square.pixels, ladder, none, monitor, options);
    Judgement judgement = colours.value_or(Judgement{});
    if (!judgement.taken) {
        const auto predicted =
            first_strength(std::nullopt,
                           words_advantage(model, latents.to(at::kFloat), tuning.target_embedding,
                                           none, task.mask, options, monitor),
                           options.enough, options);
        judgement.taken = predicted.has_value();
        if (predicted && !colours) judgement.strength = *predicted;
    }
    if (direction == nullptr) return judgement;
    std::vector<double> similarities;
    for (const Pixels& picture : ladder)
        similarities.push_back(directional_similarity(*direction, picture));
    judgement.strength =
        std::max(judgement.strength, judge_likeness(similarities, options).value_or(0));
    return judgement;
}

}  // namespace keepsake::editor
