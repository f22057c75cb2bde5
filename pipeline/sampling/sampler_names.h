// What other programs call samplers and schedules.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/sampling/samplers.h"

namespace keepsake::pipeline {

// By our own name or that of stable-diffusion-webui ("DPM++ 2M", also with its schedule behind it),
// ComfyUI ("dpmpp_2m"), InvokeAI ("dpmpp_2m_k") or diffusers ("DPMSolverMultistepScheduler"),
// whatever the case and the spaces. None where there is no such sampler here.
std::optional<Sampler> sampler_by_any_name(std::string_view name);

// stable-diffusion-webui's name for it; empty where that has none.
std::string_view a1111_sampler_name(Sampler sampler);

}  // namespace keepsake::pipeline
