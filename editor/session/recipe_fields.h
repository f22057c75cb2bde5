// What of a recipe stands in its file, field by field, for cereal. For recipe.cpp alone.
#pragma once

#include <array>
#include <cereal/archives/json.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <string>

#include "editor/session/recipe.h"
#include "pipeline/error.h"

// cereal finds these by the namespace of what they write.
namespace keepsake::optimize {

template <class Archive>
void serialize(Archive& archive, AdamOptions& options) {
    archive(cereal::make_nvp("beta1", options.beta1), cereal::make_nvp("beta2", options.beta2),
            cereal::make_nvp("eps", options.eps));
}

// Enumerations are words in the file.
template <class Enum, std::size_t N>
std::string word_of(Enum value, const std::array<const char*, N>& words) {
    return words.at(static_cast<std::size_t>(value));
}
template <class Enum, std::size_t N>
void parse_word(const std::string& word, const std::array<const char*, N>& words, Enum& value) {
    for (std::size_t i = 0; i < N; ++i) {
        if (word != words[i]) continue;
        value = static_cast<Enum>(i);
        return;
    }
    throw Error("'" + word + "'", "is no word for this field");
}

template <class Archive>
void serialize_draws(Archive& archive, StageOptions& options) {
    constexpr std::array schedules = {"constant", "linear", "cosine"};
    constexpr std::array draws = {"independent", "stratified"};
    std::string schedule = word_of(options.schedule, schedules);
    std::string draw = word_of(options.draws, draws);
    archive(cereal::make_nvp("schedule", schedule),
            cereal::make_nvp("warmup_steps", options.warmup_steps),
            cereal::make_nvp("draws", draw));
    if constexpr (Archive::is_loading::value) {
        parse_word(schedule, schedules, options.schedule);
        parse_word(draw, draws, options.draws);
    }
}

// A stage as the file has it: that of the embedding, of which no LoRA learns, has no rank.
struct StageFields {
    StageOptions& options;
    bool has_rank;
};

template <class Archive>
void serialize(Archive& archive, StageFields& stage) {
    StageOptions& options = stage.options;
    archive(cereal::make_nvp("steps", options.steps),
            cereal::make_nvp("learning_rate", options.learning_rate),
            cereal::make_nvp("batch_size", options.batch_size),
            cereal::make_nvp("adam", options.adam));
    if (stage.has_rank) archive(cereal::make_nvp("rank", options.rank));
    serialize_draws(archive, options);
}

}  // namespace keepsake::optimize

namespace keepsake::pipeline {

template <class Archive>
void serialize(Archive& archive, SampleOptions& options) {
    std::string sampler(sampler_name(options.sampler));
    archive(cereal::make_nvp("sampler", sampler), cereal::make_nvp("steps", options.steps),
            cereal::make_nvp("guidance_scale", options.guidance_scale),
            cereal::make_nvp("negative_prompt", options.negative_prompt),
            cereal::make_nvp("ddim_eta", options.ddim_eta));
    // Left out where they are as in recipes that are older than them, whose tags stay what they
    // were.
    if (Archive::is_loading::value || options.noise_share != 1)
        archive(cereal::make_nvp("noise_share", options.noise_share));
    if (Archive::is_loading::value || options.inversion_steps != SampleOptions{}.inversion_steps)
        archive(cereal::make_nvp("inversion_steps", options.inversion_steps));
    // Likewise, where they say something.
    if (Archive::is_loading::value || options.sampler == Sampler::tcd)
        archive(cereal::make_nvp("tcd_eta", options.tcd_eta));
    std::string spacing(options.spacing ? spacing_name(*options.spacing) : "");
    if (Archive::is_loading::value || options.spacing)
        archive(cereal::make_nvp("spacing", spacing));
    std::string schedule(options.schedule ? schedule_name(*options.schedule) : "");
    if (Archive::is_loading::value || options.schedule)
        archive(cereal::make_nvp("schedule", schedule));
    if constexpr (Archive::is_loading::value) {
        options.sampler = parse_sampler(sampler);
        if (!spacing.empty()) options.spacing = parse_spacing(spacing);
        if (!schedule.empty()) options.schedule = parse_schedule(schedule);
    }
}

}  // namespace keepsake::pipeline

