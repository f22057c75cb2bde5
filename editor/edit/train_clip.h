// `keepsake train clip` without the command line: texts and pictures of one space, from pictures
// with captions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/device.h"
#include "optimize/scratch/clip.h"
#include "pipeline/error.h"

namespace keepsake::editor {

struct TrainClipRequest {
    std::vector<std::filesystem::path> pictures;  // editor/session/picture_set.h
    std::filesystem::path out = "clip.run";       // the run's folder
    std::string name = "clip";                    // of the finished folder in it
    optimize::ClipOptions options = optimize::clip_options();
    // The build, a config.json of transformers' CLIPModel or a folder with one, and then with the
    // files of its tokenizer where it is not the default model's. None: a small one,
    // small_clip_config().
    std::optional<std::filesystem::path> config;
    // Goes on from this CLIP (its build and tokenizer, too). None: from nothing.
    std::optional<std::filesystem::path> from;
    double held_out = 2;  // percent of the pictures, to measure by
    std::uint64_t seed = 0;
    bool restart = false;
    double checkpoint_seconds = 60;
    Compute compute;
};

struct TrainClipResult {
    std::filesystem::path folder;  // that transformers' CLIPModel.from_pretrained opens
    std::int64_t steps = 0;
    std::int64_t learned_from = 0, held_out = 0;  // pictures
    // Of held-out pictures whose caption no other of them has: the share whose own caption is the
    // nearest. None where there are fewer than two.
    std::optional<double> found;
    double loss = 0;   // the mean of the last 50 steps
    double scale = 0;  // the factor of the cosines
    double seconds = 0;
};

// Of the default model's text encoder and tokenizer, and an image encoder of about its size: 96
// pixels in patches of 8, six layers.
nlohmann::json small_clip_config();

// Learns, or goes on with the run in the folder. `monitor` is told "pictures" and "clip"; warn: one
// line for the user. Of several ranks the first returns a result, the others an empty one. Throws
// Error naming what is at fault, and Cancelled after it has been saved.
TrainClipResult train_clip_run(const TrainClipRequest& request, Monitor& monitor,
                               const std::function<void(const std::string&)>& warn,
                               const optimize::Ranks& ranks = {});

}  // namespace keepsake::editor
