#include "optimize/learn/picture_steps.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "optimize/training/streams.h"
#include "pipeline/error.h"

namespace keepsake::optimize {

namespace {

// Pictures by the size of their latents, as often as they are repeated.
std::vector<PictureGroup> groups_of(const std::vector<LearnPicture>& pictures, bool prior) {
    std::map<std::pair<std::int64_t, std::int64_t>, PictureGroup> groups;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        if (pictures[i].is_prior != prior) continue;
        PictureGroup& group = groups[{pictures[i].latents.size(2), pictures[i].latents.size(3)}];
        group.insert(group.end(), static_cast<std::size_t>(pictures[i].repeats),
                     static_cast<std::int64_t>(i));
    }
    std::vector<PictureGroup> result;
    for (auto& [size, group] : groups) result.push_back(std::move(group));
    return result;
}

bool has_prior(const PictureTask& task) {
    return std::ranges::any_of(task.pictures, &LearnPicture::is_prior);
}

// By which LoRAs' dropout is drawn: of each of a batch's samples its own.
std::vector<std::uint64_t> sample_numbers(std::uint64_t seed, std::int64_t place,
                                          std::int64_t count) {
    const Tensor drawn = at::randint(std::numeric_limits<std::int64_t>::max(), {count},
                                     step_generator(seed, streams::lora_dropout, place),
                                     at::TensorOptions().dtype(at::kLong));
    const auto* begin = drawn.const_data_ptr<std::int64_t>();
    return {begin, begin + count};
}

// What a pass over LoRAs with dropout is told before it.
void set_pass(const pipeline::LoraSet& loras, const std::vector<std::uint64_t>& numbers,
              std::int64_t begin, std::int64_t end) {
    const auto pass = pipeline::pass_of(loras);
    if (pass && !numbers.empty()) pass->samples = {numbers.begin() + begin, numbers.begin() + end};
}

void check(bool holds, const std::string& what, const std::string& why) {
    if (!holds) throw Error(what, why);
}

}  // namespace

void check_pictures(const PictureTask& task, const PictureOptions& options) {
    check(std::ranges::any_of(task.pictures,
                              [](const LearnPicture& picture) { return !picture.is_prior; }),
          "pictures", "there are none to learn from");
    for (const LearnPicture& picture : task.pictures) {
        check(!picture.captions.empty(), "picture", "has no caption");
        check(picture.repeats >= 1, "picture", "is repeated less than once");
    }
    check(options.accumulation >= 1, "accumulation", "is not positive");
    check(options.caption_dropout >= 0 && options.caption_dropout <= 1, "caption dropout",
          "is not between 0 and 1");
    check(options.prior_weight >= 0, "prior weight", "is negative");
    if (!options.word && !options.all_weights) pipeline::check(options.lora);
    if (!options.word) return;
    check(!options.all_weights && !options.text_encoder, "word",
          "learns alone, no network with it");
    check(task.word_start.defined() && task.word_start.dim() == 2, "word", "has no vectors");
}

PictureSteps::PictureSteps(const PictureTask& task, const PictureOptions& options,
                           const LearnedPictures& learned)
    : task_(task),
      options_(options),
      learned_(learned),
      rounds_(groups_of(task.pictures, false), options.stage.batch_size, task.seed,
              streams::picture_order) {
    if (has_prior(task))
        prior_rounds_.emplace(groups_of(task.pictures, true), options.stage.batch_size, task.seed,
                              streams::prior_order);
}

