// What a distillation leaves: the student, as a model's folder or a LoRA.
#pragma once

#include <filesystem>
#include <string>

#include "editor/edit/distil_plan.h"
#include "pipeline/networks/lora.h"
#include "pipeline/networks/unet.h"

namespace keepsake::editor {

// The folder <name>, which diffusers and Keepsake open: the teacher's own files with the student's
// U-Net, the scheduler that it was made for (DDIM with trailing spacing, LCM), and in keepsake.json
// how it samples and what it was taught. weights: of `student`, or their averages. Returns its
// path. Throws Error naming the file.
std::filesystem::path write_student(const std::filesystem::path& folder, const DistilPlan& plan,
                                    const pipeline::UNet& student,
                                    const pipeline::TensorMap& weights);

// <name>.safetensors in kohya's names, alpha the rank.
std::filesystem::path write_student_lora(const std::filesystem::path& folder,
                                         const DistilPlan& plan, const pipeline::LoraSet& loras);

}  // namespace keepsake::editor
