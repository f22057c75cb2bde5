// What is learned from pictures and their captions: a subject (DreamBooth, Ruiz et al., arXiv
// 2208.12242), a set's own look (caption tuning) and a new word (textual inversion, word.h). All
// are one recipe of the training loop, with different pictures and options.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "optimize/learn/word.h"
#include "optimize/training/checkpointing.h"
#include "optimize/training/ema.h"
#include "optimize/training/loss_weights.h"
#include "optimize/training/noising.h"
#include "optimize/training/ranks.h"
#include "optimize/training/schedules.h"
#include "optimize/training/stage_losses.h"
#include "optimize/training/stage_options.h"
#include "pipeline/error.h"
#include "pipeline/networks/lora_start.h"
#include "pipeline/networks/text_encoder.h"
#include "pipeline/networks/unet.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::optimize {

struct LearnPicture {
    Tensor latents;                     // (1, C, h, w) float32, scaled
    Tensor mirrored;                    // likewise, of the picture mirrored; undefined: never is
    std::vector<std::string> captions;  // one is drawn each time; not empty
    std::int64_t repeats = 1;           // in a round
    bool is_prior = false;              // of the class, not of what is learned
};

struct PictureOptions {
    StageOptions stage;             // steps, batch size and draws; not its rates nor its rank
    ScheduleOptions schedule;       // the rate; its steps are those of `stage`
    double weight_decay = 1e-2;     // of AdamW; diffusers' scripts
    double max_gradient_norm = 1;   // likewise
    std::int64_t accumulation = 1;  // batches whose gradients make one step
    NoisingOptions noising;
    double min_snr_gamma = 0;    // training/loss_weights.h; 0: every timestep counts alike
    double caption_dropout = 0;  // the share of pictures that are learned without their caption, so
                                 // that guidance keeps working
    PriorForm prior_form = PriorForm::diffusers;
    double prior_weight = 1;    // of the class's pictures (diffusers)
    bool all_weights = false;   // of the network learn, and no LoRA
    bool text_encoder = false;  // learns too
    pipeline::LoraOptions lora;
    std::optional<WordOptions> word;  // its vectors learn, and neither a network nor a LoRA
    std::optional<EmaOptions> ema;    // none: no averages are kept
};

// diffusers' train_dreambooth_lora.py, with the values that its documentation and kohya's
// recommend.
PictureOptions subject_options();
// Likewise train_text_to_image(_lora).py.
PictureOptions caption_options();
// Likewise textual_inversion.py, but for the rate, which is sd-scripts' and A1111's for batches of
// one: theirs is meant for its multiple by the batch.
PictureOptions word_options();

// The learning rate of a step, counted from 0.
double rate_of(const PictureOptions& options, std::int64_t step);

struct PictureTask {
    const pipeline::UNet& unet;                 // pretrained, never changed
    const pipeline::TextEncoder& text_encoder;  // likewise
    const pipeline::Schedule& schedule;
    // A caption's tokens: (1, T) int64.
    std::function<Tensor(const std::string& caption)> token_ids;
    std::vector<LearnPicture> pictures;
    std::uint64_t seed = 0;  // of all that is drawn
    // Of PictureOptions::word: what its vectors start from, (n, D) float32 on the networks' device.
    // Their ids are those from text_encoder.vocabulary_size() on.
    Tensor word_start = {};
};

struct Evaluation {
    std::int64_t step = 0;  // steps done
    double loss = 0;
};

// What is learned, finished or under way.
struct LearnedPictures {
    std::optional<pipeline::UNet> unet;                 // as it is now
    std::optional<pipeline::TextEncoder> text_encoder;  // likewise, where it learns
    pipeline::LoraSet loras, text_loras;                // where they are what learns
    Tensor word;                                        // (n, D) float32, where it is what learns
    std::int64_t steps = 0;                             // done
    TensorMap optimiser;
    TensorMap averages;  // of ema, by the names of learning_tensors()
    StageLosses losses;
    std::vector<Evaluation> evaluations;
};

// What learns, by name: "unet.<layer>.lora_down.weight", "text_encoder.<name>", "word", ...:
// handles. Empty before prepare_learning().
TensorMap learning_tensors(const LearnedPictures& learned, const PictureOptions& options);

// Makes networks and LoRA for the first step. Where they are to be those of a checkpoint, copy its
// tensors into learning_tensors() afterwards.
void prepare_learning(const PictureTask& task, const PictureOptions& options,
                      LearnedPictures& learned);

struct LearnControls {
    Monitor* monitor = nullptr;        // reports "learn" with the running loss
    std::function<void()> after_step;  // as TrainingControls has it
    std::int64_t evaluate_every = 0;   // steps; 0: at both ends alone
    std::function<void()> after_evaluation;
    Checkpointing checkpointing = Checkpointing::automatic;
    std::function<void(const std::string&)> warn;
    Ranks ranks;  // as TrainingControls has them: rank 0 alone keeps averages and evaluates
};

// Runs what is left of options.stage.steps. Each step takes `accumulation` batches of pictures of
// one size; where there are pictures of the class, as many of them besides. On Cancelled, `learned`
// holds the last finished step. Throws Error as train() does, and when there is nothing to learn
// from.
void learn_pictures(const PictureTask& task, const PictureOptions& options,
                    LearnedPictures& learned, const LearnControls& controls = {});

// The mean loss on fixed pairs (training/draws.h, evaluation_pairs) of up to 16 pictures, each with
// its first caption: for comparing the steps of one run. No gradients.
double evaluate_pictures(const PictureTask& task, const LearnedPictures& learned);

}  // namespace keepsake::optimize
