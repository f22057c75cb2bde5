// What a session holds, for people.
#include <sstream>

#include "editor/session/session.h"
#include "editor/session/session_region.h"
#include "editor/session/tuning_files.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/number_text.h"

namespace keepsake::editor {

namespace fs = std::filesystem;

std::string newer_text(const Recipe& recipe) {
    const std::string unknown = unknown_fields(recipe);
    return "was written by a newer Keepsake; " +
           (unknown.empty() ? "nothing in it is unknown to this one"
                            : "this one does not know, and keeps: " + unknown);
}

namespace {

std::string rate_text(const Session& session) {
    if (session.recipe.finetune.learning_rate > 0)
        return number_text(session.recipe.finetune.learning_rate);
    const double found = finetune_rate(session);
    return found > 0 ? number_text(found) + ", found by trying" : "a rate that is to be found";
}

std::string changes_text(const ModelChanges& changes) {
    std::ostringstream text;
    for (const ModelPart& lora : changes.loras)
        text << "LoRA: " << lora.path << ", weight " << lora.weight << "\n";
    if (!changes.vae.path.empty()) text << "VAE: " << changes.vae.path << "\n";
    if (changes.clip_skip > 0) text << "clip skip: " << changes.clip_skip << "\n";
    if (!changes.prediction.empty()) text << "prediction: " << changes.prediction << "\n";
    return text.str();
}

// "words: <my-rose> (fingerprint 0123456789abcdef)", or nothing.
std::string words_line(const Recipe& recipe) {
    std::string text;
    for (const WordReference& word : recipe.words)
        text += (text.empty() ? "words: " : ", ") + word.name + " (fingerprint " +
                word.fingerprint + ")";
    return text.empty() ? text : text + "\n";
}

}  // namespace

std::string describe_session(const fs::path& folder) {
    const Session session = open_session(folder, SessionLock::Access::read);
    const Recipe& recipe = session.recipe;
    const Stage stage = next_stage(session);
    const Size worked_on = working_size(recipe.crop, recipe.size);
    const fs::path checkpoint = folder / checkpoint_file;
    const std::string tag = tuning_tag(recipe);
    std::ostringstream text;
    text << "session of " << recipe.photo << "\n"
         << (recipe.newer.empty() ? "" : newer_text(recipe) + "\n")
         << "target text: " << recipe.prompt << "\n"
         << "mode: " << mode_name(recipe.mode) << "\n"
         << "crop: " << recipe.crop.width << "x" << recipe.crop.height << " at " << recipe.crop.x
         << "," << recipe.crop.y << ", worked on at " << worked_on.width << "x" << worked_on.height
         << "\n"
         << words_line(recipe) << "model: " << recipe.model.path << " (fingerprint "
         << recipe.model.fingerprint << ")\n"
         << changes_text(recipe.changes);
    const auto stage_line = [&](Stage which, std::int64_t steps, const std::string& rate) {
        const std::string name = which == Stage::embedding ? "embedding" : "finetune";
        text << name << ": " << steps << " steps at " << rate << ", ";
        if (stage > which) {
            text << "done";
        } else if (stage == which && is_there(checkpoint) &&
                   checkpoint_stage(checkpoint, tag) == name) {
            text << checkpoint_steps(checkpoint) << " done";
        } else {
            text << "not begun";
        }
        text << "\n";
    };
    if (learns(recipe.mode)) {
        stage_line(Stage::embedding, recipe.embedding.steps,
                   number_text(recipe.embedding.learning_rate));
        stage_line(Stage::finetune, recipe.finetune.steps, rate_text(session));
    }
    optimize::Tuning tuning;
    read_losses(folder / losses_file, tuning);
    const auto loss_line = [&](const char* name, const optimize::StageLosses& losses) {
        if (!losses.before || !losses.after) return;
        text << name << " loss: " << *losses.before << " before, " << *losses.after << " after\n";
    };
    loss_line("embedding", tuning.embedding_losses);
    loss_line("finetune", tuning.finetune_losses);
    text << "sampling: " << pipeline::sampler_name(recipe.sample.sampler) << ", "
         << recipe.sample.steps << " steps, guidance " << recipe.sample.guidance_scale
         << ", noise share " << recipe.sample.noise_share << "\n"
         << describe_region(folder);
    return text.str();
}

}  // namespace keepsake::editor
