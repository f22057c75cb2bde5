// What a training leaves on disk, from its first step to the file that travels:
//
//   run.json                what is trained, by which recipe; written first
//   checkpoint.safetensors  the last state that was saved: what learns, the optimiser's state,
//                           averages, losses. With it the run goes on as if it had not stopped
//   log.jsonl               a line a step and an evaluation: {"step", "loss", "rate"}, {"step",
//                           "evaluation"}; written with each checkpoint
//   events.out.tfevents.*   the same for TensorBoard: curves "loss", "rate", "evaluation"
//   checkpoints/            files that can be used, of steps on the way
//   samples/                pictures on the way, and their sheet
//   pictures/               of a run that the window began: copies of the pictures that are
//   learned,
//                           and metadata.jsonl with their captions; there before run.json
//   lock                    held by the program that works on it
//
// Every file is written whole and through no link (house rule 10). All names are relative: the
// folder may be moved and copied.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "editor/session/folder_lock.h"
#include "optimize/training/ranks.h"
#include "optimize/training/stage_losses.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::editor {

// What a run is: the same command with the same recipe goes on with it.
struct RunRecipe {
    std::string what;                 // "learn subject"
    nlohmann::ordered_json settings;  // an object: all that the numbers depend on
    nlohmann::ordered_json hints;     // an object: what the person should find, and nothing needs
};

struct RunFolder {
    std::filesystem::path folder;
    std::string tag;                 // 16 hex digits of `what` and `settings`: its files carry it
    std::optional<FolderLock> lock;  // rank 0's alone
};

// Opens the folder, which is made where it is not there. A run of the same recipe goes on; settings
// that a newer Keepsake added to its run.json are passed over, and told by `remarks`. restart: what
// is there of another recipe is removed (checkpoint, log; nothing else). Throws Error naming the
// folder when it holds other things, is in use or cannot be written, and naming each setting in
// which the run that it holds differs. Of several ranks the first does all that; the others write
// nothing, and are refused where their recipe is another.
RunFolder open_run(const std::filesystem::path& folder, const RunRecipe& recipe, bool restart,
                   std::vector<std::string>& remarks, const optimize::Ranks& ranks = {});

// Where a run stands.
struct RunState {
    std::int64_t steps = 0;
    pipeline::TensorMap learns, optimiser, averages;  // by name
    optimize::StageLosses losses;
    std::vector<std::pair<std::int64_t, double>> evaluations;  // (steps done, loss)
};

// Replaces the checkpoint before.
void save_run(const RunFolder& run, const RunState& state);

// None where nothing was saved yet. Throws Error naming the file when it is damaged or belongs to
// another recipe.
std::optional<RunState> load_run(const RunFolder& run);

// log.jsonl and TensorBoard's file anew. rate: the learning rate of a step, counted from 0.
void write_run_log(const RunFolder& run, const RunState& state,
                   const std::function<double(std::int64_t step)>& rate);

// Whether a folder holds a run.json.
bool is_run(const std::filesystem::path& folder);

constexpr const char* run_pictures = "pictures";

// What the run in a folder was begun with. Throws Error naming it when its run.json is none of a
// training's.
RunRecipe load_run_recipe(const std::filesystem::path& folder);

// What log.jsonl says; empty where there is none. Throws Error naming it when it is damaged.
struct RunCurves {
    std::vector<float> losses;                                 // one a step
    std::vector<std::pair<std::int64_t, double>> evaluations;  // (steps done, loss)
};
RunCurves read_run_curves(const std::filesystem::path& folder);

// The run in a folder, several lines for `keepsake info`. Throws Error naming it when its run.json
// is none of a training's.
std::string describe_run(const std::filesystem::path& folder);

}  // namespace keepsake::editor
