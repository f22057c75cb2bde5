// From a model to one that draws in fewer calls: `keepsake distil` without the command line.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/device.h"
#include "optimize/distil/students.h"
#include "pipeline/error.h"

namespace keepsake::editor {

// steps: progressive distillation, a model's folder. guidance: its strength as an input, likewise.
// consistency: an LCM-LoRA, or with all weights an LCM.
enum class DistilKind { steps, guidance, consistency };

struct DistilRequest {
    DistilKind kind = DistilKind::steps;
    // What is learned from: pictures with captions (editor/session/picture_set.h), those that the
    // teacher draws of the prompts in a file, one a line, or both.
    std::vector<std::filesystem::path> pictures;
    std::optional<std::filesystem::path> prompts;
    std::optional<int> drawn;   // how many of the prompts; none: 1024, or as many as there are
    std::filesystem::path out;  // the run's folder (editor/session/run_folder.h)
    std::string name;           // of the finished file or folder
    optimize::StageOptions stage = optimize::progressive_options();  // of each halving
    std::int64_t steps = 4;                                          // steps: the student's
    std::optional<std::int64_t> teacher_steps;  // steps: of the first teacher, `steps` doubled one
                                                // or more times; none: up to 32 at least
    // The guidance scales that are taught. None: those that the teacher takes as an input; else
    // the model's own (steps, and a LoRA), or from 1 to twice that.
    std::optional<optimize::GuidanceRange> guidance;
    bool all_weights = false;  // consistency: no LoRA
    // Of the weights in a finished folder. None: as the teacher's files have them, so that
    // diffusers computes the whole folder in one precision.
    std::optional<at::ScalarType> precision;
    std::optional<int> size;  // of the square; none: the model's own
    bool mirror = false;      // every picture is learned mirrored, too
    std::uint64_t seed = 0;
    bool restart = false;
    bool check_only = false;
    std::optional<std::filesystem::path> sample_prompts;  // none: a few of what is learned
    std::int64_t every = 500;                             // updates between evaluations; 0: none
    double checkpoint_seconds = 60;
    optimize::Checkpointing checkpointing = optimize::Checkpointing::automatic;
    std::optional<std::filesystem::path> model;  // the teacher; none: the default model
    Compute compute;
};

// The losses of one stage on its fixed draws.
struct DistilledStage {
    std::string name;  // "steps-8"
    double before = 0, after = 0;
};

struct DistilResult {
    std::filesystem::path file;   // what came of it: a model's folder or a LoRA
    std::filesystem::path sheet;  // of the pictures on the way; empty where there are none
    std::vector<DistilledStage> stages;
    std::int64_t updates = 0;
    double seconds = 0;  // of learning alone
    int threads = 1;
    std::vector<std::string> check;  // of check_only: lines for the person
};

struct DistilControls {
    Monitor* monitor = nullptr;                         // "pictures", "encode", "draw",
                                                        // and each stage by its name
    std::function<void(const std::string& text)> warn;  // one line for the user
    optimize::Ranks ranks;                              // who trains together
};

// Distils, or goes on with the run in the folder. Throws Error naming what is at fault (the run
// keeps what was reached), and Cancelled after it has been saved. Of several ranks the first alone
// writes and draws, and returns a result; the others an empty one.
DistilResult distil(const DistilRequest& request, const DistilControls& controls);

}  // namespace keepsake::editor
