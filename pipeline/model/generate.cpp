#include "pipeline/model/generate.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "pipeline/compute/kept_buffers.h"
#include "pipeline/compute/kernels.h"
#include "pipeline/model/purpose.h"
#include "pipeline/sampling/ddim_invert.h"

namespace keepsake::pipeline {

Schedule schedule_for(const Model& model, const SampleOptions& options) {
    Schedule schedule = model.schedule;
    if (options.spacing) schedule.config.timestep_spacing = options.spacing;
    if (options.schedule) schedule.config = with_schedule(schedule.config, *options.schedule);
    return schedule;
}

at::Generator make_generator(std::uint64_t seed) {
    return at::detail::createCPUGenerator(seed);
}

Tensor randn(at::IntArrayRef shape, at::Generator generator) {
    return at::randn(shape, std::move(generator), at::TensorOptions().dtype(at::kFloat));
}

Tensor encode_text(const Model& model, std::string_view text, Tokenized* tokenized) {
    const at::NoGradGuard no_grad;
    Tokenized tokens = model.tokenizer(text);
    const Tensor ids =
        at::tensor(tokens.ids, at::TensorOptions().dtype(at::kLong)).unsqueeze(0).to(model.device);
    if (tokenized) *tokenized = std::move(tokens);
    return model.text_encoder(ids);
}

void check_finite(const Tensor& values, std::string_view what) {
    if (at::isfinite(values).all().item<bool>()) return;
    throw Error(what,
                "has values that are not finite: the model's numbers overflow, or what was "
                "learned has gone astray (a smaller learning rate helps then)");
}

LatentDistribution picture_latents(const Model& model, const Tensor& image) {
    const at::NoGradGuard no_grad;
    LatentDistribution latents = model.vae.encode(image.to(model.device, model.dtype));
    check_finite(latents.mean, "the photo's latents");
    return latents;
}

Tensor draw_latents(const Model& model, const LatentDistribution& latents,
                    const std::vector<at::Generator>& generators) {
    const at::NoGradGuard no_grad;
    std::vector<Tensor> draws;
    for (const at::Generator& generator : generators) draws.push_back(latents.sample(generator));
    const Tensor z = draws.empty() ? latents.mean : at::cat(draws);
    check_finite(z, "the photo's latents");
    return z.to(at::kFloat) * model.vae.config().scaling_factor;
}

Tensor encode_image(const Model& model, const Tensor& image,
                    const std::vector<at::Generator>& generators) {
    return draw_latents(model, picture_latents(model, image), generators);
}

namespace {

constexpr std::int64_t large_latents = 4096;  // 512 pixels square

}  // namespace

Tensor decode_latents(const Model& model, const Tensor& latents) {
    const at::NoGradGuard no_grad;
    check_finite(latents, "what was sampled");
    // Decoding a large picture is the moment of the most memory.
    const bool large = latents.size(2) * latents.size(3) >= large_latents;
    if (large) give_back_buffers();
    const Tensor z = latents.to(model.device, model.dtype) / model.vae.config().scaling_factor;
    const Tensor image = model.vae.decode(z).to(at::kCPU, at::kFloat);
    if (large) give_back_buffers();
    check_finite(image, "the decoded picture");
    return (image / 2 + 0.5).clamp(0, 1).contiguous();
}

int passes_of(const UNet& unet, double guidance_scale) {
    return guidance_scale > 1 && !unet.takes_guidance() ? 2 : 1;
}

namespace {

// An embedding (1 or B, T, D) for a batch of `batch`.
Tensor for_batch(const Tensor& embedding, std::int64_t batch) {
    if (embedding.size(0) == batch) return embedding;
    if (embedding.size(0) == 1) return embedding.expand({batch, -1, -1});
    throw Error("text embedding", "has batch " + std::to_string(embedding.size(0)) +
                                      ", the latents have batch " + std::to_string(batch));
}

}  // namespace

Denoiser guided_denoiser(const UNet& unet, Tensor cond, Tensor uncond, double guidance_scale) {
    const at::ScalarType dtype = cond.scalar_type();
    const bool guided = passes_of(unet, guidance_scale) > 1;
    if (guided && !uncond.defined()) {
        throw Error("guidance", "needs the embedding of the negative prompt");
    }
    const UNet told = unet.takes_guidance() ? unet.guided_by(guidance_scale - 1) : unet;
    return [unet = told, cond = std::move(cond), uncond = std::move(uncond), guided, guidance_scale,
            dtype, context = Tensor()](const Tensor& x, double t) mutable {
        const at::NoGradGuard no_grad;
        const Tensor timestep = at::full({1}, t, x.options().dtype(at::kFloat));
        const std::int64_t batch = x.size(0);
        const Tensor input = x.to(dtype);
        // One tensor for all steps, so that the network computes its keys and values once.
        const std::int64_t passes = guided ? 2 * batch : batch;
        if (!context.defined() || context.size(0) != passes) {
            context = for_batch(cond, batch);
            if (guided) context = at::cat({for_batch(uncond, batch), context});
        }
        if (!guided) return unet(input, timestep, context).to(at::kFloat);
        const Tensor both = unet(at::cat({input, input}), timestep, context).to(at::kFloat);
        const auto halves = both.chunk(2);
        return halves[0] + guidance_scale * (halves[1] - halves[0]);
    };
}

bool takes_instructions(const Model& model) {
    return purpose_of(model.unet.config(), model.vae.config()) == Purpose::instructions;
}

Denoiser instructed_denoiser(const UNet& unet, Tensor cond, Tensor uncond,
                             const Instruction& instruction, double guidance_scale) {
    const bool guided = guidance_scale > 1;
    if (guided && !uncond.defined())
        throw Error("guidance", "needs the embedding of the negative prompt");
    if (!(instruction.image_guidance >= 1))
        throw Error("image guidance",
                    std::to_string(instruction.image_guidance) + " is not 1 or more");
    const at::ScalarType dtype = cond.scalar_type();
    const Tensor picture = instruction.image_latents.to(cond.device(), dtype);
    return [unet, cond = std::move(cond), uncond = std::move(uncond), picture, guided,
            guidance_scale, image_guidance = instruction.image_guidance, dtype,
            context = Tensor()](const Tensor& x, double t) mutable {
        const at::NoGradGuard no_grad;
        const std::int64_t batch = x.size(0), passes = guided ? 3 * batch : batch;
        const Tensor timestep = at::full({1}, t, x.options().dtype(at::kFloat));
        // One tensor for all steps, as in guided_denoiser.
        if (!context.defined() || context.size(0) != passes) {
            context = for_batch(cond, batch);
            if (guided) {
                const Tensor without = for_batch(uncond, batch);
                context = at::cat({context, without, without});
            }
        }
        const Tensor shown = picture.expand({batch, -1, -1, -1});
        const Tensor with = at::cat({x.to(dtype), shown}, 1);
        if (!guided) return unet(with, timestep, context).to(at::kFloat);
        const Tensor alone = at::cat({x.to(dtype), at::zeros_like(shown)}, 1);
        const auto thirds =
            unet(at::cat({with, with, alone}), timestep, context).to(at::kFloat).chunk(3);
        return thirds[2] + guidance_scale * (thirds[0] - thirds[1]) +
               image_guidance * (thirds[1] - thirds[2]);
    };
}

Tensor initial_noise(const Model& model, std::int64_t width, std::int64_t height,
                     at::Generator generator) {
    const std::int64_t unit = model.vae.config().downscale();
    if (width <= 0 || height <= 0 || width % unit != 0 || height % unit != 0) {
        throw Error("size", std::to_string(width) + "x" + std::to_string(height) +
                                " pixels: both sides must be positive multiples of " +
                                std::to_string(unit));
    }
    const std::vector<std::int64_t> shape = {1, model.vae.config().latent_channels, height / unit,
                                             width / unit};
    return randn(shape, std::move(generator));
}

std::size_t pictures_at_once(const Model& model, const SampleOptions& options, std::int64_t width,
                             std::int64_t height) {
    constexpr std::int64_t most = 4096;  // latent pixels of one call of the U-Net
    const bool alike =
        kernels::best_kernels() && model.dtype == at::kFloat && model.device.is_cpu();
    if (!alike) return 1;
    const std::int64_t unit = model.vae.config().downscale();
    std::int64_t passes = passes_of(model.unet, options.guidance_scale);
    if (passes > 1 && takes_instructions(model)) passes = 3;
    const std::int64_t picture = passes * (width / unit) * (height / unit);
    return static_cast<std::size_t>(std::clamp<std::int64_t>(most / picture, 1, most));
}

bool is_inpainting(const Model& model) {
    return purpose_of(model.unet.config(), model.vae.config()) == Purpose::inpainting;
}

Tensor latent_mask(const Model& model, const Tensor& mask) {
    const std::int64_t unit = model.vae.config().downscale();
    const Tensor corners = mask.slice(2, 0, {}, unit).slice(3, 0, {}, unit);
    return (corners >= 0.5).to(at::kFloat);
}

Tensor without_masked(const Tensor& image, const Tensor& mask) {
    return image * (mask < 0.5).to(at::kFloat);
}

namespace {

void check_inpainting(const Model& model, const GenerateInput& input) {
    if (is_inpainting(model) && !input.inpainting)
        throw Error(model.path.string(), "draws into a picture where a mask says: it needs both");
    if (!input.inpainting) return;
    if (!input.init_latents) throw Error("inpainting", "needs the picture's latents");
    const Tensor& mask = input.inpainting->mask;
    if (mask.dim() != 4 || mask.size(2) != input.noise.size(2) ||
        mask.size(3) != input.noise.size(3))
        throw Error("inpainting", "the mask is not of the latents' size");
    if (is_inpainting(model) && !input.inpainting->masked_latents.defined())
        throw Error("inpainting", "needs the latents of the masked picture");
}

void check_instruction(const Model& model, const GenerateInput& input) {
    if (takes_instructions(model) == input.instruction.has_value()) return;
    throw Error(model.path.string(),
                input.instruction
                    ? "is not made to edit a picture by an instruction"
                    : "edits a picture by an instruction: it needs the picture's latents");
}

// The network given mask and masked picture beside the latents, in that order.
Denoiser with_masked_picture(Denoiser denoise, const Tensor& mask, const Tensor& masked) {
    return [denoise = std::move(denoise), mask, masked](const Tensor& x, double t) {
        const std::int64_t batch = x.size(0);
        return denoise(
            at::cat({x, mask.expand({batch, -1, -1, -1}), masked.expand({batch, -1, -1, -1})}, 1),
            t);
    };
}

}  // namespace

Tensor generate_latents(const Model& model, const GenerateInput& input,
                        const SampleOptions& options, Monitor& monitor, const UNet* unet) {
    check_inpainting(model, input);
    check_instruction(model, input);
    const Schedule schedule = schedule_for(model, options);
    const Timetable timetable = make_timetable(options.sampler, schedule, options.steps,
                                               input.init_latents ? input.strength : 1.0);
    SamplerControls controls;
    controls.ddim_eta = options.ddim_eta;
    controls.tcd_eta = options.tcd_eta;
    controls.generators = input.generators;
    controls.philox_seeds = input.philox_seeds;
    controls.monitor = &monitor;
    const Tensor noise = input.noise.to(model.device);
    Tensor latents = noise * timetable.init_noise_sigma;
    if (options.noise_share < 1) {
        if (!input.inverted) throw Error("noise_share", "below 1 needs inverted latents");
        const double share = options.noise_share;
        latents = to_sampler_scale(timetable, *input.inverted) * std::sqrt(1 - share * share) +
                  latents * share;
    }
    const bool from_noise = input.inpainting && input.strength == 1;
    if (input.init_latents && !from_noise) {
        controls.begin = start_index(timetable, input.strength);
        const Tensor init = input.init_latents->to(model.device);
        // Strength 0 leaves no step and so no noise either.
        latents = controls.begin == timetable.timesteps.size()
                      ? init.expand_as(noise)
                      : add_noise_at(timetable, schedule, init, noise, controls.begin);
    }
    const UNet& network = unet ? *unet : model.unet;
    Denoiser denoise = input.denoiser;
    if (!denoise && input.instruction)
        denoise = instructed_denoiser(network, input.cond, input.uncond, *input.instruction,
                                      options.guidance_scale);
    else if (!denoise)
        denoise = guided_denoiser(network, input.cond, input.uncond, options.guidance_scale);
    if (input.inpainting && is_inpainting(model)) {
        denoise = with_masked_picture(std::move(denoise), input.inpainting->mask.to(model.device),
                                      input.inpainting->masked_latents.to(model.device));
    } else if (input.inpainting) {
        const Tensor mask = input.inpainting->mask.to(model.device);
        const Tensor init = input.init_latents->to(model.device);
        controls.after_call = [&timetable, &schedule, mask, init, noise](std::size_t next,
                                                                         const Tensor& x) {
            const Tensor kept = add_noise_at(timetable, schedule, init, noise, next);
            return mask * x + (1 - mask) * kept;
        };
    }
    return sample(denoise, schedule, timetable, latents, controls);
}

Tensor invert_latents(const Model& model, const GenerateInput& picture,
                      const SampleOptions& options, Monitor& monitor, const UNet* unet) {
    if (!picture.init_latents) throw Error("inversion", "needs the picture's latents");
    const Timetable timetable =
        make_timetable(options.sampler, schedule_for(model, options), options.steps);
    const Denoiser denoise = guided_denoiser(unet ? *unet : model.unet, picture.cond, {}, 1);
    InversionOptions inversion;
    inversion.monitor = &monitor;
    return ddim_invert(denoise, model.schedule,
                       inversion_timesteps(timetable, options.inversion_steps),
                       picture.init_latents->to(model.device), inversion);
}

}  // namespace keepsake::pipeline
