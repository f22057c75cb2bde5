#include "editor/edit/model_captioner.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "editor/edit/score.h"
#include "editor/photo/cut_out.h"
#include "editor/photo/pixel_tensors.h"
#include "editor/session/bundled_model.h"
#include "pipeline/error.h"
#include "pipeline/files/text_parts.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {
namespace {

using at::Tensor;

// The centred square at the model's size, as its latents.
Tensor look_at(const pipeline::Model& model, const Pixels& pixels) {
    const Pixels square = cut_out(pixels, centred_square(pixels));
    const int native = static_cast<int>(model.native_size());
    return pipeline::encode_image(model, to_tensor(resize(square, native, native))).to(at::kFloat);
}

// 1 in the middle, 0 around: (h, w).
Tensor middle(const Tensor& latents, double share) {
    const Tensor mask = at::zeros({latents.size(2), latents.size(3)}, latents.options());
    Tensor part = mask;
    for (std::int64_t i = 0; i < 2; ++i) {
        const std::int64_t side = mask.size(i);
        const std::int64_t kept = std::clamp<std::int64_t>(std::llround(side * share), 1, side);
        part = part.narrow(i, (side - kept) / 2, kept);
    }
    part.fill_(1);
    return mask;
}

// At one level: (2, M). masks: (2, h, w).
Tensor gains_at(const pipeline::Model& model, const Tensor& latents, const Tensor& texts,
                const Tensor& noises, double level, const Tensor& masks) {
    const auto steps = static_cast<double>(model.schedule.config.num_train_timesteps);
    const std::int64_t t = std::max<std::int64_t>(std::llround(level * steps), 1) - 1;
    const std::int64_t n = noises.size(0), m = texts.size(0);
    const Tensor timestep = at::full({n}, t, at::TensorOptions(at::kLong).device(latents.device()));
    const Tensor clean = latents.expand_as(noises);
    const Tensor noisy = model.schedule.add_noise(clean, noises, timestep);
    const Tensor target = model.schedule.target(clean, noises, timestep).unsqueeze(1);
    const Tensor predicted =
        model.unet(noisy.repeat_interleave(m, 0), timestep.narrow(0, 0, 1), texts.repeat({n, 1, 1}))
            .to(at::kFloat)
            .unflatten(0, {n, m});
    const Tensor mean = predicted.mean(1, /*keepdim=*/true);
    const Tensor missed = target - mean, own = predicted - mean;
    // (n, M, C, h, w), summed under each mask: (n, M, 2).
    const auto sums = [&](const Tensor& a, const Tensor& b) {
        return at::matmul((a * b).sum(2).flatten(2), masks.flatten(1).t());
    };
    const Tensor lengths = sums(missed, missed) * sums(own, own);
    return (sums(missed, own) / (lengths + 1e-12).sqrt()).mean(0).t();
}

// Adds to `scores`, one a word; features: float64.
void add_scores(const CaptionWords::Scores& words, const Tensor& features,
                std::vector<double>& scores) {
    const Tensor flat = features.contiguous();
    const double* feature = flat.const_data_ptr<double>();
    for (std::size_t word = 0; word < words.bias.size(); ++word) {
        scores[word] += words.bias[word];
        for (std::size_t i = 0; i < words.weights[word].size(); ++i)
            scores[word] += words.weights[word][i] * feature[i];
    }
}

// The CLIP of a model's folder, if `words` are of its vectors.
pipeline::Clip clip_of(const std::filesystem::path& model, const CaptionWords& words) {
    pipeline::Clip clip = pipeline::load_clip(model / "clip", bundled_tokenizer());
    const auto width = static_cast<std::size_t>(clip.network.config().projection_dim);
    for (const CaptionWords::Named& one : words.named)
        if (one.clip && one.clip->weights.front().size() != width)
            throw Error((model / "captions.json").string(),
                        "has weights for another CLIP than that in " + clip.path.string());
    return clip;
}

// Every combination of words, the last name's fastest.
std::vector<NamedWords> combinations(const CaptionWords& words) {
    std::vector<NamedWords> all = {{}};
    for (const CaptionWords::Named& named : words.named) {
        std::vector<NamedWords> more;
        for (const NamedWords& one : all)
            for (const std::string& word : named.words) {
                more.push_back(one);
                more.back().emplace_back(named.name, word);
            }
        all = std::move(more);
    }
    return all;
}

// As people write it.
std::string with_articles(std::string text) {
    for (std::size_t at = text.find(" a "); at != text.npos; at = text.find(" a ", at + 1))
        if (article_of(std::string_view(text).substr(at + 3)) == "an") text.insert(at + 2, "n");
    return text;
}

}  // namespace

Tensor text_gains(const pipeline::Model& model, const Tensor& latents, const Tensor& texts,
                  const Tensor& noises, const std::vector<double>& levels, double centre) {
    const at::NoGradGuard no_grad;
    const std::int64_t count = noises.size(0) / static_cast<std::int64_t>(levels.size());
    const Tensor masks = at::stack({middle(latents, 1), middle(latents, centre)});
    std::vector<Tensor> gains;
    for (const double level : levels) {
        const auto first = static_cast<std::int64_t>(gains.size()) * count;
        gains.push_back(
            gains_at(model, latents, texts, noises.narrow(0, first, count), level, masks));
    }
    return at::stack(gains, 1).to(at::kCPU);
}

