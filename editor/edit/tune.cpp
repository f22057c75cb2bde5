#include "editor/edit/tune.h"

#include <algorithm>
#include <utility>

#include "editor/edit/clock.h"
#include "editor/edit/photo_word.h"
#include "editor/photo/pixel_tensors.h"
#include "editor/session/elsewhere_files.h"
#include "optimize/imagic/photo_word.h"
#include "optimize/imagic/rate_trial.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {
namespace {

using optimize::Tuning;

// Says when a checkpoint is due. One costs gigabytes of writing for a large model, so it also waits
// until saving takes no more than a fifth of the time.
struct CheckpointClock {
    double least_seconds;
    Clock::time_point saved = Clock::now();
    double cost = 0;

    bool due() const { return seconds_since(saved) >= std::max(least_seconds, 4 * cost); }
};

// One stage, with its checkpoints: `work` is stopped by Cancelled, after which the session holds
// the last step, or finished, after which it holds the result. Returns the seconds it took.
double run_stage(const Session& session, Stage stage, Tuning& tuning, const TuneControls& controls,
                 const std::function<void(const optimize::StageControls&)>& work) {
    const Clock::time_point begin = Clock::now();
    CheckpointClock clock{controls.checkpoint_seconds};
    optimize::StageControls stage_controls;
    stage_controls.monitor = controls.monitor;
    stage_controls.checkpointing = controls.checkpointing;
    stage_controls.warn = controls.warn;
    stage_controls.after_step = [&](const Tuning& now) {
        if (clock.due()) {
            const Clock::time_point saving = Clock::now();
            save_checkpoint(session, stage, now);
            clock.saved = Clock::now();
            clock.cost = seconds_since(saving);
        }
        if (controls.after_step) controls.after_step(stage, now);
    };
    try {
        work(stage_controls);
    } catch (const Cancelled&) {
        save_checkpoint(session, stage, tuning);
        throw;
    }
    finish_stage(session, stage, tuning);
    return seconds_since(begin);
}

// The rate of stage B, where the recipe leaves it to the network.
optimize::StageOptions with_rate(const optimize::TuningTask& task, optimize::StageOptions options,
                                 Tuning& tuning, const optimize::StageControls& controls) {
    if (options.learning_rate > 0 || options.steps == 0) return options;
    std::optional<double>& found = tuning.finetune_losses.rate;
    if (!found) found = optimize::find_finetune_rate(task, options, tuning, controls);
    options.learning_rate = *found;
    return options;
}

// What modes that learn nothing have in place of a tuning: "nothing in particular" stands for the
// photo.
void tune_nothing(const Session& session, const pipeline::Model& model, Tuning& tuning) {
    tuning = untuned(model, session.recipe.prompt);
    finish_stage(session, Stage::embedding, tuning);
    tuning.loras = pipeline::make_loras(model.unet, session.recipe.finetune.rank,
                                        pipeline::make_generator(session.recipe.seed));
    finish_stage(session, Stage::finetune, tuning);
}

// A kill may have come between the tuning's end and them.
void finish_elsewhere(const Session& session, const Tuning& tuning) {
    if (!session.recipe.as_word.empty() && !has_elsewhere_files(session))
        write_elsewhere_files(session, tuning);
}

}  // namespace

Tuning untuned(const pipeline::Model& model, const std::string& prompt) {
    Tuning tuning;
    tuning.target_embedding = pipeline::encode_text(model, prompt).to(at::kFloat);
    tuning.optimised_embedding = pipeline::encode_text(model, "").to(at::kFloat);
    return tuning;
}

Tuning tune(const Session& session, const pipeline::Model& model, const Pixels& square,
            const TuneControls& given, StageSeconds& seconds) {
    TuneControls controls = given;
    bool warned = false;  // by the stage before
    controls.warn = [&](const std::string& text) {
        if (given.warn && !std::exchange(warned, true)) given.warn(text);
    };
    const Recipe& recipe = session.recipe;
    Tuning tuning = load_tuning(session, model);
    if (next_stage(session) == Stage::done) {
        finish_elsewhere(session, tuning);
        return tuning;
    }
    if (!learns(recipe.mode)) {
        tune_nothing(session, model, tuning);
        return tuning;
    }
    if (!tuning.target_embedding.defined()) {
        tuning.target_embedding = pipeline::encode_text(model, recipe.prompt).to(at::kFloat);
    }
    const at::Tensor latents = pipeline::encode_image(model, to_tensor(square));
    const optimize::TuningTask task{model.unet, model.schedule, latents, recipe.seed};
    const TuningStart start = recipe.start.empty() ? TuningStart{} : load_start(session, model);
    if (next_stage(session) == Stage::embedding) {
        // Not from the new text's, as a first text's: LoRA and e_opt give the photo together.
        if (start.optimised_embedding.defined() && !tuning.optimised_embedding.defined()) {
            tuning.optimised_embedding = start.optimised_embedding.clone();
            if (recipe.as_word.empty()) tuning.embedding_losses.before = start.loss;
        }
        // Where nothing is learned and the loss is known the network is not asked.
        const bool asked = recipe.embedding.steps > 0 || !tuning.embedding_losses.before;
        const pipeline::UNet started = start.loras.empty() || !asked
                                           ? model.unet
                                           : pipeline::apply_loras(model.unet, start.loras);
        const optimize::TuningTask from_start{started, model.schedule, latents, recipe.seed};
        seconds.embedding =
            run_stage(session, Stage::embedding, tuning, controls, [&](const auto& stage) {
                if (recipe.as_word.empty())
                    return optimise_embedding(from_start, recipe.embedding, tuning, stage);
                const WordInText word = photo_word(model, recipe.prompt, recipe.as_word);
                optimise_word(from_start, {model.text_encoder, word.ids, word.start},
                              recipe.embedding, tuning, stage);
            });
    }
    if (tuning.loras.empty()) tuning.loras = start.loras;
    seconds.finetune =
        run_stage(session, Stage::finetune, tuning, controls, [&](const auto& stage) {
            fine_tune(task, with_rate(task, recipe.finetune, tuning, stage), tuning, stage);
        });
    finish_elsewhere(session, tuning);
    return tuning;
}

}  // namespace keepsake::editor
