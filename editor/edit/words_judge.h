// Whether a picture shows what the words say, by the model's own judgement.
#pragma once

#include <cstdint>
#include <vector>

#include "editor/edit/words_pull.h"

namespace keepsake::editor {

// Chosen on the forty edits of tests/bench (docs/fast-mode.md).
struct JudgeOptions {
    std::vector<double> strengths = {0.3, 0.4, 0.5, 0.6, 0.8, 1.0};  // that are tried, ascending
    int steps = 10;                              // of the sampling of what is judged
    int samples = 4;                             // noises for each picture and level
    std::vector<double> noises = {0.85, 0.925};  // levels of the noise, shares of the training
                                                 // timesteps
    double enough = 0.29;                        // the advantage at which the words are there
    std::uint64_t seed = 0;
};

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

// Draws the edit at each pull in few steps and judges it. words: its region and network are used.
Judgement judge_words(const pipeline::Model& model, const optimize::Tuning& tuning,
                      const WordsPull& words, const Pixels& square, Monitor& monitor,
                      const JudgeOptions& options = {});

}  // namespace keepsake::editor
