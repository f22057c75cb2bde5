// From words (and a picture) to a picture: what every front end calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/model/model.h"
#include "pipeline/sampling/samplers.h"

namespace keepsake::pipeline {

// How an image is sampled. The one home of these defaults.
struct SampleOptions {
    Sampler sampler = Sampler::pndm;  // Stable Diffusion's own (scheduler_config.json of v1-5)
    int steps = 50;                   // diffusers' StableDiffusionPipeline
    double guidance_scale = 7.5;      // likewise; Ho & Salimans, arXiv 2207.12598. 1: no guidance
    std::string negative_prompt;      // likewise, empty: the unconditional text
    double ddim_eta = 0.0;            // Song et al., arXiv 2010.02502, eq. 16
    // How much of what sampling starts from is the seed's noise, with GenerateInput::inverted: the
    // start is sqrt(1 - share^2) inverted + share noise. 1: noise alone, as Imagic has it.
    double noise_share = 1.0;
    int inversion_steps = 25;  // of invert_latents; one unguided call each (docs/fast-mode.md)
    double tcd_eta = SamplerControls{}.tcd_eta;  // TCD's gamma
    // When the steps are taken; empty: as the model's files say. lcm and tcd have their own grid.
    std::optional<TimestepSpacing> spacing = {};
    // How the noise levels lie, by the name that people know it by; empty: likewise. Stronger than
    // `spacing` where both say it.
    std::optional<NoiseSchedule> schedule = {};
};

// The model's schedule as these options have it laid out.
Schedule schedule_for(const Model& model, const SampleOptions& options);

// The CPU generator of a seed: the same numbers as torch.Generator("cpu").manual_seed(seed).
at::Generator make_generator(std::uint64_t seed);

// Standard normal noise, float32, drawn on CPU as torch.randn(shape, generator=g) draws it.
Tensor randn(at::IntArrayRef shape, at::Generator generator);

// text -> (1, 77, D) working dtype on the model's device. `tokenized`, if given, tells what was
// cut.
Tensor encode_text(const Model& model, std::string_view text, Tokenized* tokenized = nullptr);

// image: (B, 3, H, W) float32 in [-1, 1] -> where its latents lie, unscaled. Throws Error where
// they are not finite.
LatentDistribution picture_latents(const Model& model, const Tensor& image);
// Scaled latents (B, C, H/8, W/8) of it: its mean; with generators a draw from it by each, one
// after the other: (B * generators, C, H/8, W/8).
Tensor draw_latents(const Model& model, const LatentDistribution& latents,
                    const std::vector<at::Generator>& generators = {});
// Both in one.
Tensor encode_image(const Model& model, const Tensor& image,
                    const std::vector<at::Generator>& generators = {});

// Throws Error saying that `what` is not finite where a value is not: clamped and rounded it would
// be a picture of some colour, and a mask of nothing.
void check_finite(const Tensor& values, std::string_view what);

// Scaled latents (B, C, h, w) -> (B, 3, 8h, 8w) float32 on CPU, clamped to [0, 1]. Throws Error
// where one of the two is not finite.
Tensor decode_latents(const Model& model, const Tensor& latents);

// The calls of `unet` that a prediction at this scale takes: 2 where it is guided by a second one.
int passes_of(const UNet& unet, double guidance_scale);

// Classifier-free guidance (Ho & Salimans eq. 6) around `unet` in one batched pass; one plain pass
// when guidance_scale is 1 (below 1 too, as in diffusers). A network that takes guidance as an
// input is told guidance_scale - 1, in one plain pass. cond, uncond: (1 or B, T, D).
Denoiser guided_denoiser(const UNet& unet, Tensor cond, Tensor uncond, double guidance_scale);

// What a network that edits by instruction is given beside the latents (InstructPix2Pix: Brooks,
// Holynski, Efros, arXiv 2211.09800).
struct Instruction {
    Tensor image_latents;  // (1 or B, C, h, w), working dtype: picture_latents' mean, not
                           // multiplied by the scaling factor
    // How closely the picture is kept, at least 1; diffusers'
    // StableDiffusionInstructPix2PixPipeline. Without guidance by the text (at most 1) it is not
    // used, as there.
    double image_guidance = 1.5;
};

// Whether a model's network takes a picture's latents beside those that it draws and edits that
// picture by an instruction (twice the latents' channels).
bool takes_instructions(const Model& model);

// Guidance by picture and text (Brooks et al., eq. 3) around `unet`, three passes in one batch:
// with both, with the picture, with neither. One pass with both where guidance_scale is at most 1.
// cond, uncond: (1 or B, T, D).
Denoiser instructed_denoiser(const UNet& unet, Tensor cond, Tensor uncond,
                             const Instruction& instruction, double guidance_scale);

// Initial latents for a picture of width x height pixels, before init_noise_sigma: (1, C, h, w).
// Throws Error naming the size when it is no multiple of 8.
Tensor initial_noise(const Model& model, std::int64_t width, std::int64_t height,
                     at::Generator generator);

// What is drawn anew of a picture, and what of it stays.
struct Inpainting {
    Tensor mask;            // (1, 1, h, w) float32: 1 is drawn, 0 stays
    Tensor masked_latents;  // scaled latents of the picture with the drawn part grey, (1 or B, C,
                            // h, w); networks made for inpainting are given it with the mask
};

struct GenerateInput {
    Tensor noise;                        // (B, C, h, w) before scaling by init_noise_sigma
    Tensor cond, uncond;                 // (1 or B, T, D); uncond may be undefined with guidance 1
    std::optional<Tensor> init_latents;  // image to image: scaled latents of the picture, (1 or B)
    double strength = 1.0;               // with init_latents; as diffusers
    // With init_latents. A network of 2 C + 1 channels takes mask and masked latents as inputs; of
    // any other the latents outside the mask are after each call those of the picture with the
    // call's noise (latent blending, as diffusers' StableDiffusionInpaintPipeline does both). At
    // strength 1 sampling starts from noise alone.
    std::optional<Inpainting> inpainting = {};
    // Of a network that takes_instructions, and of no other; sampling starts from noise alone.
    std::optional<Instruction> instruction = {};
    // Where draws_noise: one for the batch or one per picture (SamplerControls).
    std::vector<at::Generator> generators = {};
    std::vector<std::uint64_t> philox_seeds = {};  // in their place (SamplerControls)
    std::optional<Tensor> inverted;                // of invert_latents, for noise_share below 1
    Denoiser denoiser = {};  // in place of guided_denoiser with cond and uncond
};

// Whether a model's network takes mask and masked picture beside the latents (Stable Diffusion
// inpainting: nine channels).
bool is_inpainting(const Model& model);

// A picture's mask, (1, 1, H, W) float32 in [0, 1], as its latents have it: (1, 1, h, w), 1 from
// 0.5 up, else 0; the pixel at each place's corner decides, as in diffusers.
Tensor latent_mask(const Model& model, const Tensor& mask);

// The picture, (B, 3, H, W) in [-1, 1], with what the mask says grey.
Tensor without_masked(const Tensor& image, const Tensor& mask);

// The most pictures of width x height pixels that are worth a batch of their own, guidance's second
// half counted: several of small ones, which are faster together, one of 512 pixels and up, which
// fills the processor and the memory alone. 1 too where a picture among others could differ from
// the same one alone (kernels.h computes both alike; other operators and devices promise nothing),
// so that a batch never shows in a picture.
std::size_t pictures_at_once(const Model& model, const SampleOptions& options, std::int64_t width,
                             std::int64_t height);

// Returns the final latents (B, C, h, w). Uses `unet` in place of model.unet when given (a tuned
// one).
Tensor generate_latents(const Model& model, const GenerateInput& input,
                        const SampleOptions& options, Monitor& monitor, const UNet* unet = nullptr);

// Where sampling without guidance would have to start to come out at `picture`.init_latents: DDIM
// inversion (ddim_invert.h) with picture's `cond` up to the noise of the first timestep of these
// options' sampler. (B, C, h, w) float32, alpha x0 + sigma noise of unit variance. Inverted with
// guidance, the picture comes back more exactly when sampled with it, and edits tear it apart
// (docs/fast-mode.md). Throws Error naming what is missing, and Cancelled.
Tensor invert_latents(const Model& model, const GenerateInput& picture,
                      const SampleOptions& options, Monitor& monitor, const UNet* unet = nullptr);

}  // namespace keepsake::pipeline
