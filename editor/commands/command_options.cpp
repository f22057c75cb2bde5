#include "editor/commands/command_options.h"

#include "editor/edit/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "editor/commands/progress.h"
#include "editor/photo/image_file.h"
#include "editor/session/files_root.h"
#include "editor/session/recipe.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/files/printable_text.h"
#include "pipeline/model/threads.h"
#include "pipeline/sampling/sampler_names.h"

namespace keepsake::editor {
namespace {

// "1,2,3" as numbers; none when one of them is malformed.
template <class Number>
std::optional<std::vector<Number>> parse_list(std::string_view text) {
    std::vector<Number> numbers;
    while (true) {
        const std::string_view item = text.substr(0, text.find(','));
        Number number{};
        const auto [end, code] = std::from_chars(item.data(), item.data() + item.size(), number);
        if (code != std::errc() || end != item.data() + item.size()) return std::nullopt;
        numbers.push_back(number);
        if (item.size() == text.size()) return numbers;
        text.remove_prefix(item.size() + 1);
    }
}

nlohmann::json or_null(const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
}

std::optional<pipeline::PredictionType> prediction(const RunArguments& arguments) {
    if (!arguments.prediction) return std::nullopt;
    try {
        return pipeline::parse_prediction(*arguments.prediction);
    } catch (const Error&) {
        throw UsageError("--prediction", "'" + checked_utf8(*arguments.prediction) +
                                             "' is none of epsilon, v_prediction, sample");
    }
}

// "FILE", "FILE:NAME" or several, "FILE,FILE"; a file may have such signs in its own name.
std::vector<WordSource> parse_words(const std::string& text) {
    if (const auto whole = find_file(FileKind::embedding, text)) return {{*whole, {}}};
    std::vector<WordSource> words;
    std::string_view rest(text);
    while (true) {
        const std::string item(rest.substr(0, rest.find(',')));
        require(!item.empty(), "--embedding", "'" + checked_utf8(text) + "' has no file in it");
        const auto file = find_file(FileKind::embedding, item);
        const std::size_t colon = item.rfind(':');
        if (file || colon == item.npos) {
            words.push_back({file.value_or(item), {}});
        } else {
            const std::string path = item.substr(0, colon);
            const std::string name = checked_text("--embedding", item.substr(colon + 1));
            words.push_back({find_file(FileKind::embedding, path).value_or(path), name});
        }
        if (item.size() == rest.size()) return words;
        rest.remove_prefix(item.size() + 1);
    }
}

// What add_model_options declares.
void set_model_options(const RunArguments& arguments, Compute& compute) {
    for (const std::string& text : arguments.lora) {
        try {
            pipeline::AdapterFile adapter = pipeline::parse_adapter(text);
            adapter.path = find_file(FileKind::lora, adapter.path.string()).value_or(adapter.path);
            compute.adapters.push_back(std::move(adapter));
        } catch (const Error& error) {
            throw UsageError("--lora", error.what());
        }
    }
    for (const std::string& text : arguments.embedding)
        for (WordSource& word : parse_words(text)) compute.words.push_back(std::move(word));
    require(!arguments.vae || !arguments.vae->empty(), "--vae", "is empty");
    if (arguments.vae)
        compute.vae = find_file(FileKind::vae, *arguments.vae).value_or(*arguments.vae);
    require(arguments.clip_skip.value_or(1) >= 1 && arguments.clip_skip.value_or(1) <= 24,
            "--clip-skip", "is not between 1 and 24");
    compute.clip_skip = arguments.clip_skip.value_or(0);
}

}  // namespace

void require(bool allowed, const std::string& option, const std::string& why) {
    if (!allowed) throw UsageError(option, why);
}

void add_word_options(CLI::App& command, RunArguments& arguments) {
    command
        .add_option("--embedding", arguments.embedding,
                    "FILE[:NAME][,FILE...], as often as needed: words of textual inversion, for "
                    "the texts; NAME: what to call it instead of the file's own")
        ->type_name("FILE")
        ->take_all()
        ->allow_extra_args(false);
}

void add_model_options(CLI::App& command, RunArguments& arguments) {
    add_word_options(command, arguments);
    command
        .add_option("--lora", arguments.lora,
                    "FILE[:WEIGHT], as often as needed: a LoRA or a relative of it (LoCon, LoHa, "
                    "LoKr, DoRA) of kohya's scripts, diffusers or peft; WEIGHT: how much of it, "
                    "default 1")
        ->type_name("FILE")
        ->take_all()
        ->allow_extra_args(false);
    command
        .add_option("--vae", arguments.vae,
                    "A VAE in place of the model's own: a folder or a .safetensors file; default: "
                    "<checkpoint's stem>.vae.safetensors beside it, else its own")
        ->type_name("PATH");
    command.add_option("--clip-skip", arguments.clip_skip,
                       "Which layer of the text encoder, counted from the last: 1 the last, 2 the "
                       "one before it; default: as the model says");
}

void add_run_options(CLI::App& command, RunArguments& arguments) {
    command
        .add_option("--model", arguments.model,
                    "A diffusers folder or a single .safetensors checkpoint; default: "
                    "$KEEPSAKE_MODEL, else the bundled model")
        ->type_name("PATH");
    command
        .add_option("--prediction", arguments.prediction,
                    "What the model predicts; default: what its files say")
        ->type_name("epsilon|v_prediction|sample");
    command.add_option("--device", arguments.device, "cpu, cuda or auto (the default)")
        ->type_name("cpu|cuda|auto");
    command
        .add_option("--precision", arguments.precision,
                    "float32 (the default), bfloat16, or auto: bfloat16 where the processor is "
                    "fast at it. Pictures differ a little between the two")
        ->type_name("float32|bfloat16|auto");
    command.add_option("--threads", arguments.threads,
                       "Processor threads; default: measured, at most one a CPU that is usable");
    command.add_flag("--quiet", arguments.quiet, "No progress on stderr");
}

Compute start_run(const RunArguments& arguments) {
    if (arguments.threads) {
        require(*arguments.threads >= 1 && *arguments.threads <= 1024, "--threads",
                std::to_string(*arguments.threads) + " is not between 1 and 1024");
    }
    // Until a model is loaded with which to measure.
    at::set_num_threads(arguments.threads.value_or(pipeline::default_threads()));
    const std::string& device = arguments.device;
    require(device == "cpu" || device == "cuda" || device == "auto", "--device",
            "'" + device + "' is none of cpu, cuda, auto");
    const std::string& precision = arguments.precision;
    require(precision == "float32" || precision == "bfloat16" || precision == "auto", "--precision",
            "'" + checked_utf8(precision) + "' is none of float32, bfloat16, auto");
    const at::Device found = find_device(device, "--device cuda");
    Compute compute{found, find_arithmetic(precision, found, "--precision bfloat16"),
                    arguments.threads, prediction(arguments)};
    set_model_options(arguments, compute);
    return compute;
}

std::optional<std::filesystem::path> model_path(const RunArguments& arguments) {
    if (!arguments.model) return std::nullopt;
    require(!arguments.model->empty(), "--model", "is empty");
    return find_file(FileKind::checkpoint, *arguments.model).value_or(*arguments.model);
}

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

std::vector<std::uint64_t> parse_seeds(const std::string& text) {
    const auto seeds = parse_list<std::uint64_t>(text);
    require(seeds.has_value(), "--seed",
            "'" + checked_utf8(text) + "' is not N[,N...] of whole numbers from 0 to 2^64 - 1");
    return *seeds;
}

std::vector<double> parse_guidances(const std::string& option, const std::string& text) {
    const auto guidances = parse_list<double>(text);
    require(guidances && std::ranges::all_of(*guidances,
                                             [](double g) { return std::isfinite(g) && g >= 0; }),
            option, "'" + checked_utf8(text) + "' is not G[,G...] of numbers from 0 up");
    return *guidances;
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
    const bool only_full = output.mask == OutputRequest{}.mask && !output.extension &&
                           !output.quality && !output.strip_gps;
    require(output.full || only_full, "--no-full",
            "writes the model's picture, to which --mask, --format, --quality and --strip-gps do "
            "not apply");
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

Crop parse_crop(const std::string& text) {
    const auto numbers = parse_list<int>(text);
    require(numbers && numbers->size() == 4, "--crop",
            "'" + checked_utf8(text) + "' is not x,y,w,h in pixels of the photo");
    return {(*numbers)[0], (*numbers)[1], (*numbers)[2], (*numbers)[3]};
}

int checked_size(int size) {
    require(size >= 64 && size <= 2048 && size % 8 == 0, "--size",
            std::to_string(size) + " is no multiple of 8 from 64 to 2048");
    return size;
}

std::string checked_text(const std::string& noun, const std::string& text) {
    require(text.find_first_not_of(" \t\r\n\v\f") != std::string::npos, noun, "is empty");
    return checked_utf8(text);
}

Monitor terminal_monitor(const RunArguments& arguments, const Interrupt& interrupt) {
    return Monitor(progress_report(progress_style(arguments.quiet)), interrupt.token());
}

void print_warning(const std::string& text) {
    std::fprintf(stderr, "keepsake: warning: %s\n", printable(text, 4000).c_str());
}

namespace {

// On the error stream: the names of the files alone are the result.
void tell_chosen(const EditResult& result) {
    if (!result.chosen) return;
    for (const RenderedImage& image : result.images) {
        if (!image.eta || std::abs(*image.eta - *result.chosen) > 1e-9) continue;
        std::cerr << "keepsake: ";
        if (result.words_taken) {
            std::cerr << "the words arrive at strength " << *result.chosen << ": "
                      << image.file.string() << std::endl;
        } else {
            std::cerr << "by the model's own judgement the words do not arrive up to strength 1; "
                         "nearest: "
                      << image.file.string()
                      << ". Look at the others, try --eta 1.2:2:5, or other words: the model may "
                         "not know these"
                      << std::endl;
        }
        return;
    }
}

}  // namespace

void print_results(const EditResult& result, bool json, const std::string& photo) {
    for (const RenderedImage& image : result.images) {
        if (!json) {
            std::cout << image.file.string() << "\n";
            continue;
        }
        nlohmann::ordered_json line;
        if (!photo.empty()) line["photo"] = photo;
        line["file"] = image.file.string();
        line["eta"] = or_null(image.eta);
        line["seed"] = image.seed;
        const StageSeconds& seconds = result.seconds;
        line["seconds"] = {{"load", seconds.load},
                           {"embedding", seconds.embedding},
                           {"finetune", seconds.finetune},
                           {"render", seconds.render}};
        const LossSummary& losses = result.losses;
        line["loss"]["embedding"] = {{"before", or_null(losses.embedding_before)},
                                     {"after", or_null(losses.embedding_after)}};
        line["loss"]["finetune"] = {{"before", or_null(losses.finetune_before)},
                                    {"after", or_null(losses.finetune_after)}};
        line["threads"] = result.threads;
        if (result.chosen) {
            line["chosen"] = *result.chosen;
            line["words_taken"] = result.words_taken;
        }
        if (image.directional_similarity) {
            line["directional_similarity"] = *image.directional_similarity;
            line["clip"] = {{"model", result.direction.clip}, {"source", result.direction.source}};
        }
        if (!result.sheet.empty()) line["sheet"] = result.sheet.string();
        std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    }
    if (!json && !result.sheet.empty()) std::cout << result.sheet.string() << "\n";
    if (!json) tell_chosen(result);
}

}  // namespace keepsake::editor
