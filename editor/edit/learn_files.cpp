#include "editor/edit/learn_files.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "editor/edit/draw_pictures.h"
#include "editor/edit/edit_recipe.h"
#include "editor/edit/model_folder.h"
#include "editor/edit/train_vae.h"
#include "editor/photo/contact_sheet.h"
#include "editor/photo/image_file.h"
#include "editor/photo/photo.h"
#include "editor/session/recipe.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/number_text.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/networks/word_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using optimize::LearnedPictures;
using pipeline::PredictionType;
using pipeline::TensorMap;

// "0007"
std::string digits(std::int64_t value, int width) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*lld", width, static_cast<long long>(value));
    return text;
}

std::string json_text(const nlohmann::ordered_json& value) {
    return value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// How often each caption (tags, where it is a list of them) is learned in a round, which web
// interfaces show as trigger words.
std::string tag_frequency(const LearnedFacts& facts) {
    std::map<std::string, std::int64_t> counts;
    for (const SetPicture& picture : facts.set.pictures)
        for (const std::string& caption : picture.captions) counts[caption] += 1;
    if (facts.request.kind == LearnKind::subject) counts[facts.request.token] += 0;
    nlohmann::ordered_json tags = nlohmann::ordered_json::object();
    std::size_t most = 1000;
    for (const auto& [caption, count] : counts)
        if (most-- > 0) tags[caption] = std::max<std::int64_t>(count, 1);
    nlohmann::ordered_json folders;
    folders[facts.request.name] = tags;
    return json_text(folders);
}

const char* schedule_name(optimize::LearningSchedule schedule) {
    using optimize::LearningSchedule;
    switch (schedule) {
        case LearningSchedule::linear:
            return "linear";
        case LearningSchedule::cosine:
            return "cosine";
        case LearningSchedule::cosine_with_restarts:
            return "cosine_with_restarts";
        case LearningSchedule::polynomial:
            return "polynomial";
        case LearningSchedule::constant_with_warmup:
            return "constant_with_warmup";
        case LearningSchedule::constant:
            break;
    }
    return "constant";
}

// What sd-scripts' header says of a LoRA.
void add_kohyas(const LearnedFacts& facts, std::map<std::string, std::string>& metadata) {
    const LearnRequest& request = facts.request;
    const optimize::PictureOptions& options = request.options;
    const std::string rate = number_text(options.schedule.rate);
    const std::string size = std::to_string(facts.side);
    metadata.merge(std::map<std::string, std::string>{
        {"ss_output_name", request.name},
        {"ss_sd_model_name", checked_utf8(facts.model.path.filename().string())},
        {"ss_learning_rate", rate},
        {"ss_unet_lr", rate},
        {"ss_text_encoder_lr", options.text_encoder ? rate : "None"},
        {"ss_steps", std::to_string(facts.steps)},
        {"ss_max_train_steps", std::to_string(options.stage.steps)},
        {"ss_lr_scheduler", schedule_name(options.schedule.kind)},
        {"ss_lr_warmup_steps", std::to_string(options.schedule.warmup_steps)},
        {"ss_optimizer", "AdamW"},
        {"ss_batch_size_per_device", std::to_string(options.stage.batch_size)},
        {"ss_gradient_accumulation_steps", std::to_string(options.accumulation)},
        {"ss_num_train_images", std::to_string(facts.set.with_repeats())},
        {"ss_num_reg_images", std::to_string(facts.prior_pictures)},
        {"ss_resolution", "(" + size + ", " + size + ")"},
        {"ss_enable_bucket", request.buckets ? "True" : "False"},
        {"ss_seed", std::to_string(request.seed)},
        {"ss_clip_skip", "None"},
        {"ss_min_snr_gamma",
         options.min_snr_gamma > 0 ? number_text(options.min_snr_gamma) : std::string("None")},
        {"ss_noise_offset", number_text(options.noising.offset)},
        {"ss_caption_dropout_rate", number_text(options.caption_dropout)},
        {"ss_network_dropout",
         options.lora.dropout > 0 ? number_text(options.lora.dropout) : std::string("None")},
        {"ss_prior_loss_weight", number_text(options.prior_weight)},
        {"ss_tag_frequency", tag_frequency(facts)},
        {"ss_training_comment", std::string("keepsake ") + learn_name(request.kind)}});
    if (options.lora.targets == pipeline::LoraTargets::all)
        metadata["ss_network_args"] =
            json_text({{"conv_dim", std::to_string(options.lora.rank)},
                       {"conv_alpha", number_text(alpha_of(options.lora))}});
    if (const ModelFamily family = family_of(facts.model); !family.base.empty()) {
        metadata["ss_v2"] = family.base == "sd_v1" ? "False" : "True";
        metadata["ss_base_model_version"] = family.base;
    }
}

fs::path write_model(const fs::path& folder, const std::string& name, const LearnedFacts& facts,
                     const LearnedPictures& learned) {
    const fs::path to = own_folder(folder, name);
    copy_model_folder(facts.model.path, to, learned.text_encoder.has_value());
    const auto weights = [&](const std::string& component, const TensorMap& parameters) {
        TensorMap result = parameters;
        for (auto& [tensor, value] : result)
            if (const auto average = learned.averages.find(component + "." + tensor);
                average != learned.averages.end())
                value = average->second;
        return result;
    };
    write_unet_weights(to, weights("unet", learned.unet->parameters()));
    if (learned.text_encoder)
        write_text_encoder_weights(to, weights("text_encoder", learned.text_encoder->parameters()));
    if (facts.request.kind == LearnKind::unet) {
        write_unet_configs(to, facts.model.unet.config(), facts.model.schedule.config);
        if (!facts.request.compute.vae.empty())
            write_vae(own_folder(to, "vae"), facts.model.vae, facts.side);
    }
    return to;
}

// The LoRA with the averages of its numbers in their place, where they are kept.
pipeline::LoraSet averaged(const pipeline::LoraSet& loras, const std::string& component,
                           const TensorMap& averages) {
    pipeline::LoraSet result;
    for (const auto& [layer, lora] : loras) {
        const auto of = [&](const char* which, const at::Tensor& now) {
            const auto found = averages.find(component + "." + layer + which);
            return found == averages.end() ? now : found->second;
        };
        result[layer] = lora;
        result[layer].down = of(".lora_down.weight", lora.down);
        result[layer].up = of(".lora_up.weight", lora.up);
    }
    return result;
}

// The word with the averages of its numbers in their place, where they are kept.
pipeline::LearnedWord word_of(const LearnedFacts& facts, const LearnedPictures& learned) {
    const auto average = learned.averages.find("word");
    const at::Tensor& vectors = average == learned.averages.end() ? learned.word : average->second;
    return {facts.word, vectors.detach().to(at::kCPU).contiguous()};
}

GenerateOverrides overrides_of(const pipeline::Model& model, const std::string& prompt,
                               const pipeline::SampleOptions& sample) {
    GenerateOverrides overrides;
    overrides.words = words_in(model, prompt, sample.negative_prompt);
    return overrides;
}

// The picture in a white square, for the sheet.
Pixels squared(const Pixels& pixels) {
    if (pixels.width == pixels.height) return pixels;
    const int side = std::max(pixels.width, pixels.height);
    Pixels square{side, side, std::vector<std::uint8_t>(std::size_t(side) * side * 3, 255)};
    const int left = (side - pixels.width) / 2, top = (side - pixels.height) / 2;
    for (int y = 0; y < pixels.height; ++y)
        std::copy_n(pixels.rgb.begin() + std::ptrdiff_t(y) * pixels.width * 3, pixels.width * 3,
                    square.rgb.begin() + (std::ptrdiff_t(y + top) * side + left) * 3);
    return square;
}

// The steps of which there are samples, from their names.
std::vector<std::int64_t> sampled_steps(const fs::path& samples) {
    std::vector<std::int64_t> steps;
    for (const auto& entry : fs::directory_iterator(samples)) {
        long long step = 0;
        int which = 0, end = 0;
        const std::string name = entry.path().filename().string();
        const int read = std::sscanf(name.c_str(), "step-%lld-%d.png%n", &step, &which, &end);
        if (read == 2 && end == static_cast<int>(name.size()) && which == 1 && step >= 0)
            steps.push_back(step);
    }
    std::ranges::sort(steps);
    return steps;
}

std::string sample_name(std::int64_t step, std::size_t which) {
    return "step-" + digits(step, 6) + "-" + std::to_string(which + 1) + ".png";
}

// Whether a picture's file carries that recipe.
bool has_recipe(const fs::path& path, const std::string& recipe) {
    if (!is_there(path)) return false;
    try {
        return read_image_recipe(path) == recipe;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

ModelFamily family_of(const pipeline::Model& model) {
    const bool v = model.schedule.config.prediction_type == PredictionType::v_prediction;
    switch (model.unet.config().cross_attention_dim) {
        case 768:
            return {"sd_v1", "stable-diffusion-v1/lora"};
        case 1024:
            return v ? ModelFamily{"sd_v2_v", "stable-diffusion-v2-768-v/lora"}
                     : ModelFamily{"sd_v2", "stable-diffusion-v2-512/lora"};
        default:
            return {};
    }
}

std::map<std::string, std::string> learned_metadata(const LearnedFacts& facts) {
    const LearnRequest& request = facts.request;
    const bool word = request.kind == LearnKind::word;
    const std::string size = std::to_string(facts.side);
    std::map<std::string, std::string> metadata = {
        {"keepsake_model_fingerprint", facts.model.fingerprint},
        {"modelspec.sai_model_spec", "1.0.1"},
        {"modelspec.implementation", "keepsake"},
        {"modelspec.title", request.name},
        {"modelspec.resolution", size + "x" + size}};
    const PredictionType prediction = facts.model.schedule.config.prediction_type;
    if (prediction != PredictionType::sample)
        metadata["modelspec.prediction_type"] =
            prediction == PredictionType::epsilon ? "epsilon" : "v";
    if (request.kind == LearnKind::subject) metadata["modelspec.trigger_phrase"] = request.token;
    if (word) metadata["modelspec.trigger_phrase"] = facts.word;
    if (const ModelFamily family = family_of(facts.model); !family.base.empty())
        metadata["modelspec.architecture"] =
            word ? family.architecture.substr(0, family.architecture.rfind('/')) +
                       "/textual-inversion"
                 : family.architecture;
    if (!word) add_kohyas(facts, metadata);
    return metadata;
}

fs::path write_learned(const fs::path& folder, const std::string& name, const LearnedFacts& facts,
                       const LearnedPictures& learned) {
    if (facts.request.options.all_weights) return write_model(folder, name, facts, learned);
    const fs::path path = own_file(folder, name + ".safetensors");
    if (facts.request.kind == LearnKind::word) {
        pipeline::write_word_file(path, word_of(facts, learned), pipeline::WordLayout::by_tensor,
                                  learned_metadata(facts));
        return path;
    }
    pipeline::save_loras(path, averaged(learned.loras, "unet", learned.averages),
                         averaged(learned.text_loras, "text_encoder", learned.averages),
                         learned_metadata(facts));
    return path;
}

fs::path write_word_by_stem(const fs::path& folder, const LearnedFacts& facts,
                            const LearnedPictures& learned) {
    const pipeline::LearnedWord word = word_of(facts, learned);
    if (word.name.find('/') != std::string::npos || word.name.starts_with(".")) return {};
    const fs::path path = own_file(own_folder(folder, "a1111"), word.name + ".safetensors");
    pipeline::write_word_file(path, word, pipeline::WordLayout::by_stem, learned_metadata(facts));
    return path;
}

void draw_samples(const fs::path& folder, const std::vector<SamplePrompt>& prompts,
                  const pipeline::Model& model, const LearnedPictures& learned, Monitor& monitor) {
    pipeline::SampleOptions sample;
    apply(load_model_defaults(model.path).sample, sample);
    const std::optional<pipeline::UNet> average = averaged_unet(learned);
    const pipeline::UNet* now = learned.unet ? &*learned.unet : nullptr;
    draw_samples(
        folder, learned.steps, prompts,
        {model,
         sample,
         {average ? &*average : now, learned.text_encoder ? &*learned.text_encoder : nullptr}},
        monitor);
}

void draw_samples(const fs::path& folder, std::int64_t step,
                  const std::vector<SamplePrompt>& prompts, const SamplesDrawing& by,
                  Monitor& monitor) {
    const fs::path samples = own_folder(folder, "samples");
    const int side = static_cast<int>(by.model.native_size());
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        const SamplePrompt& prompt = prompts[i];
        DrawnPictures pictures{prompt.prompt,
                               prompt.width.value_or(side),
                               prompt.height.value_or(side),
                               {prompt.seed.value_or(0)},
                               by.sample};
        apply(prompt.sample, pictures.sample);
        const GenerateRender recipe{
            .prompt = prompt.prompt,
            .model = reference_to(by.model),
            .width = pictures.width,
            .height = pictures.height,
            .seed = pictures.seeds[0],
            .sample = pictures.sample,
            .overrides = overrides_of(by.model, prompt.prompt, pictures.sample)};
        write_image(own_file(samples, sample_name(step, i)),
                    draw_pictures(by.model, pictures, monitor, by.networks)[0],
                    {to_chunk(recipe), {}, PictureSource::made_by_model});
    }
}

std::vector<SampleRow> sample_rows(const fs::path& run) {
    std::vector<SampleRow> rows;
    const fs::path samples = run / "samples";
    if (!is_there(samples)) return rows;
    for (const std::int64_t step : sampled_steps(samples)) {
        SampleRow row{step, {}};
        for (std::size_t i = 0;; ++i) {
            const fs::path path = own_file(run, fs::path("samples") / sample_name(step, i));
            if (!is_there(path)) break;
            row.pictures.push_back(path);
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

fs::path write_samples_sheet(const fs::path& folder, const std::vector<SamplePrompt>& prompts,
                             const std::string& title) {
    const fs::path samples = own_folder(folder, "samples");
    ContactSheet sheet;
    sheet.title = title;
    for (const std::int64_t step : sampled_steps(samples)) {
        std::vector<LabelledPixels> row;
        for (std::size_t i = 0; i < prompts.size(); ++i) {
            const fs::path path = own_file(samples, sample_name(step, i));
            if (!is_there(path)) continue;
            const std::string label = "step " + std::to_string(step) + ": " + prompts[i].prompt;
            row.push_back({label, squared(load_photo(path).pixels)});
        }
        if (!row.empty()) sheet.rows.push_back(std::move(row));
    }
    if (sheet.rows.empty()) return {};
    const fs::path path = own_file(samples, "sheet.png");
    write_image(path, draw_contact_sheet(sheet));
    return path;
}

void draw_class(const fs::path& folder, const std::string& prompt, const PriorRequest& prior,
                std::int64_t side, const pipeline::Model& model, Monitor& monitor) {
    pipeline::SampleOptions sample;
    apply(load_model_defaults(model.path).sample, sample);
    sample.steps = prior.steps;
    const int pixels = static_cast<int>(side);
    struct Missing {
        fs::path path;
        std::string recipe;
    };
    std::vector<Missing> missing;
    DrawnPictures pictures{prompt, pixels, pixels, {}, sample};
    for (int i = 0; i < prior.pictures; ++i) {
        const GenerateRender recipe{.prompt = prompt,
                                    .model = reference_to(model),
                                    .width = pixels,
                                    .height = pixels,
                                    .seed = static_cast<std::uint64_t>(i),
                                    .sample = sample,
                                    .overrides = overrides_of(model, prompt, sample)};
        const fs::path path = own_file(folder, "class-" + digits(i + 1, 4) + ".png");
        if (has_recipe(path, to_chunk(recipe))) continue;
        missing.push_back({path, to_chunk(recipe)});
        pictures.seeds.push_back(recipe.seed);
    }
    // In parts, so that what is drawn is kept when it is stopped.
    constexpr std::size_t part = 16;
    const std::vector<std::uint64_t> seeds = pictures.seeds;
    for (std::size_t i = 0; i < missing.size(); i += part) {
        const std::size_t end = std::min(i + part, missing.size());
        pictures.seeds.assign(seeds.begin() + static_cast<std::ptrdiff_t>(i),
                              seeds.begin() + static_cast<std::ptrdiff_t>(end));
        Monitor silent([](const Progress&) {}, monitor.stop());
        const std::vector<Pixels> drawn = draw_pictures(model, pictures, silent);
        for (std::size_t j = i; j < end; ++j)
            write_image(missing[j].path, drawn[j - i],
                        {missing[j].recipe, {}, PictureSource::made_by_model});
        monitor.step(static_cast<std::int64_t>(end), static_cast<std::int64_t>(missing.size()),
                     "class pictures");
    }
}

}  // namespace keepsake::editor
