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

// The schedule that such a sampler's name ends with ("DPM++ 2M Karras", "dpmpp_2m_k"). None where
// it has none, or there is no such sampler.
std::optional<NoiseSchedule> schedule_in_name(std::string_view sampler);

// A schedule likewise: "Karras", "SGM Uniform", "sgm_uniform", "simple", "Align Your Steps". None
// where there is none such here, and for "Automatic".
std::optional<NoiseSchedule> schedule_by_any_name(std::string_view name);

// stable-diffusion-webui's names for them; empty where that has none.
std::string_view a1111_sampler_name(Sampler sampler);
std::string_view a1111_schedule_name(NoiseSchedule schedule);

}  // namespace keepsake::pipeline
