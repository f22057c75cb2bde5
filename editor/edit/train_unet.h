// A U-Net from nothing: what `keepsake train unet` changes in a training on captioned pictures
// (editor/edit/learn.h).
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "optimize/scratch/words_check.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

struct UNetRequest {
    // The build: a config.json, or a folder with one. None: that of the model's own U-Net.
    std::optional<std::filesystem::path> config;
    // Goes on from the U-Net of this model (its build, too). None: from nothing.
    std::optional<std::filesystem::path> from;
    bool zero_snr = false;  // zero terminal SNR (Lin et al., arXiv 2305.08891); needs v-prediction
    double held_out = 2;    // percent of the pictures, to measure by
};

// Puts the U-Net that is to learn, and the schedule that it learns by, in the place of the model's
// own. side: of its pictures in pixels. Throws Error naming the option and what does not fit.
void begin_unet(const UNetRequest& request, std::int64_t side, std::uint64_t seed,
                pipeline::Model& model);

// The U-Net with the averages of its weights, where they are kept; else none.
std::optional<pipeline::UNet> averaged_unet(const optimize::LearnedPictures& learned);

// What the model's own files do not say of a U-Net that was trained: unet/config.json, and the
// changes in scheduler/scheduler_config.json. folder: of the model that is written.
void write_unet_configs(const std::filesystem::path& folder, const pipeline::UNetConfig& config,
                        const pipeline::ScheduleConfig& schedule);

// words.jsonl in a run's folder: how well the words are listened to, a line a measurement. What it
// holds of `step` and later is replaced.
void note_words(const std::filesystem::path& folder, std::int64_t step,
                const std::vector<optimize::WordsLoss>& losses);

}  // namespace keepsake::editor
