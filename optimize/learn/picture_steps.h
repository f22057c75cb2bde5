// The steps of a training on pictures: which pictures, captions and noise, and their loss.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "optimize/learn/pictures.h"
#include "optimize/training/loop.h"
#include "optimize/training/rounds.h"

namespace keepsake::optimize {

// Throws Error naming what is missing or out of range in the pictures and options.
void check_pictures(const PictureTask& task, const PictureOptions& options);

// Draws the steps of a training. Everything that it is given must outlive it.
class PictureSteps {
  public:
    PictureSteps(const PictureTask& task, const PictureOptions& options,
                 const LearnedPictures& learned);

    // By the task's seed and the step alone.
    StepSamples draw(std::int64_t step);

  private:
    // Pictures of one size, drawn.
    struct Batch {
        Tensor latents;                      // (B, C, h, w)
        NoisingDraw noise;                   // of the same B
        std::vector<std::string> captions;   // B; empty where it is left out
        Tensor weights;                      // (B) float32: what each counts for
        std::vector<std::uint64_t> dropout;  // B numbers, by which LoRAs' dropout is drawn; or none

        std::int64_t size() const { return latents.size(0); }
    };

    Batch draw_batch(const std::vector<std::int64_t>& pictures, std::int64_t index,
                     bool is_prior) const;
    // The sum of the samples' weighted losses.
    Tensor loss_of(const Batch& batch, std::int64_t begin, std::int64_t end,
                   pipeline::Activations activations);
    Tensor embedding_of(const std::string& caption);

    const PictureTask& task_;
    const PictureOptions& options_;
    const LearnedPictures& learned_;
    Rounds rounds_;
    std::optional<Rounds> prior_rounds_;
    std::map<std::string, Tensor> embeddings_;  // where the text encoder does not learn
};

}  // namespace keepsake::optimize
