#include "editor/edit/distil_set.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "editor/edit/render.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using at::Tensor;
using pipeline::Model;

// Texts by number, each once.
class Texts {
  public:
    std::int64_t number_of(const std::string& text) {
        const auto [at, is_new] = numbers_.emplace(text, static_cast<std::int64_t>(texts_.size()));
        if (is_new) texts_.push_back(text);
        return at->second;
    }
    Tensor encoded(const Model& model) const {
        std::vector<Tensor> all;
        for (const std::string& text : texts_)
            all.push_back(pipeline::encode_text(model, text).to(at::kFloat));
        return at::cat(all);
    }

  private:
    std::map<std::string, std::int64_t> numbers_;
    std::vector<std::string> texts_;
};

struct Gathering {
    std::vector<Tensor> latents;  // (1 or more, C, h, w) each
    std::int64_t count = 0;       // of pictures in them
    Texts texts;
    std::vector<std::int64_t> pairs;  // picture, text, picture, text, ...

    void add(const Tensor& one, const std::vector<std::string>& captions, std::int64_t repeats) {
        latents.push_back(one);
        for (const std::string& caption : captions) {
            const std::int64_t text = texts.number_of(caption);
            for (std::int64_t i = 0; i < repeats; ++i) {
                pairs.push_back(count);
                pairs.push_back(text);
            }
        }
        ++count;
    }
};

// Some of the pictures that the teacher draws: those from `first` on.
struct DrawnPart {
    std::size_t first = 0, count = 0;
};

const std::string& prompt_of(const DistilPlan& plan, std::size_t picture) {
    // Of more prompts than pictures, some from everywhere.
    const std::size_t all = plan.prompts.size(), drawn = static_cast<std::size_t>(plan.drawn);
    return plan.prompts[drawn < all ? picture * all / drawn : picture % all];
}

// All that a part depends on.
std::string tag_of(const DistilPlan& plan, const DrawnPart& part) {
    const pipeline::SampleOptions sample = plan.teacher_sample();
    char numbers[160];
    std::snprintf(numbers, sizeof numbers, "%d %.17g %.17g %.17g %lld %llu", sample.steps,
                  sample.guidance_scale, sample.ddim_eta, sample.tcd_eta,
                  static_cast<long long>(plan.size.side),
                  static_cast<unsigned long long>(plan.request.seed));
    Fingerprint fingerprint;
    const auto add = [&](std::string_view text) {
        fingerprint.add(text);
        fingerprint.end_part();
    };
    add(plan.model.fingerprint);
    add(pipeline::sampler_name(sample.sampler));
    add(sample.spacing ? pipeline::spacing_name(*sample.spacing) : "");
    add(sample.negative_prompt);
    add(numbers);
    for (std::size_t i = 0; i < part.count; ++i) add(prompt_of(plan, part.first + i));
    return fingerprint.text();
}

Tensor read_part(const fs::path& path, const std::string& tag, const DrawnPart& part) {
    if (!is_there(path)) return {};
    try {
        const pipeline::SafetensorsFile file(path);
        const auto found = file.metadata().find("drawn");
        if (found == file.metadata().end() || found->second != tag) return {};
        Tensor latents = file.read("latents", at::kFloat);
        const bool whole = latents.dim() == 4 &&
                           latents.size(0) == static_cast<std::int64_t>(part.count) &&
                           at::isfinite(latents).all().item<bool>();
        return whole ? latents : Tensor();
    } catch (const Error&) {
        return {};
    }
}

Tensor draw_batch(const DistilPlan& plan, const DrawnPart& part, Monitor& monitor) {
    const Model& model = plan.model;
    const pipeline::SampleOptions sample = plan.teacher_sample();
    pipeline::GenerateInput input;
    std::vector<Tensor> noise, cond;
    for (std::size_t i = part.first; i < part.first + part.count; ++i) {
        input.generators.push_back(pipeline::make_generator(plan.request.seed + i));
        noise.push_back(pipeline::initial_noise(model, plan.size.side, plan.size.side,
                                                input.generators.back()));
        cond.push_back(pipeline::encode_text(model, prompt_of(plan, i)));
    }
    input.noise = at::cat(noise);
    input.cond = at::cat(cond);
    if (sample.guidance_scale > 1)
        input.uncond = pipeline::encode_text(model, sample.negative_prompt);
    return pipeline::generate_latents(model, input, sample, monitor).to(at::kCPU, at::kFloat);
}

// In parts, so that what is drawn is kept when it is stopped.
void draw_prompts(const DistilPlan& plan, const fs::path& cache, Gathering& gathered,
                  Monitor& monitor) {
    constexpr std::size_t part_size = 32;
    const auto total = static_cast<std::size_t>(plan.drawn);
    const std::size_t at_once = pipeline::pictures_at_once(plan.model, plan.teacher_sample(),
                                                           plan.size.side, plan.size.side);
    Monitor silent([](const Progress&) {}, monitor.stop());
    for (std::size_t first = 0; first < total; first += part_size) {
        const DrawnPart part{first, std::min(part_size, total - first)};
        char name[64];
        std::snprintf(name, sizeof name, "drawn-%06zu.safetensors", first / part_size + 1);
        const fs::path path = own_file(cache, name);
        const std::string tag = tag_of(plan, part);
        Tensor latents = read_part(path, tag, part);
        if (!latents.defined()) {
            std::vector<Tensor> drawn;
            for (const ImageBatch& batch : image_batches(part.count, at_once))
                drawn.push_back(draw_batch(plan, {first + batch.first, batch.count}, silent));
            latents = at::cat(drawn);
            pipeline::check_finite(latents, "a picture that the teacher drew");
            pipeline::write_safetensors(path, {{"latents", latents}}, {{"drawn", tag}});
        }
        for (std::size_t i = 0; i < part.count; ++i)
            gathered.add(
                latents.slice(0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1),
                {prompt_of(plan, first + i)}, 1);
        monitor.step(static_cast<std::int64_t>(first + part.count), plan.drawn, "draw");
    }
}

}  // namespace

optimize::DistilSet distil_set(const DistilPlan& plan, const fs::path& cache, Monitor& monitor) {
    const at::NoGradGuard no_grad;
    Gathering gathered;
    for (const optimize::LearnPicture& picture :
         encode_set(plan.model, plan.set, plan.size, {""}, cache, monitor)) {
        gathered.add(picture.latents, picture.captions, picture.repeats);
        if (picture.mirrored.defined())
            gathered.add(picture.mirrored, picture.captions, picture.repeats);
    }
    if (plan.drawn > 0) draw_prompts(plan, cache, gathered, monitor);
    const at::Device device = plan.model.device;
    optimize::DistilSet set;
    std::vector<Tensor> latents;
    for (const Tensor& one : gathered.latents) latents.push_back(one.to(device, at::kFloat));
    set.latents = at::cat(latents);
    set.embeddings = gathered.texts.encoded(plan.model);
    set.uncond =
        pipeline::encode_text(plan.model, plan.teacher_sample().negative_prompt).to(at::kFloat);
    set.pairs = at::tensor(gathered.pairs, at::TensorOptions(at::kLong)).view({-1, 2}).to(device);
    return set;
}

}  // namespace keepsake::editor
