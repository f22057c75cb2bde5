// From pictures to what a model has learned of them: `keepsake learn word`, `learn subject`, `learn
// captions` and `train unet` without the command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/device.h"
#include "editor/edit/learn_kind.h"
#include "editor/edit/train_unet.h"
#include "optimize/learn/pictures.h"
#include "pipeline/error.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// A new word: textual inversion (optimize/learn/word.h).
struct WordRequest {
    std::string name;  // "<my-rose>"; no word of the model's vocabulary
    // Words whose vectors it starts from; none: what the model's keepsake.json says, else "*",
    // which is A1111's.
    std::optional<std::string> init;
    std::optional<std::int64_t> vectors;  // none: as many as `init` has tokens
    bool style = false;                   // how something is pictured, not what is
    // What is said of pictures that have no caption with the word; empty: what the model's
    // keepsake.json says for things, else optimize::word_templates().
    std::vector<std::string> templates;
};

// Prior preservation: what the kind of thing looked like before.
struct PriorRequest {
    std::string class_words;  // "flower"; empty: none
    int pictures = 100;       // that the model draws of it (diffusers' num_class_images)
    int steps = 20;           // of their sampling
    // A folder of them instead, real ones or those of another run.
    std::optional<std::filesystem::path> folder;
};

struct LearnRequest {
    LearnKind kind = LearnKind::subject;
    std::vector<std::filesystem::path> pictures;  // editor/session/picture_set.h
    WordRequest word;
    // subject: the words that will call it, "sks flower"; captions: of those in the captions the
    // one that a person calls the look by, a note alone; may be empty.
    std::string token;
    PriorRequest prior;
    UNetRequest unet;           // of that kind alone, whose options say all_weights
    std::filesystem::path out;  // the run's folder (editor/session/run_folder.h)
    std::string name;           // of the finished file, without its ending
    optimize::PictureOptions options = optimize::subject_options();
    std::optional<int> size;  // of the square in pixels; none: the model's own
    bool buckets = false;     // pictures keep their shape about (optimize/training/buckets.h); else
                              // they are cut to a centred square
    bool mirror = false;      // every other time a picture is seen mirrored
    std::uint64_t seed = 0;
    bool restart = false;
    bool check_only = false;  // says what would be learned, and learns nothing
    std::optional<std::filesystem::path> sample_prompts;  // none: a few of what is learned
    std::int64_t every = 100;  // steps between evaluations with pictures and a file; 0: none
    double checkpoint_seconds = 60;
    optimize::Checkpointing checkpointing = optimize::Checkpointing::automatic;
    std::optional<std::filesystem::path> model;  // none: the default model
    Compute compute;
};

struct LearnResult {
    std::filesystem::path file;     // what was learned: a LoRA, a word or a model's folder
    std::filesystem::path by_stem;  // the word again, for programs that call it by the file's name
    std::filesystem::path sheet;    // of the pictures on the way; empty where there are none
    std::optional<double> loss_before, loss_after;  // on the fixed pairs
    // Of the evaluations the smallest: the steps done, its loss, and the file of then.
    std::optional<optimize::Evaluation> best;
    std::filesystem::path best_file;
    std::vector<optimize::WordsLoss> words;  // of a U-Net: the last measurement
    std::int64_t steps = 0;
    double seconds = 0;  // of learning alone
    int threads = 1;
    std::vector<std::string> check;  // of check_only: lines for the person
};

struct LearnControls {
    Monitor* monitor = nullptr;                         // "pictures", "encode", "render", "learn"
    std::function<void(const std::string& text)> warn;  // one line for the user
    optimize::Ranks ranks;                              // who trains together
    // For whoever watches: after each step, and when pictures were drawn in samples/.
    std::function<void(const optimize::LearnedPictures& learned)> after_step;
    std::function<void()> after_samples;
};

// Learns, or goes on with the run in the folder. Throws Error naming what is at fault (the run
// keeps what was reached), and Cancelled after it has been saved. Of several ranks the first alone
// writes and draws, and returns a result; the others an empty one.
LearnResult learn(const LearnRequest& request, const LearnControls& controls);
// The same on the model of the request, in float32 and loaded already; its weights are not changed.
// Not of a U-Net.
LearnResult learn(const LearnRequest& request, const LearnControls& controls,
                  pipeline::Model model);

// What the run in a folder was begun with, to go on with it: `keepsake learn` and the window find
// each other's. Throws Error naming the folder where it holds no run of `learn`, or one that does
// not say where its pictures are.
LearnRequest learn_request_of(const std::filesystem::path& run);

// The options of a kind, with what the model's keepsake.json says. model: none is the default one.
// Throws Error naming that file where it is malformed.
optimize::PictureOptions learn_options(LearnKind kind,
                                       const std::optional<std::filesystem::path>& model);

// "learn word"
const char* learn_name(LearnKind kind);

// "sks-flower" of "<sks> Flower": a file's name.
std::string file_name_of(const std::string& words);

}  // namespace keepsake::editor
