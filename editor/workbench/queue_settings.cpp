#include "editor/workbench/queue_settings.h"

#include <cstdio>

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

ModelChoice whole(ModelChoice model) {
    std::error_code code;
    const fs::path absolute = fs::absolute(model.path, code);
    if (!code) model.path = absolute.lexically_normal();
    return model;
}

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
}

std::string with_parts_text(const ModelChoice& model) {
    std::string text;
    if (!model.vae.empty()) text += ", VAE " + fs::path(model.vae).filename().string();
    if (!model.loras.empty()) text += ", LoRA " + model.loras;
    return text;
}

}  // namespace

QueueSettings settings_of(const ModelChoice& model, const EditDraft& draft, std::uint64_t seed) {
    return {whole(model), draft.tuning, draft.sample, seed};
}

bool is_of_model(const QueueSettings& settings, const ModelChoice& model) {
    return settings.model == whole(model);
}

std::string line_of(const QueueSettings& settings, const ModelChoice& model) {
    const TuningDraft& tuning = settings.tuning;
    const SampleDraft& sample = settings.sample;
    std::string line = tuning.mode;
    if (tuning.embedding_steps + tuning.finetune_steps > 0)
        line += ", " + std::to_string(tuning.embedding_steps) + " + " +
                std::to_string(tuning.finetune_steps) + " steps";
    line += "; " + sample.sampler;
    if (!sample.schedule.empty()) line += " " + sample.schedule;
    line += ", " + std::to_string(sample.steps) + (sample.steps == 1 ? " step" : " steps") +
            ", guidance " + number(sample.guidance);
    if (!sample.negative.empty()) line += "; not: " + sample.negative;
    if (!is_of_model(settings, model))
        line += "; " + settings.model.path.filename().string() + with_parts_text(settings.model);
    return line;
}

}  // namespace keepsake::editor