namespace keepsake::editor {

template <class Archive>
void serialize(Archive& archive, Crop& crop) {
    archive(cereal::make_nvp("x", crop.x), cereal::make_nvp("y", crop.y),
            cereal::make_nvp("width", crop.width), cereal::make_nvp("height", crop.height));
}

template <class Archive>
void serialize(Archive& archive, ModelReference& model) {
    archive(cereal::make_nvp("path", model.path),
            cereal::make_nvp("fingerprint", model.fingerprint));
}

template <class Archive>
void serialize(Archive& archive, ModelPart& part) {
    archive(cereal::make_nvp("path", part.path), cereal::make_nvp("fingerprint", part.fingerprint),
            cereal::make_nvp("weight", part.weight));
}

template <class Archive>
void serialize(Archive& archive, ModelChanges& changes) {
    archive(cereal::make_nvp("weights", changes.weights), cereal::make_nvp("loras", changes.loras),
            cereal::make_nvp("vae", changes.vae), cereal::make_nvp("clip_skip", changes.clip_skip),
            cereal::make_nvp("prediction", changes.prediction));
}

template <class Archive>
void serialize(Archive& archive, WordReference& word) {
    archive(cereal::make_nvp("name", word.name), cereal::make_nvp("fingerprint", word.fingerprint));
}

template <class Archive>
void serialize(Archive& archive, Recipe& recipe) {
    std::string mode(mode_name(recipe.mode));
    optimize::StageFields embedding{recipe.embedding, false}, finetune{recipe.finetune, true};
    archive(cereal::make_nvp("prompt", recipe.prompt), cereal::make_nvp("photo", recipe.photo),
            cereal::make_nvp("mode", mode), cereal::make_nvp("crop", recipe.crop),
            cereal::make_nvp("size", recipe.size), cereal::make_nvp("model", recipe.model),
            cereal::make_nvp("seed", recipe.seed), cereal::make_nvp("start", recipe.start),
            cereal::make_nvp("embedding", embedding), cereal::make_nvp("finetune", finetune),
            cereal::make_nvp("sample", recipe.sample));
    // Left out where it is the line, as in recipes that are older than it.
    std::string way(way_name(recipe.way));
    if (Archive::is_loading::value || recipe.way != Way::line)
        archive(cereal::make_nvp("way", way));
    // Written for whoever compares recipes: what another edition drew is another picture.
    int edition = words_edition;
    if (Archive::is_loading::value || recipe.way == Way::words)
        archive(cereal::make_nvp("way_edition", edition));
    // Likewise where there are none.
    if (Archive::is_loading::value || recipe.changes != ModelChanges{})
        archive(cereal::make_nvp("model_changes", recipe.changes));
    if (Archive::is_loading::value || !recipe.words.empty())
        archive(cereal::make_nvp("words", recipe.words));
    if (Archive::is_loading::value || !recipe.as_word.empty())
        archive(cereal::make_nvp("as_word", recipe.as_word));
    if constexpr (Archive::is_loading::value) {
        recipe.mode = parse_mode(mode);
        recipe.way = parse_way(way);
    }
}

template <class Archive>
void serialize(Archive& archive, FullRender& render) {
    archive(cereal::make_nvp("full", render.full), cereal::make_nvp("mask", render.mask),
            cereal::make_nvp("mask_threshold", render.mask_threshold),
            cereal::make_nvp("mask_feather", render.mask_feather));
}

template <class Archive>
void serialize(Archive& archive, EditRender& render) {
    archive(cereal::make_nvp("eta", render.eta), cereal::make_nvp("seed", render.seed),
            cereal::make_nvp("output", render.full), cereal::make_nvp("recipe", render.recipe));
    // Left out of all others, so that these are as they always were.
    if (render.preview) archive(cereal::make_nvp("preview", render.preview));
}

template <class Archive>
void serialize(Archive& archive, GenerateRender& render) {
    archive(cereal::make_nvp("prompt", render.prompt), cereal::make_nvp("model", render.model),
            cereal::make_nvp("width", render.width), cereal::make_nvp("height", render.height),
            cereal::make_nvp("seed", render.seed), cereal::make_nvp("image", render.image),
            cereal::make_nvp("crop", render.crop), cereal::make_nvp("strength", render.strength),
            cereal::make_nvp("latents", render.latents), cereal::make_nvp("sample", render.sample));
    // Only what is there, so that other pictures' recipes are as they always were.
    GenerateOverrides& overrides = render.overrides;
    if (!overrides.loras.empty()) archive(cereal::make_nvp("loras", overrides.loras));
    if (!overrides.vae.empty()) archive(cereal::make_nvp("vae", overrides.vae));
    if (overrides.clip_skip > 0) archive(cereal::make_nvp("clip_skip", overrides.clip_skip));
    if (!overrides.prompt_syntax.empty())
        archive(cereal::make_nvp("prompt_syntax", overrides.prompt_syntax));
    if (!overrides.rng.empty()) archive(cereal::make_nvp("rng", overrides.rng));
    if (!overrides.mask.empty()) archive(cereal::make_nvp("mask", overrides.mask));
    if (overrides.only_masked) archive(cereal::make_nvp("only_masked", *overrides.only_masked));
    if (overrides.image_guidance)
        archive(cereal::make_nvp("image_guidance", *overrides.image_guidance));
    if (!overrides.words.empty()) archive(cereal::make_nvp("words", overrides.words));
}

}  // namespace keepsake::editor
