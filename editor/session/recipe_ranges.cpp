#include "editor/session/recipe_ranges.h"

#include <cmath>

#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

void require(bool allowed, const char* field, const char* why) {
    if (!allowed) throw Error(std::string("'keepsake.") + field + "'", why);
}

void check_stage(const optimize::StageOptions& stage, const std::string& name) {
    const auto check = [&](bool allowed, const char* field, const char* why) {
        require(allowed, (name + "." + field).c_str(), why);
    };
    const auto is_share = [](double value) { return value >= 0 && value < 1; };
    check(stage.steps >= 0 && stage.steps <= 100'000'000, "steps", "is not from 0 to 100000000");
    check(std::isfinite(stage.learning_rate) && stage.learning_rate >= 0, "learning_rate",
          "is no number from 0 up");
    check(stage.batch_size >= 1 && stage.batch_size <= 4096, "batch_size", "is not from 1 to 4096");
    check(stage.rank >= 0 && stage.rank <= 1024, "rank", "is not from 0 to 1024");
    check(stage.warmup_steps >= 0, "warmup_steps", "is less than 0");
    check(is_share(stage.adam.beta1), "adam.beta1", "is not from 0 to below 1");
    check(is_share(stage.adam.beta2), "adam.beta2", "is not from 0 to below 1");
    check(std::isfinite(stage.adam.eps) && stage.adam.eps >= 0, "adam.eps",
          "is no number from 0 up");
}

}  // namespace

void check_ranges(const Recipe& recipe) {
    const Crop& crop = recipe.crop;
    constexpr int most_side = 1 << 28;  // as many pixels as a photo may have
    require(crop.x >= 0 && crop.y >= 0 && crop.x <= most_side && crop.y <= most_side, "crop",
            "begins outside of every photo");
    require(
        crop.width >= 1 && crop.height >= 1 && crop.width <= most_side && crop.height <= most_side,
        "crop", "has a side that no photo has");
    require(recipe.size >= 8 && recipe.size <= 4096 && recipe.size % 8 == 0, "size",
            "is no multiple of 8 from 8 to 4096");
    const ModelChanges& changes = recipe.changes;
    require(changes.clip_skip >= 0 && changes.clip_skip <= 24, "model_changes.clip_skip",
            "is not from 0 to 24");
    for (const ModelPart& lora : changes.loras)
        require(!lora.path.empty() && std::isfinite(lora.weight), "model_changes.loras",
                "has one without a path or with a weight that is not finite");
    if (!changes.prediction.empty()) pipeline::parse_prediction(changes.prediction);
    check_stage(recipe.embedding, "embedding");
    check_stage(recipe.finetune, "finetune");
    const pipeline::SampleOptions& sample = recipe.sample;
    const auto is_share = [](double value) { return value >= 0 && value <= 1; };
    require(sample.steps >= 1 && sample.steps <= 100'000, "sample.steps",
            "is not from 1 to 100000");
    require(std::isfinite(sample.guidance_scale) && sample.guidance_scale >= 0,
            "sample.guidance_scale", "is no number from 0 up");
    require(is_share(sample.ddim_eta), "sample.ddim_eta", "is not from 0 to 1");
    require(is_share(sample.tcd_eta), "sample.tcd_eta", "is not from 0 to 1");
    require(is_share(sample.noise_share), "sample.noise_share", "is not from 0 to 1");
    require(sample.inversion_steps >= 1 && sample.inversion_steps <= 100'000,
            "sample.inversion_steps", "is not from 1 to 100000");
}

}  // namespace keepsake::editor
