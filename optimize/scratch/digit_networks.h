// Three small networks about digits, of one build: what says how likely a picture is a digit, what
// says how noisy one is, and what reads which digit it is.
#pragma once

#include "optimize/scratch/digits.h"
#include "optimize/training/loop.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::optimize {

// Convolution to 24 channels, another by stride 2 to 48, two matrices, SiLU between: smooth, so
// that finite differences have something to converge to.
struct DigitNetwork {
    TensorMap weights;  // by name, of one dtype

    DigitNetwork(std::int64_t outputs, std::uint64_t seed);
    // (B, 1, 8, 8) of the weights' dtype -> (B, outputs). Differentiable in both.
    Tensor operator()(const Tensor& pictures) const;
    DigitNetwork to(at::ScalarType dtype) const;
};

struct DigitTask {
    const Digits& digits;  // that are learned from
    std::uint64_t seed = 0;
    Monitor* monitor = nullptr;  // is told "judge", "amount" or "reader"
};

struct TrainedDigitNetwork {
    DigitNetwork network;
    StageLosses losses;  // one a step
};

// What noise does to digits here: picture + strength * standard normal noise.
inline constexpr double least_strength = 0.1, most_strength = 2.0;

// Steps, rate and batch of each; found by trial on these digits.
StageOptions judge_options();
StageOptions amount_options();
StageOptions reader_options();

// One output: the logarithm of the odds that a picture is a digit as people write them. Learned
// from digits against the same digits with noise of all strengths, and noise alone, half and half,
// by binary cross-entropy; the best such network says log p(digit) - log p(noisy) (Goodfellow et
// al., arXiv 1406.2661, proposition 1), so that its gradient points to where digits are.
TrainedDigitNetwork train_judge(const DigitTask& task, const StageOptions& options);

// One output: the strength of the noise in a picture, by mean squared error.
TrainedDigitNetwork train_amount(const DigitTask& task, const StageOptions& options);

// Ten outputs: logits of the classes, by cross-entropy, from digits that are moved by up to a pixel
// and a little noisy. It never meets the other networks: it is what judges them.
TrainedDigitNetwork train_reader(const DigitTask& task, const StageOptions& options);

// What a reader says of pictures (B, 1, 8, 8): classes (B) int64, and how sure it is (B).
struct Reading {
    Tensor classes, confidence;
};
Reading read_digits(const DigitNetwork& reader, const Tensor& pictures);

// The share of pictures that the reader takes for their labels.
double share_read(const DigitNetwork& reader, const Digits& digits);

}  // namespace keepsake::optimize