PictureSteps::Batch PictureSteps::draw_batch(const std::vector<std::int64_t>& pictures,
                                             std::int64_t index, bool is_prior) const {
    const auto count = static_cast<std::int64_t>(pictures.size());
    // Of the class, what is drawn comes from negative places of the same streams.
    const std::int64_t place = is_prior ? -1000 - index : index;
    const at::Generator generator = step_generator(task_.seed, streams::captions, place);
    const Tensor chance = at::rand({count, 3}, generator, at::TensorOptions().dtype(at::kDouble));
    Batch batch;
    std::vector<Tensor> latents;
    for (std::int64_t i = 0; i < count; ++i) {
        const LearnPicture& picture =
            task_.pictures[static_cast<std::size_t>(pictures[static_cast<std::size_t>(i)])];
        const auto drawn = [&](std::int64_t which) { return chance[i][which].item<double>(); };
        const bool mirrored = picture.mirrored.defined() && drawn(0) < 0.5;
        latents.push_back(mirrored ? picture.mirrored : picture.latents);
        const auto said =
            static_cast<std::size_t>(drawn(1) * static_cast<double>(picture.captions.size()));
        const bool dropped = drawn(2) < options_.caption_dropout;
        batch.captions.push_back(dropped ? "" : picture.captions[said]);
    }
    batch.latents = at::cat(latents);
    const DrawRequest request{task_.seed,
                              is_prior ? streams::prior_pictures : streams::pictures,
                              options_.stage.draws,
                              count,
                              task_.schedule.config.num_train_timesteps,
                              batch.latents.sizes().slice(1).vec(),
                              batch.latents.device()};
    batch.noise = draw_noising(request, options_.noising, index);
    batch.weights = at::ones({count}, batch.latents.options());
    if (prior_rounds_)
        batch.weights = prior_weights(at::full({count}, is_prior, at::kBool), options_.prior_form,
                                      options_.prior_weight)
                            .to(batch.latents.device());
    // diffusers weighs the class's timesteps alike, whatever the subject's count for.
    const bool weighed = !is_prior || options_.prior_form == PriorForm::kohya;
    if (options_.min_snr_gamma > 0 && weighed)
        batch.weights = batch.weights * min_snr_weights(task_.schedule, batch.noise.pairs.timesteps,
                                                        options_.min_snr_gamma);
    if (options_.lora.dropout > 0) batch.dropout = sample_numbers(task_.seed, place, count);
    return batch;
}

Tensor PictureSteps::embedding_of(const std::string& caption) {
    if (learned_.text_encoder) return (*learned_.text_encoder)(task_.token_ids(caption));
    constexpr std::size_t most = 512;  // some 120 MB for SD 2.x
    if (const auto known = embeddings_.find(caption); known != embeddings_.end())
        return known->second;
    const at::NoGradGuard no_grad;
    const Tensor embedding = task_.text_encoder(task_.token_ids(caption)).to(at::kFloat);
    if (embeddings_.size() < most) embeddings_[caption] = embedding;
    return embedding;
}

Tensor PictureSteps::loss_of(const Batch& batch, std::int64_t begin, std::int64_t end,
                             pipeline::Activations activations) {
    const auto part = [&](const Tensor& tensor) {
        return tensor.defined() ? tensor.slice(0, begin, end) : tensor;
    };
    const NoisingDraw noise{batch.noise.pairs.part(begin, end), part(batch.noise.offset),
                            part(batch.noise.perturbation)};
    const NoisyPictures pictures =
        make_noisy(task_.schedule, part(batch.latents), noise, options_.noising);
    std::vector<Tensor> context;
    for (std::int64_t i = begin; i < end; ++i) {
        set_pass(learned_.text_loras, batch.dropout, i, i + 1);
        context.push_back(embedding_of(batch.captions[static_cast<std::size_t>(i)]));
    }
    set_pass(learned_.loras, batch.dropout, begin, end);
    const Tensor prediction = (*learned_.unet)(pictures.noisy, noise.pairs.timesteps.to(at::kFloat),
                                               at::cat(context), activations);
    return weighted_loss(prediction, pictures.target, part(batch.weights)) *
           static_cast<double>(end - begin);
}

StepSamples PictureSteps::draw(std::int64_t step) {
    const auto batches = std::make_shared<std::vector<Batch>>();
    StepSamples samples;
    for (std::int64_t i = 0; i < options_.accumulation; ++i) {
        const std::int64_t index = step * options_.accumulation + i;
        batches->push_back(draw_batch(rounds_.batch(index), index, false));
        samples.count += batches->back().size();
        if (!prior_rounds_) continue;
        // As many of the class as of the subject, the last batch of a bucket included.
        std::vector<std::int64_t> of_class = prior_rounds_->batch(index);
        const std::vector<std::int64_t> once = of_class;
        const auto wanted = static_cast<std::size_t>(batches->back().size());
        for (std::size_t j = 0; of_class.size() < wanted; ++j)
            of_class.push_back(once[j % once.size()]);
        of_class.resize(wanted);
        batches->push_back(draw_batch(of_class, index, true));
        samples.count += batches->back().size();
    }
    samples.loss = [this, batches](std::int64_t begin, std::int64_t end,
                                   pipeline::Activations activations) {
        Tensor sum;
        std::int64_t first = 0;  // of the batch among the step's samples
        for (const Batch& batch : *batches) {
            const std::int64_t from = std::max(begin - first, std::int64_t{0});
            const std::int64_t to = std::min(end - first, batch.size());
            first += batch.size();
            if (from >= to) continue;
            const Tensor loss = loss_of(batch, from, to, activations);
            sum = sum.defined() ? sum + loss : loss;
        }
        return sum / static_cast<double>(end - begin);
    };
    return samples;
}

}  // namespace keepsake::optimize
