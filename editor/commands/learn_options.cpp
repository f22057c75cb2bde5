#include "editor/commands/learn_options.h"

#include <cmath>
#include <iostream>
#include <map>

#include "editor/commands/json_line.h"
#include "editor/commands/run_places.h"
#include "editor/session/recipe.h"

namespace keepsake::editor {
namespace {

using optimize::LearningSchedule;
using optimize::PictureOptions;

const std::map<std::string, LearningSchedule> schedules = {
    {"constant", LearningSchedule::constant},
    {"constant_with_warmup", LearningSchedule::constant_with_warmup},
    {"linear", LearningSchedule::linear},
    {"cosine", LearningSchedule::cosine},
    {"cosine_with_restarts", LearningSchedule::cosine_with_restarts},
    {"polynomial", LearningSchedule::polynomial}};
const std::map<std::string, pipeline::LoraTargets> targets = {
    {"attention", pipeline::LoraTargets::attention},
    {"transformer", pipeline::LoraTargets::transformer},
    {"all", pipeline::LoraTargets::all}};
const std::map<std::string, pipeline::LoraStart> starts = {
    {"kaiming", pipeline::LoraStart::kaiming}, {"gaussian", pipeline::LoraStart::gaussian}};

template <class Value>
std::string choices_of(const std::map<std::string, Value>& values, const char* between) {
    std::string text;
    for (const auto& [name, value] : values) text += (text.empty() ? "" : between) + name;
    return text;
}

std::string name_of(LearningSchedule kind) {
    for (const auto& [name, value] : schedules)
        if (value == kind) return name;
    return {};
}

template <class Value>
void choose(const std::optional<std::string>& name, const std::map<std::string, Value>& values,
            const std::string& option, Value& into) {
    if (!name) return;
    const auto found = values.find(*name);
    require(found != values.end(), option,
            "'" + checked_utf8(*name) + "' is none of " + choices_of(values, ", "));
    into = found->second;
}

void add_training_options(CLI::App& command, LearnArguments& arguments,
                          const PictureOptions& defaults) {
    // They depend on how the model was trained (keepsake.json).
    const std::string model = ", where the model does not say";
    command.add_option("--tune", arguments.steps,
                       "Steps; default " + std::to_string(defaults.stage.steps) + model);
    command.add_option("--learning-rate", arguments.learning_rate,
                       "Default " + number_text(defaults.schedule.rate) + model +
                           (defaults.word ? "" : "; with --all-weights 5e-6 (diffusers' scripts)"));
    command.add_option("--batch", arguments.batch,
                       "Pictures of a step, of all processes together; default " +
                           std::to_string(defaults.stage.batch_size) + model);
    command.add_option("--accumulate", arguments.accumulation,
                       "Batches whose gradients make one step; default 1");
    command
        .add_option("--rate-schedule", arguments.schedule,
                    "How the rate goes over the steps, as diffusers' scripts have it; default: " +
                        name_of(defaults.schedule.kind))
        ->type_name(choices_of(schedules, "|"));
    command.add_option("--warm-up", arguments.warmup, "Steps in which the rate grows; default 0");
    command.add_option("--weight-decay", arguments.decay,
                       "Of AdamW; default " + number_text(defaults.weight_decay));
    command.add_option("--min-snr", arguments.min_snr,
                       "Gamma of the min-SNR weights, usually 5; default: every timestep counts "
                       "alike");
    command.add_option("--noise-offset", arguments.noise_offset,
                       "Noise of whole channels, usually 0.05 to 0.1; default 0");
    command.add_option("--input-perturbation", arguments.perturbation,
                       "Noise that is not to be predicted, usually 0.1; default 0");
    command.add_option(
        "--caption-dropout", arguments.dropout,
        "Share of pictures without caption; default " + number_text(defaults.caption_dropout));
    command.add_flag("--ema", arguments.ema,
                     "Keep averages of what learns, and write these in its place");
}

// alpha and dropout, whose bounds are open.
void set_lora_options(const LearnArguments& arguments, pipeline::LoraOptions& lora) {
    if (arguments.alpha) {
        require(*arguments.alpha > 0 && std::isfinite(*arguments.alpha), "--alpha",
                number_text(*arguments.alpha) + " is not a positive number");
        lora.alpha = arguments.alpha;
    }
    if (!arguments.lora_dropout) return;
    require(*arguments.lora_dropout >= 0 && *arguments.lora_dropout < 1, "--dropout",
            number_text(*arguments.lora_dropout) + " is not from 0 to below 1");
    lora.dropout = *arguments.lora_dropout;
}

}  // namespace

void add_network_options(CLI::App& command, LearnArguments& arguments,
                         const PictureOptions& defaults) {
    command.add_option("--rank", arguments.rank,
                       "Of the LoRA; default " + std::to_string(defaults.lora.rank));
    command.add_option("--alpha", arguments.alpha,
                       "Of the LoRA, which works alpha / rank times as strongly (sd-scripts' "
                       "network_alpha); default: the rank");
    command.add_option("--dropout", arguments.lora_dropout,
                       "Share of the numbers in the middle of the LoRA that a step leaves out "
                       "(sd-scripts' network_dropout); from 0, the default, to below 1");
    command
        .add_option("--targets", arguments.targets,
                    "Which layers get a LoRA: the attention (diffusers), the transformers "
                    "(sd-scripts; default), or all, convolutions too")
        ->type_name(choices_of(targets, "|"));
    command
        .add_option("--lora-start", arguments.lora_start,
                    "How a LoRA starts: kaiming (sd-scripts; default) or gaussian (diffusers)")
        ->type_name(choices_of(starts, "|"));
    command.add_flag("--text-encoder", arguments.text_encoder, "The text encoder learns, too");
    command.add_flag("--all-weights", arguments.all_weights,
                     "All weights learn instead of a LoRA; the result is a model's folder");
}

void add_learn_options(CLI::App& command, LearnArguments& arguments,
                       const PictureOptions& defaults) {
    command
        .add_option("--out", arguments.out,
                    "The run's folder, which is gone on with where it is there; default: "
                    "<name>.run")
        ->type_name("FOLDER");
    command.add_option("--name", arguments.name, "Of the finished file; default: from the words");
    command.add_option("--size", arguments.size, "Side in pixels; default: the model's own");
    command.add_flag("--buckets", arguments.buckets,
                     "Pictures keep their shape about, and their area is that of the square; "
                     "default: the centred square is cut out");
    command.add_flag("--mirror", arguments.mirror, "Every other time a picture is seen mirrored");
    add_training_options(command, arguments, defaults);
    command.add_option("--seed", arguments.seed, "Of all that is drawn; default 0");
    command
        .add_option("--sample-prompts", arguments.sample_prompts,
                    "What is drawn on the way: a file with a prompt a line, with --w --h --d --s "
                    "--l --n --ss as sd-scripts have them")
        ->type_name("FILE");
    command.add_option("--every", arguments.every,
                       "Steps between evaluations, with pictures and a file each; 0: none");
    command.add_flag("--restart", arguments.restart,
                     "Begin anew where the folder holds another run");
    command.add_flag("--check", arguments.check, "Say what would be learned, and learn nothing");
    command.add_flag("--json", arguments.json, "One JSON line on stdout");
    add_word_options(command, arguments.run);
    add_run_options(command, arguments.run);
}

LearnRequest learn_request(const LearnArguments& arguments, LearnKind kind,
                           const std::string& name) {
    LearnRequest request;
    request.kind = kind;
    request.model = model_path(arguments.run);
    PictureOptions& options = request.options;
    options = learn_options(kind, request.model);
    const RunPlaces places = run_places(arguments.pictures, arguments.name, name, arguments.out);
    request.pictures = places.pictures;
    request.name = places.name;
    request.out = places.out;
    if (arguments.size) request.size = checked_size(*arguments.size);
    request.buckets = arguments.buckets;
    request.mirror = arguments.mirror;
    options.all_weights = arguments.all_weights;
    options.text_encoder = arguments.text_encoder;
    if (arguments.all_weights) options.schedule.rate = 5e-6;
    constexpr std::int64_t many = 10'000'000;
    set_between<std::int64_t>(arguments.steps, 1, many, "--tune", options.stage.steps);
    set_between<std::int64_t>(arguments.batch, 1, 4096, "--batch", options.stage.batch_size);
    set_between<std::int64_t>(arguments.accumulation, 1, 4096, "--accumulate",
                              options.accumulation);
    set_between<std::int64_t>(arguments.rank, 1, 4096, "--rank", options.lora.rank);
    set_between<std::int64_t>(arguments.warmup, 0, many, "--warm-up",
                              options.schedule.warmup_steps);
    set_between(arguments.learning_rate, 1e-12, 10.0, "--learning-rate", options.schedule.rate);
    set_between(arguments.decay, 0.0, 10.0, "--weight-decay", options.weight_decay);
    set_between(arguments.min_snr, 0.0, 1e6, "--min-snr", options.min_snr_gamma);
    set_between(arguments.noise_offset, 0.0, 10.0, "--noise-offset", options.noising.offset);
    set_between(arguments.perturbation, 0.0, 10.0, "--input-perturbation",
                options.noising.perturbation);
    set_between(arguments.dropout, 0.0, 1.0, "--caption-dropout", options.caption_dropout);
    set_lora_options(arguments, options.lora);
    choose(arguments.schedule, schedules, "--rate-schedule", options.schedule.kind);
    choose(arguments.targets, targets, "--targets", options.lora.targets);
    choose(arguments.lora_start, starts, "--lora-start", options.lora.start);
    if (arguments.ema) options.ema.emplace();
    request.seed = arguments.seed;
    request.every = checked_every(arguments.every);
    request.restart = arguments.restart;
    request.check_only = arguments.check;
    if (arguments.sample_prompts) request.sample_prompts = *arguments.sample_prompts;
    request.compute = start_learning(arguments.run);
    return request;
}

void run_learn(const LearnRequest& request, const LearnArguments& arguments,
               const Interrupt& interrupt, const optimize::Ranks& ranks) {
    Monitor monitor = rank_monitor(arguments.run, interrupt, ranks);
    const LearnResult result = learn(request, {&monitor, rank_warning(ranks), ranks});
    if (!is_first(ranks)) return;
    for (const std::string& line : result.check) std::cout << line << "\n";
    if (request.check_only) return;
    if (arguments.json) {
        const auto or_null = [](const std::optional<double>& value) {
            return value ? nlohmann::json(*value) : nlohmann::json();
        };
        nlohmann::ordered_json line;
        line["file"] = result.file.string();
        if (!result.by_stem.empty()) line["by_stem"] = result.by_stem.string();
        line["steps"] = result.steps;
        line["seconds"] = result.seconds;
        line["threads"] = result.threads;
        line["loss"] = {{"before", or_null(result.loss_before)},
                        {"after", or_null(result.loss_after)}};
        if (result.best)
            line["best"] = {{"step", result.best->step},
                            {"loss", result.best->loss},
                            {"file", result.best_file.string()}};
        if (!result.words.empty()) {
            line["words"] = {{"gap", optimize::words_gap(result.words)},
                             {"timesteps", nlohmann::json::array()}};
            for (const optimize::WordsLoss& loss : result.words)
                line["words"]["timesteps"].push_back({{"timestep", loss.timestep},
                                                      {"right", loss.right},
                                                      {"wrong", loss.wrong},
                                                      {"without", loss.without}});
        }
        if (!result.sheet.empty()) line["sheet"] = result.sheet.string();
        std::cout << json_line(line);
        return;
    }
    std::cout << result.file.string() << "\n";
    if (!result.by_stem.empty()) std::cout << result.by_stem.string() << "\n";
    if (!result.sheet.empty()) std::cout << result.sheet.string() << "\n";
    if (result.best && result.best->step != result.steps)
        std::cerr << "keepsake: by its evaluations, the best is that of step " << result.best->step
                  << ": " << result.best_file.string() << std::endl;
}

}  // namespace keepsake::editor
