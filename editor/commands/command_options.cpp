#include "editor/commands/command_options.h"

#include <cmath>

#include "editor/photo/image_file.h"
#include "editor/session/recipe.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/sampling/sampler_names.h"

namespace keepsake::editor {

void add_sample_options(CLI::App& command, SampleArguments& arguments) {
    command.add_option("--seed", arguments.seed, "N[,N...]: each seed is one image; default 0")
        ->type_name("N[,N]");
    command
        .add_option("--sampler", arguments.sampler,
                    pipeline::sampler_names(", ") +
                        ", or AUTOMATIC1111's, ComfyUI's or diffusers' name of one, such as "
                        "\"DPM++ 2M Karras\"; lcm and tcd are for models and LoRA files made for "
                        "few steps")
        ->type_name(pipeline::sampler_names("|"));
    command.add_option("--steps", arguments.steps, "Sampling steps");
    command
        .add_option("--spacing", arguments.spacing,
                    "Which timesteps the steps are: leading, linspace or trailing (which begins at "
                    "the last, as files for few steps of ddim want it); default: what the model's "
                    "files say. lcm and tcd have their own")
        ->type_name("leading|linspace|trailing");
    command
        .add_option("--schedule", arguments.schedule,
                    "How the noise levels lie: normal (timesteps evenly), karras, exponential, "
                    "sgm_uniform (as --spacing trailing), ddim_uniform (leading), beta or ays "
                    "(Align Your Steps, of Stable Diffusion 1.5); default: what the model's files "
                    "say. ddim, pndm, lcm and tcd have timesteps alone")
        ->type_name(pipeline::schedule_names("|"));
    command.add_option("--guidance", arguments.guidance,
                       "Guidance scale; 1 turns classifier-free guidance off");
    command.add_option("--negative", arguments.negative, "What the image should not be");
    command.add_option("--ddim-eta", arguments.ddim_eta,
                       "DDIM's own eta, 0 (deterministic) to 1; other samplers have none");
    command.add_option("--tcd-eta", arguments.tcd_eta,
                       "TCD's own eta, 0 (deterministic) to 1; default 0.3");
    command.add_flag("--json", arguments.json, "One JSON line on stdout per image");
}

SampleOverrides sample_overrides(const SampleArguments& arguments) {
    SampleOverrides overrides;
    if (arguments.sampler) {
        overrides.sampler = pipeline::sampler_by_any_name(*arguments.sampler);
        overrides.schedule = pipeline::schedule_in_name(*arguments.sampler);
        require(overrides.sampler.has_value(), "--sampler",
                "'" + checked_utf8(*arguments.sampler) + "' is none of " +
                    pipeline::sampler_names(", "));
    }
    if (arguments.schedule) {
        overrides.schedule = pipeline::schedule_by_any_name(*arguments.schedule);
        require(overrides.schedule.has_value(), "--schedule",
                "'" + checked_utf8(*arguments.schedule) + "' is none of " +
                    pipeline::schedule_names(", "));
    }
    if (overrides.sampler && overrides.schedule)
        require(pipeline::fits(*overrides.schedule, *overrides.sampler), "--schedule",
                std::string(pipeline::schedule_name(*overrides.schedule)) +
                    " is for samplers that have sigmas, which " +
                    std::string(pipeline::sampler_name(*overrides.sampler)) + " has not");
    if (arguments.spacing) {
        try {
            overrides.spacing = pipeline::parse_spacing(*arguments.spacing);
        } catch (const Error&) {
            throw UsageError("--spacing", "'" + checked_utf8(*arguments.spacing) +
                                              "' is none of leading, linspace, trailing");
        }
    }
    overrides.steps = arguments.steps;
    overrides.guidance_scale = arguments.guidance;
    if (arguments.negative) overrides.negative_prompt = checked_utf8(*arguments.negative);
    overrides.ddim_eta = arguments.ddim_eta;
    overrides.tcd_eta = arguments.tcd_eta;
    require(overrides.steps.value_or(1) >= 1, "--steps", "is less than 1");
    require(std::isfinite(overrides.guidance_scale.value_or(1)) &&
                overrides.guidance_scale.value_or(1) >= 0,
            "--guidance", "is no number from 0 up");
    const double ddim_eta = overrides.ddim_eta.value_or(0);
    require(ddim_eta >= 0 && ddim_eta <= 1, "--ddim-eta", "is not between 0 and 1");
    const double tcd_eta = overrides.tcd_eta.value_or(0);
    require(tcd_eta >= 0 && tcd_eta <= 1, "--tcd-eta", "is not between 0 and 1");
    return overrides;
}

void add_output_options(CLI::App& command, OutputArguments& arguments) {
    command.add_flag("--full,!--no-full", arguments.full,
                     "Write the photo itself at its own size (default), or the model's picture");
    command
        .add_option(
            "--mask", arguments.mask,
            "words, auto, none or a picture: where the edit may change the photo. words, the "
            "default: where they belong, if the model is sure of it. A picture has the photo's "
            "size or the crop's shape; white is inside, black and "
            "transparent outside")
        ->type_name("words|auto|none|FILE");
    command.add_option("--mask-threshold", arguments.mask_threshold,
                       "0..1: what is darker in the mask is outside; default 0.5");
    command.add_option(
        "--mask-feather", arguments.mask_feather,
        "0..1 of the area's shorter side: from the mask's edge inwards to full strength; "
        "default 0.03");
    command.add_flag("--strip-gps", arguments.strip_gps, "Leave out where the photo was taken");
    command
        .add_option("--format", arguments.format,
                    "jpg, png, tif or webp: of the images in a folder; default: the photo's")
        ->type_name("jpg|png|tif|webp");
    command.add_option("--quality", arguments.quality,
                       "1..100, of JPEG and WebP; default: like the photo's own");
}

OutputRequest output_request(const OutputArguments& arguments) {
    OutputRequest output;
    output.full = arguments.full;
    output.strip_gps = arguments.strip_gps;
    output.quality = arguments.quality;
    require(!arguments.mask.empty(), "--mask", "is empty; give words, auto, none or a picture");
    if (arguments.mask == "none") {
        output.mask = MaskSource::none;
    } else if (arguments.mask == "auto") {
        output.mask = MaskSource::automatic;
    } else if (arguments.mask != "words") {
        output.mask = MaskSource::file;
        output.mask_file = arguments.mask;
    }
    output.mask_threshold = arguments.mask_threshold.value_or(output.mask_threshold);
    output.mask_feather = arguments.mask_feather.value_or(output.mask_feather);
    const auto share = [](double value) { return value >= 0 && value <= 1; };
    require(share(output.mask_threshold), "--mask-threshold", "is not between 0 and 1");
    require(share(output.mask_feather), "--mask-feather", "is not between 0 and 1");
    require(output.quality.value_or(1) >= 1 && output.quality.value_or(1) <= 100, "--quality",
            "is not between 1 and 100");
    if (arguments.format) {
        output.extension = "." + checked_utf8(*arguments.format);
        require(has_photo_extension("image" + *output.extension), "--format",
                "'" + checked_utf8(*arguments.format) + "' is none of jpg, png, tif, webp");
    }
    const bool of_full = output.extension || output.quality || output.strip_gps;
    require(output.full || !of_full, "--no-full",
            "writes the model's picture, to which --format, --quality and --strip-gps do not "
            "apply");
    return output;
}

std::optional<EtaRange> parse_eta_option(const std::string& text) {
    if (text == "auto") return std::nullopt;
    try {
        return parse_eta(checked_utf8(text));
    } catch (const Error& error) {
        throw UsageError("--eta", error.what());
    }
}

Destination parse_destination(const std::string& out, const RenderRequest& request) {
    const std::filesystem::path path(out);
    std::error_code code;  // what is wrong with it is said where it is written
    if (out.empty() || !has_photo_extension(path) || std::filesystem::is_directory(path, code))
        return {path, false};
    require((!request.eta || request.eta->count == 1) && request.seeds.size() == 1, "--out",
            "'" + checked_utf8(out) +
                "' is one image: give one --eta and one --seed, or a folder for several images");
    return {path, true};
}

}  // namespace keepsake::editor
