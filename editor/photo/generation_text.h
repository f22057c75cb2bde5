// What programs write into pictures of how they were generated: text in, settings out, and back.
// Pure; where it lies in a file is picture_settings.h's matter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keepsake::editor {

struct GenerationSettings {
    std::string written_by = {};  // "AUTOMATIC1111", "ComfyUI", "InvokeAI", "Keepsake"
    std::string prompt = {}, negative_prompt = {};
    std::optional<int> steps = {};
    std::string sampler = {},
                schedule = {};  // by the names of the program that wrote them; may be empty
    std::optional<double> cfg_scale = {};
    std::optional<std::uint64_t> seed = {};
    std::optional<int> width = {}, height = {};
    std::string model = {},
                model_hash = {};  // a name without folders; the first 10 hex digits of SHA-256
    std::string vae = {}, vae_hash = {};
    std::optional<double> denoising_strength = {};  // of image to image
    std::optional<int> clip_skip = {};              // 1: the text encoder's last layer
    std::string rng = {};                           // "CPU", "NV", "GPU"; empty: not said
    std::string version = {};                       // of the program that wrote it
    // Of Keepsake's own recipes: what other programs do not say.
    std::string spacing = {}, prompt_syntax = {};
    std::optional<double> ddim_eta = {}, tcd_eta = {}, noise_share = {};
    // What else is said, which has no counterpart here; LoRAs of ComfyUI and Keepsake as ("lora",
    // "roses:0.8").
    std::vector<std::pair<std::string, std::string>> others = {};
};

// The text of stable-diffusion-webui (AUTOMATIC1111), as its infotext_utils.py reads it: lines of
// the prompt, "Negative prompt:" and its lines, a last line of at least three "Key: value" pairs,
// values in JSON's quotes where they have a comma, colon or line break in them. Never fails: what
// has no such last line is all prompt. A number that is none is one of `others`. Old files' "DPM++
// 2M Karras" becomes the sampler "DPM++ 2M" of the schedule "Karras".
GenerationSettings read_a1111_parameters(std::string_view text);

// The same text, as its processing.py writes it.
std::string a1111_parameters(const GenerationSettings& settings);

// ComfyUI's graph (the text "prompt" of its PNG files): from the first KSampler (or
// KSamplerAdvanced) back to its texts, model, LoRAs, size and clip skip. None where the text is no
// such graph (malformed, without a sampler). Limits on size and depth are those of json_file.h.
std::optional<GenerationSettings> read_comfyui_graph(std::string_view text);

// InvokeAI's "invokeai_metadata". None where it is no JSON object with a prompt.
std::optional<GenerationSettings> read_invokeai_metadata(std::string_view text);

// One setting a line, for a person.
std::string settings_text(const GenerationSettings& settings);

}  // namespace keepsake::editor
