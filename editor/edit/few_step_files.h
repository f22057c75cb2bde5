// LoRA files that make a model draw in few steps: what each is made for, where its name or its
// metadata tell (docs/few-steps.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/model/generate.h"
#include "pipeline/networks/adapter.h"

namespace keepsake::editor {

struct FewStepFile {
    std::string kind;  // "LCM"
    pipeline::Sampler sampler = pipeline::Sampler::lcm;
    int least_steps = 1, most_steps = 8;
    double least_guidance = 1, most_guidance = 1;
    std::optional<double> tcd_eta;  // where the file wants another than TCD's usual one
    std::optional<pipeline::TimestepSpacing> spacing;  // of ddim
};

// Of a LoRA's file or folder, by the names that their makers give them: LCM-LoRA, TCD, Hyper-SD,
// DMD2; and by the metadata of what `keepsake distil consistency` writes. A folder counts where the
// file is called as in all others ("pytorch_lora_weights"). None for all other files.
std::optional<FewStepFile> few_step_file(const std::filesystem::path& path);

// One line for each of the files that `sample` does not suit: "x.safetensors: a file for few steps
// (LCM), made for --sampler lcm --steps 2 to 8 --guidance 1 to 2".
std::vector<std::string> few_step_remarks(const std::vector<pipeline::AdapterFile>& files,
                                          const pipeline::SampleOptions& sample);

}  // namespace keepsake::editor
