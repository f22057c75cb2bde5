// A whole latent diffusion model and how it is read from disk.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/networks/adapter.h"
#include "pipeline/networks/text_encoder.h"
#include "pipeline/networks/unet.h"
#include "pipeline/networks/vae.h"
#include "pipeline/networks/word_file.h"
#include "pipeline/sampling/schedule.h"
#include "pipeline/text/tokenizer.h"

namespace keepsake::pipeline {

struct LoadOptions {
    at::ScalarType dtype = at::kFloat;  // working precision of every component
    at::Device device = at::kCPU;
    Arithmetic arithmetic = Arithmetic::float32;  // of the U-Net, where nothing learns
    // What the network predicts, where the model's own files do not say it or say it wrongly.
    std::optional<PredictionType> prediction_type;
    // Where the tokenizer of a single-file checkpoint lies, which has none of its own: this folder
    // if given, else a folder `tokenizer` beside the checkpoint, else `default_tokenizer`, which
    // holds CLIP's vocabulary (the bundled model's does). A diffusers folder brings its own.
    std::filesystem::path tokenizer;
    std::filesystem::path default_tokenizer;
    // A VAE in place of the model's own: a diffusers folder of one, or a single file in diffusers'
    // names or the original ones. None: <stem>.vae.safetensors beside a checkpoint, else its own.
    std::filesystem::path vae = {};
    // Which layer of the text encoder, counted from the last, gives the embedding: 1 the last, 2
    // the one before it. 0: as the model says (SD 2.x: 2).
    int clip_skip = 0;
    // Added to the weights as they are read, in this order.
    std::vector<AdapterFile> adapters = {};
};

struct Model {
    std::filesystem::path path;
    std::string fingerprint;  // 16 hex digits: tells this model's weights from another's
    std::string left_alone;   // what its file holds that is no part of it, for people; else empty
    Tokenizer tokenizer;
    TextEncoder text_encoder;
    Vae vae;
    UNet unet;
    Schedule schedule;
    at::ScalarType dtype = at::kFloat;
    at::Device device = at::kCPU;
    std::vector<AdapterReport> adapters = {};  // what was used of options.adapters
    LoadOptions loaded_with = {};
    std::vector<LearnedWord> words = {};  // that it knows beside its vocabulary (with_words)

    // The side of the square it was trained at, in pixels.
    std::int64_t native_size() const {
        return unet.config().sample_size * vae.config().downscale();
    }
};

// Loads either of
//   - a diffusers folder: model_index.json and component folders; float32, float16 or bfloat16;
//     `*.fp16.safetensors` variants where there is no plain file; sharded with an index file;
//   - a single `.safetensors` file in the original LDM layout, SD 1.x or 2.x. What such a file does
//     not say follows diffusers' convert_from_ckpt: SD 1.x predicts epsilon at 512 pixels; SD 2.x
//     predicts v at 768, or epsilon at 512 if its global_step is 875000. Otherwise, the first of
//     these decides: options.prediction_type; a diffusers scheduler_config beside it, <stem>.json;
//     stated_prediction() of model_files.h. A tensor `ztsnr` of a model that predicts v says zero
//     terminal SNR. Tensors of none of the three components are left alone.
// Weights are read one tensor at a time: peak memory is that of the model. Throws Error naming the
// file, and for tensors all that do not fit in a component; a pickle checkpoint (.ckpt, .bin, .pt)
// is refused with how to convert it. With adapters or another clip_skip the model is another one,
// and so is its fingerprint.
Model load_model(const std::filesystem::path& path, const LoadOptions& options = {});

// The model with words of textual inversion in its tokenizer and its text encoder, after those that
// it has already; everything else is shared. Its fingerprint stays: a text without these words
// means what it meant. Throws Error naming a word's file (or the word), when the vocabulary or the
// model has its name already, or when its vectors are of another width.
Model with_words(Model model, const std::vector<LearnedWord>& words);

// 16 hex digits over the names, shapes, dtypes and samples of the values of the weights of a model
// folder or checkpoint. Where it lies, file times and how it is sharded do not matter.
std::string model_fingerprint(const std::filesystem::path& path);

}  // namespace keepsake::pipeline
