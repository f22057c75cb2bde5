// Whether a picture shows what the words say, by the model's own judgement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/direction.h"
#include "editor/edit/words_pull.h"
#include "editor/transfer/words_region.h"
#include "optimize/imagic/fast.h"

namespace keepsake::editor {

// Pictures that the pretrained network draws itself, of the words and of nothing in particular: by
// their colours it is judged whose colours an edit has.
struct DrawnColoursOptions {
    int of_words = 8, of_anything = 4;  // pictures
    int steps = 6;                      // of their sampling
    std::int64_t longest_side = 256;    // of large models' pictures: colours do not ask for more,
                                        // and a quarter of the pixels is a quarter of the time
    double guidance_scale = 3;          // of those of the words
};

// Chosen on the forty edits of tests/bench (docs/fast-mode.md).
struct JudgeOptions {
    std::vector<double> strengths = {0.3, 0.5, 0.6, 0.8};  // tried, ascending
    int steps = 10;                                        // of the sampling of what is judged
    // As the edit is drawn (judge_options).
    double noise_share = optimize::fast_options().noise_share;
    double full_pull = full_pull_of(Mode::fast);
    std::string negative_prompt;
    DrawnColoursOptions drawn;
    double own = 0.8;  // share of the photo's own colours in what the words' are held against
    // The colours are there from these odds on (transfer/colour_odds.h), or from this share of the
    // way from the photo's to the best of all strengths where that is less.
    double odds = 2.4, way = 0.8;
    double least_way = 0.5;  // a way shorter than this is none: the words say nothing of colours
    // And the directional similarity (direction.h), where the model brings what measures it, is
    // this share of the best of all strengths; a best below least_likeness tells nothing.
    double likeness = 0.95, least_likeness = 0.2;

    // What is asked then: how well the network predicts (words_advantage).
    int samples = 4;                             // noises for each picture and level
    std::vector<double> noises = {0.85, 0.925};  // levels of the noise, shares of the training
                                                 // timesteps
    double enough = 0.29;                        // the advantage at which the words are there
    std::uint64_t seed = 0;
};

// As pictures of this recipe are drawn.
JudgeOptions judge_options(const Recipe& recipe);

struct Judgement {
    double strength =
        usual_strength;  // the smallest at which the words are there, in steps of 0.05
    bool taken = false;  // whether they are there at any
};

// A diffusion classifier (Li et al., arXiv 2303.16203, equation 5; Clark and Jaini, arXiv
// 2303.15233): by how much the pretrained network predicts better with `text` than with `none`, as
// a share of its error with `none`, in the mean over noises and where `mask` is. latents: (B, C, h,
// w), clean; text, none: (1, T, D); mask: (1, 1, h, w), or undefined. One number a picture.
std::vector<double> words_advantage(const pipeline::Model& model, const at::Tensor& latents,
                                    const at::Tensor& text, const at::Tensor& none,
                                    const at::Tensor& mask, const JudgeOptions& options,
                                    Monitor& monitor);

// The smallest strength at which the words are there by the colours' odds at each of
// options.strengths, or none. photo: the odds of the photo itself.
std::optional<Judgement> judge_odds(double photo, const std::vector<double>& odds,
                                    const JudgeOptions& options = {});

// The smallest strength at which the picture is as much like the words as it gets
// (options.likeness), by its directional similarity at each of options.strengths; none where these
// tell nothing.
std::optional<double> judge_likeness(const std::vector<double>& similarities,
                                     const JudgeOptions& options = {});

// Draws the edit at each strength in few steps and judges it. direction: of this photo and text, or
// null.
Judgement judge_words(const pipeline::Model& model, const optimize::Tuning& tuning,
                      const WordsPull& words, const EncodedSquare& square,
                      const EditDirection* direction, Monitor& monitor,
                      const JudgeOptions& options = {});

}  // namespace keepsake::editor
