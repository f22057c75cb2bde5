// `keepsake train vae` without the command line: an autoencoder from pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/device.h"
#include "optimize/scratch/vae.h"
#include "pipeline/error.h"

namespace keepsake::editor {

struct TrainVaeRequest {
    std::vector<std::filesystem::path> pictures;  // editor/session/picture_set.h
    std::filesystem::path out = "vae.run";        // the run's folder
    std::string name = "vae";                     // of the finished folder in it
    optimize::VaeOptions options = optimize::vae_options();
    // The build: a config.json, or a folder with one. None: the default model's autoencoder's.
    std::optional<std::filesystem::path> config;
    // Goes on from this one (its build, too): a VAE's folder or file, or a model's. None: from
    // nothing.
    std::optional<std::filesystem::path> from;
    std::int64_t size = 128;  // of the square in pixels
    double held_out = 2;      // percent of the pictures, to measure by
    bool mirror = false;      // every other time a picture is seen mirrored
    std::uint64_t seed = 0;
    bool restart = false;
    std::int64_t every =
        500;  // steps between measurements, each with pictures; 0: at the end alone
    double checkpoint_seconds = 60;
    Compute compute;
};

struct TrainVaeResult {
    std::filesystem::path folder;  // that diffusers' AutoencoderKL.from_pretrained opens
    std::filesystem::path sheet;   // held-out pictures and what comes back of them
    std::vector<optimize::VaeQuality> evaluations;
    double scale = 0;  // of its latents; in its config
    std::int64_t steps = 0;
    std::int64_t learned_from = 0, held_out = 0;  // pictures
    double seconds = 0;                           // of learning alone
};

// Learns, or goes on with the run in the folder. `monitor` is told "pictures" and "vae"; warn: one
// line for the user. Of several ranks the first returns a result, the others an empty one. Throws
// Error naming what is at fault (the run keeps what was reached), and Cancelled after it has been
// saved.
TrainVaeResult train_vae_run(const TrainVaeRequest& request, Monitor& monitor,
                             const std::function<void(const std::string&)>& warn,
                             const optimize::Ranks& ranks = {});

// The weights and config.json of an autoencoder. folder: of a run, or of a model.
void write_vae(const std::filesystem::path& folder, const pipeline::Vae& vae,
               std::int64_t sample_size);

// As LoadOptions::vae says (pipeline/model/model.h): a folder, a file, a model. Float32.
pipeline::Vae read_vae(const std::filesystem::path& path, at::Device device);

}  // namespace keepsake::editor
