// `keepsake train digits` without the command line: from nothing to a network that draws digits as
// it is told, and a page that explains every step with what the run itself found.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "optimize/scratch/digit_denoiser.h"
#include "optimize/scratch/digit_networks.h"
#include "pipeline/error.h"

namespace keepsake::editor {

struct DigitsRequest {
    std::filesystem::path out = "digits.html";
    std::uint64_t seed = 0;
    // Of predicting noise: of each of the two lessons, without and with classes.
    std::int64_t steps = optimize::denoiser_options().steps;
};

// The gradient of the judge's score with respect to the pixels of one picture.
struct GradientFigures {
    at::Tensor picture, differences, exact;  // (1, 1, 8, 8) float64
    double probability = 0;                  // that the judge gives the picture
    double disagreement = 0;  // the largest of a pixel, relative to the gradient's largest
    double differences_seconds = 0, autograd_seconds = 0;
    struct Step {
        double h, error64, error32;  // relative to the exact gradient, as above
    };
    std::vector<Step> steps;
};

// A picture that follows a gradient.
struct ClimbFigures {
    std::string start;                 // what it was, for people
    std::vector<std::int64_t> steps;   // that were gone
    std::vector<at::Tensor> pictures;  // then, (1, 1, 8, 8) each
    std::vector<double> scores;        // of each: a probability, or a strength
    std::int64_t read_as = 0;          // the last, by the reader
    double confidence = 0;
};

// What the reader says of pictures that were drawn.
struct DrawnFigures {
    double guidance = 0;
    at::Tensor pictures, labels;  // (N, 1, 8, 8), (N)
    double recognised = 0;        // the share that is read as its label
    double diversity = 0;         // mean RMS distance of two of a class, over that of real ones
};

struct DigitsLesson {
    optimize::Digits digits, held_out;  // what everything learns from; what only judges the reader
    std::vector<double> judge_losses, amount_losses, noise_losses, class_losses;
    at::Tensor judged;  // (6, 1, 8, 8): one digit under more and more noise
    std::vector<double> judged_strengths, judged_probabilities;
    GradientFigures gradient;
    std::vector<ClimbFigures> climbs;
    // Of a hundred digits held out, with noise: how far they are from what they were (RMS) after
    // each step of climbing. And how far the ends of the climbs are from each other.
    std::vector<double> climb_distances;
    double ends_apart = 0;
    // The amount of noise: strengths that were, and what was said of them.
    std::vector<double> true_amounts, said_amounts;
    double amount_error = 0;                               // mean absolute
    ClimbFigures descent;                                  // of the amount, from noise alone
    double descents_apart_before = 0, descents_apart = 0;  // mean RMS distance of two
    double noise_confidence = 0;  // the reader's mean, of pictures drawn without a class
    // Predicting noise: one digit at some timesteps, the noise that was and that was said, and the
    // digit that is left.
    std::vector<std::int64_t> levels;
    at::Tensor noisy, true_noise, said_noise, left;  // (levels, 1, 8, 8)
    std::vector<at::Tensor> way;                     // of eight pictures, (8, 1, 8, 8) each
    std::vector<double> way_timesteps;
    at::Tensor any;            // (60, 1, 8, 8): drawn without a class
    at::Tensor some, nearest;  // (10, 1, 8, 8): drawn, and the real digit nearest to each
    double nearest_distance = 0, real_distance = 0;  // RMS: of drawn ones, and of real ones held
                                                     // out, to the nearest real one
    std::vector<DrawnFigures> guided;
    double reader_accuracy = 0;  // on held_out
    std::uint64_t seed = 0;
    int threads = 1;
    double seconds = 0;
};

// The figures of the strength of guidance that the page and the result stand for.
inline constexpr double lesson_guidance = 3;
const DrawnFigures& guided_figures(const DigitsLesson& lesson);

// Learns everything and writes the page. `monitor` is told the name of what learns. Throws Error
// naming a file, and Cancelled; then no page is written.
DigitsLesson run_digits_lesson(const DigitsRequest& request, Monitor& monitor);

}  // namespace keepsake::editor