Tensor word_features(const Tensor& gains) {
    std::vector<std::int64_t> names;
    for (std::int64_t i = 2; i < gains.dim(); ++i) names.push_back(i);
    const Tensor apart = gains.to(at::kDouble) - gains.to(at::kDouble).mean(names, true);
    std::vector<Tensor> features;
    for (const std::int64_t name : names) {
        std::vector<std::int64_t> others;
        for (const std::int64_t other : names)
            if (other != name) others.push_back(other);
        features.push_back(others.empty() ? apart : apart.mean(others));
    }
    return at::cat(features, 2);
}

ModelCaptioner::ModelCaptioner(pipeline::Model model, CaptionWords words)
    : model_(std::move(model)), words_(std::move(words)) {
    std::vector<std::string> texts;
    for (const NamedWords& one : combinations(words_))
        texts.push_back(filled_pattern(words_.text, one));
    texts_ = encoded(texts);
    if (words_.asks_clip()) clip_ = clip_of(model_.path, words_);
}

Tensor ModelCaptioner::encoded(const std::vector<std::string>& texts) const {
    const at::NoGradGuard no_grad;
    std::vector<Tensor> all;
    for (const std::string& text : texts) all.push_back(pipeline::encode_text(model_, text));
    return at::cat(all);
}

// By the same noises for every picture.
Tensor ModelCaptioner::gains_of(const Tensor& latents, const Tensor& texts,
                                const std::vector<double>& levels, std::int64_t noises) const {
    std::vector<std::int64_t> shape = latents.sizes().vec();
    shape[0] = static_cast<std::int64_t>(levels.size()) * noises;
    const Tensor drawn =
        pipeline::randn(shape, pipeline::make_generator(words_.seed)).to(latents.device());
    return text_gains(model_, latents, texts, drawn, levels, words_.centre);
}

NamedWords ModelCaptioner::best(const std::vector<std::vector<double>>& scores) const {
    NamedWords found;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        const auto word = std::ranges::max_element(scores[i]) - scores[i].begin();
        found.emplace_back(words_.named[i].name,
                           words_.named[i].words[static_cast<std::size_t>(word)]);
    }
    return found;
}

NamedWords ModelCaptioner::name(const Pixels& pixels, const Tensor& latents) const {
    const Tensor gains = gains_of(latents, texts_, words_.levels, words_.noises);
    std::vector<std::int64_t> shape = {gains.size(0), gains.size(1)};
    for (const CaptionWords::Named& one : words_.named)
        shape.push_back(static_cast<std::int64_t>(one.words.size()));
    const Tensor features = word_features(gains.view(shape));
    std::vector<std::vector<double>> scores;
    for (const CaptionWords::Named& one : words_.named)
        add_scores(one.gains, features, scores.emplace_back(one.words.size()));
    add_clip_scores(pixels, scores);
    ask_again(latents, scores);
    return best(scores);
}

void ModelCaptioner::add_clip_scores(const Pixels& pixels,
                                     std::vector<std::vector<double>>& scores) const {
    if (!clip_) return;
    const Tensor vector = picture_vector(*clip_, pixels).to(at::kDouble);
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (words_.named[i].clip) add_scores(*words_.named[i].clip, vector, scores[i]);
}

void ModelCaptioner::ask_again(const Tensor& latents,
                               std::vector<std::vector<double>>& scores) const {
    if (!words_.again) return;
    const CaptionWords::Again& again = *words_.again;
    NamedWords found = best(scores);
    std::vector<std::string> texts;
    for (const std::string& word : words_.named[again.named].words) {
        found[again.named].second = word;
        texts.push_back(filled_pattern(words_.text, found));
    }
    const Tensor gains = gains_of(latents, encoded(texts), again.levels, again.noises)[0].mean(0);
    for (std::size_t word = 0; word < texts.size(); ++word)
        scores[again.named][word] +=
            again.weight * gains[static_cast<std::int64_t>(word)].item<double>();
}

// found: of what is named; what is noted is added.
void ModelCaptioner::note(const Tensor& latents, NamedWords& found) const {
    if (words_.noted.empty()) return;
    const std::size_t named = found.size();
    for (const CaptionWords::Noted& one : words_.noted)
        found.emplace_back(one.name, one.words.front());
    std::vector<std::string> texts = {filled_pattern(words_.caption, found)};
    for (std::size_t i = 0; i < words_.noted.size(); ++i)
        for (std::size_t word = 1; word < words_.noted[i].words.size(); ++word) {
            NamedWords other = found;
            other[named + i].second = words_.noted[i].words[word];
            texts.push_back(filled_pattern(words_.caption, other));
        }
    const Tensor gains = gains_of(latents, encoded(texts), words_.levels, words_.noises)[0].mean(0);
    std::int64_t place = 1;
    for (std::size_t i = 0; i < words_.noted.size(); ++i) {
        double most = gains[0].item<double>() + words_.noted[i].bar;
        for (std::size_t word = 1; word < words_.noted[i].words.size(); ++word, ++place)
            if (const auto gain = gains[place].item<double>(); gain > most) {
                most = gain;
                found[named + i].second = words_.noted[i].words[word];
            }
    }
}

std::string ModelCaptioner::operator()(const Pixels& pixels) const {
    const at::NoGradGuard no_grad;
    const Tensor latents = look_at(model_, pixels);
    NamedWords found = name(pixels, latents);
    note(latents, found);
    return with_articles(filled_pattern(words_.caption, found));
}

}  // namespace keepsake::editor
