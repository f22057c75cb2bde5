// A prompt in the grammar of stable-diffusion-webui (pipeline/text/prompt_grammar.h) as what the
// network is conditioned on, step by step.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/generate.h"
#include "pipeline/text/prompt_grammar.h"

namespace keepsake::pipeline {

// Holds up to and with the model call `until`, counted from 0 as the webui counts (so that the
// first of several holds for one call more).
struct StepCondition {
    int until = 0;
    Tensor embedding;  // (1, 77 n, D)
};

// Each of the prompt's texts in blocks of 77 tokens, encoded one by one and joined; tokens times
// their weights, after which a block's mean is brought back to what it was. Names of networks
// (<lora:...>) are left out. steps: of sampling.
std::vector<StepCondition> encode_prompt(const Model& model, std::string_view prompt, int steps);

// guided_denoiser (generate.h) with what holds at each call. cond and uncond may be of different
// lengths, which are two passes then. uncond may be empty with guidance 1. Counts its calls: make
// one for each sampling run.
Denoiser scheduled_denoiser(const UNet& unet, std::vector<StepCondition> cond,
                            std::vector<StepCondition> uncond, double guidance_scale);

// What was understood of a prompt, for people: one line of text and weight a stretch.
std::string prompt_reading(std::string_view prompt, int steps);

}  // namespace keepsake::pipeline
