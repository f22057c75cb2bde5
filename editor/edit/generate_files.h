// Text (and a picture) to image files: `keepsake generate` without the command line.
#pragma once

#include "editor/edit/edit.h"
#include "pipeline/text/prompt_grammar.h"

namespace keepsake::editor {

// Whose numbers a seed means: PyTorch's on a processor, or on a graphics card (philox.h).
enum class NoiseSource { cpu, philox };

inline constexpr double usual_image_strength = 0.8;  // diffusers' StableDiffusionImg2ImgPipeline
inline constexpr int usual_mask_padding = 32;        // AUTOMATIC1111's "Only masked padding"

struct GenerateRequest {
    std::string prompt;
    std::filesystem::path out;  // an image file; with several images, numbered: name-1.png
    std::optional<int> size;    // none: the model's own, or that of `latents_in`
    std::optional<int> height;  // of what is no square, with `size` for its width
    std::vector<std::uint64_t> seeds = {0};
    // Beside `prompt` and in place of the sampling's guidance: the seeds' pictures are drawn for
    // each text and each guidance, the guidances of a text one after the other.
    std::vector<std::string> more_prompts = {};
    std::vector<double> guidances = {};
    // All pictures on one sheet, labelled: seeds side by side, texts and guidances below each
    // other.
    std::optional<std::filesystem::path> grid;
    SampleOverrides sample;
    std::optional<std::filesystem::path> image;  // image to image: the start picture
    std::optional<Crop> crop;                    // of it; none: the centred square
    // With `image`; none: usual_image_strength, with a mask 1. Not of a model that edits by
    // instruction.
    std::optional<double> strength;
    // Of such a model, with `image` (pipeline::Instruction); none: its default.
    std::optional<double> image_guidance;
    // With `image`: what of it is drawn anew (export_photo.h, load_mask).
    std::optional<std::filesystem::path> mask;
    // With `mask`: only the part around it is worked on, with so many pixels of the photo
    // (masked_part.h); none: all of the crop.
    std::optional<int> only_masked;
    // With a mask, and of a model that edits by instruction: the picture is the photo itself at its
    // own size, outside the mask bit for bit; off: what the model made.
    bool full = true;
    // A safetensors file with one tensor `latents`, (B, C, h, w): initial noise instead of the
    // seed's, before scaling by the sampler's initial sigma; one image each, of the one seed.
    std::optional<std::filesystem::path> latents_in;
    std::optional<std::filesystem::path> latents_out;  // the same, after the last step
    std::optional<std::filesystem::path> model;        // none: the default model
    // Other programs' text of the settings (generation_text.h) beside the recipe in each picture.
    bool parameters = true;
    // How prompt and negative prompt are read (prompt_grammar.h).
    pipeline::PromptSyntax syntax = pipeline::PromptSyntax::plain;
    NoiseSource rng = NoiseSource::cpu;
    Compute compute;
};

// Throws Error naming the file or option at fault, Cancelled when stopped (files of earlier seeds
// stay). Of the result, only images, threads, seconds.load and seconds.render mean something.
EditResult generate(const GenerateRequest& request, const EditControls& controls);

}  // namespace keepsake::editor
