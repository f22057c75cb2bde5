// What to compute on, and in which numbers.
#pragma once

#include <ATen/core/ATen_fwd.h>
#include <c10/core/Device.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/compute/arithmetic.h"
#include "pipeline/networks/adapter.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::editor {

// choice: "cpu", "cuda", else the best there is. Throws Error naming `what` when it is "cuda" and
// there is none.
at::Device find_device(const std::string& choice, const std::string& what);

// A file of textual inversion (pipeline/networks/word_file.h).
struct WordSource {
    std::filesystem::path path;
    std::optional<std::string> name;  // to call its word by; none: the file's own
};

// What a run computes with.
struct Compute {
    at::Device device = at::kCPU;
    pipeline::Arithmetic arithmetic =
        pipeline::Arithmetic::float32;  // of the U-Net's renders, or of `keepsake train`
    std::optional<int> threads;         // none: measured (pipeline/model/threads.h)
    std::optional<pipeline::PredictionType> prediction;  // none: what the model's files say
    // Likewise what takes the place of what they say: pipeline::LoadOptions.
    std::vector<pipeline::AdapterFile> adapters = {};
    std::filesystem::path vae = {};
    int clip_skip = 0;
    std::vector<WordSource> words = {};
};

std::string precision_name(pipeline::Arithmetic arithmetic);  // as --precision has it
// choice: "float32"; "bfloat16"; "auto", which is bfloat16 where pipeline::has_fast_bfloat16().
// Throws Error naming `what` when it is "bfloat16" and that gains nothing here.
pipeline::Arithmetic find_arithmetic(const std::string& choice, at::Device device,
                                     const std::string& what);

}  // namespace keepsake::editor
