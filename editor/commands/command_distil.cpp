// keepsake distil
#include <cmath>
#include <iostream>
#include <memory>

#include "editor/commands/json_line.h"
#include "editor/commands/run_places.h"
#include "editor/edit/distil.h"
#include "editor/session/recipe.h"

namespace keepsake::editor {
namespace {

using optimize::StageOptions;

struct DistilArguments {
    RunArguments run;
    std::vector<std::string> pictures;
    std::optional<std::string> prompts, out, name, guidance, sample_prompts, precision;
    std::optional<int> drawn, size;
    std::optional<std::int64_t> steps, teacher_steps, tune, batch, rank;
    std::optional<double> learning_rate;
    std::uint64_t seed = DistilRequest{}.seed;
    std::int64_t every = DistilRequest{}.every;
    bool mirror = false, all_weights = false, restart = false, check = false, json = false;
};

StageOptions defaults_of(DistilKind kind) {
    switch (kind) {
        case DistilKind::steps:
            return optimize::progressive_options();
        case DistilKind::guidance:
            return optimize::guidance_options();
        case DistilKind::consistency:
            break;
    }
    return optimize::consistency_options();
}

void add_what(CLI::App& command, DistilArguments& arguments) {
    command
        .add_option("PICTURES", arguments.pictures,
                    "Pictures with captions, as learn captions reads them; none with --prompts")
        ->type_name("PATH");
    command
        .add_option("--prompts", arguments.prompts,
                    "A file with a prompt a line, of which the teacher draws what is learned from")
        ->type_name("FILE");
    command.add_option("--drawn", arguments.drawn,
                       "With --prompts: how many pictures; default: 1024, or one of each prompt "
                       "where there are more");
    add_run_options(command, arguments.run);
    command.remove_option(command.get_option("--model"));
    command
        .add_option("--from,--model", arguments.run.model,
                    "The teacher, a diffusers folder (for a LoRA a .safetensors checkpoint, too); "
                    "default: $KEEPSAKE_MODEL, else the bundled model")
        ->type_name("PATH");
    command
        .add_option("--out", arguments.out,
                    "The run's folder, which is gone on with where it is there; default: "
                    "<name>.run")
        ->type_name("FOLDER");
    command.add_option("--name", arguments.name, "Of the finished folder or file");
}

void add_how(CLI::App& command, DistilArguments& arguments, DistilKind kind) {
    const StageOptions defaults = defaults_of(kind);
    const bool steps = kind == DistilKind::steps, consistency = kind == DistilKind::consistency;
    if (steps) {
        command.add_option("--steps", arguments.steps, "The student's; default 4");
        command.add_option("--teacher-steps", arguments.teacher_steps,
                           "The first teacher's: the student's, doubled as often as you like, "
                           "each time a student between them; default: up to 32");
    }
    command
        .add_option(
            "--guidance", arguments.guidance,
            std::string("G or LOW:HIGH, the guidance scales that are taught; a range is "
                        "told the student as an input; default: the teacher's range, else ") +
                (kind == DistilKind::guidance ? "1 to twice the model's own"
                 : steps                      ? "the model's own"
                                              : "the model's own, with --all-weights 1 to "
                                                "twice that"))
        ->type_name("G");
    command.add_option("--tune", arguments.tune,
                       std::string("Updates") + (steps ? " of each student" : "") + "; default " +
                           std::to_string(defaults.steps));
    command.add_option("--learning-rate", arguments.learning_rate,
                       std::string("Default ") + number_text(defaults.learning_rate) +
                           (consistency ? " (diffusers' script); with --all-weights 1e-6"
                                        : ", down to 0 in a line (Salimans & Ho)"));
    command.add_option("--batch", arguments.batch,
                       "Samples of an update, of all processes together; default " +
                           std::to_string(defaults.batch_size));
    if (consistency) {
        command.add_option("--rank", arguments.rank,
                           "Of the LoRA; default " + std::to_string(defaults.rank));
        command.add_flag("--all-weights", arguments.all_weights,
                         "All weights learn instead of a LoRA, with guidance as an input; the "
                         "result is a model's folder");
    }
    command.add_option("--size", arguments.size, "Side in pixels; default: the model's own");
    command.add_flag("--mirror", arguments.mirror, "Pictures are learned mirrored, too");
    command
        .add_option(
            "--save-precision", arguments.precision,
            "Of the weights in a finished folder: float32, float16 or bfloat16; default: the "
            "teacher's")
        ->type_name("float32|float16|bfloat16");
    command.add_option("--seed", arguments.seed, "Of all that is drawn; default 0");
    command
        .add_option("--sample-prompts", arguments.sample_prompts,
                    "What is drawn on the way, a prompt a line, with --w --h --d --l --n as "
                    "sd-scripts have them")
        ->type_name("FILE");
    command.add_option("--every", arguments.every,
                       "Updates between evaluations, with pictures each; 0: none; default 500");
    command.add_flag("--restart", arguments.restart,
                     "Begin anew where the folder holds another run");
    command.add_flag("--check", arguments.check, "Say what would be learned, and learn nothing");
    command.add_flag("--json", arguments.json, "One JSON line on stdout");
}

optimize::GuidanceRange parse_guidance(const std::string& text) {
    const auto scale = [&](const std::string& part) {
        std::size_t end = 0;
        double value = NAN;
        try {
            value = std::stod(part, &end);
        } catch (const std::exception&) {
        }
        require(end == part.size() && value >= 1 && value <= 100, "--guidance",
                "'" + checked_utf8(text) + "' is neither G nor LOW:HIGH, from 1 to 100");
        return value;
    };
    const std::size_t colon = text.find(':');
    if (colon == text.npos) return {scale(text), scale(text)};
    const optimize::GuidanceRange range{scale(text.substr(0, colon)),
                                        scale(text.substr(colon + 1))};
    require(range.low <= range.high, "--guidance",
            "'" + checked_utf8(text) + "' goes down; LOW:HIGH goes up");
    return range;
}

std::string usual_name(DistilKind kind, std::int64_t steps, bool all_weights) {
    switch (kind) {
        case DistilKind::steps:
            return "student-" + std::to_string(steps) + (steps == 1 ? "-step" : "-steps");
        case DistilKind::guidance:
            return "student-guidance";
        case DistilKind::consistency:
            break;
    }
    return all_weights ? "lcm" : "lcm-lora";
}

void set_stage(const DistilArguments& arguments, DistilRequest& request) {
    StageOptions& stage = request.stage;
    stage = defaults_of(request.kind);
    if (request.kind == DistilKind::consistency && arguments.all_weights)
        stage.learning_rate = 1e-6;
    set_between<std::int64_t>(arguments.tune, 1, 10'000'000, "--tune", stage.steps);
    set_between<std::int64_t>(arguments.batch, 1, 4096, "--batch", stage.batch_size);
    set_between<std::int64_t>(arguments.rank, 1, 4096, "--rank", stage.rank);
    set_between(arguments.learning_rate, 1e-12, 10.0, "--learning-rate", stage.learning_rate);
    require(!arguments.all_weights || !arguments.rank, "--rank",
            "is of a LoRA; not with "
            "--all-weights");
}

DistilRequest distil_request(const DistilArguments& arguments, DistilKind kind) {
    DistilRequest request;
    request.kind = kind;
    set_between<std::int64_t>(arguments.steps, 1, 500, "--steps", request.steps);
    const RunPlaces places =
        run_places(arguments.pictures, arguments.name,
                   usual_name(kind, request.steps, arguments.all_weights), arguments.out);
    request.pictures = places.pictures;
    request.name = places.name;
    request.out = places.out;
    if (arguments.prompts) request.prompts = *arguments.prompts;
    require(!request.pictures.empty() || request.prompts, "pictures",
            "are missing: give pictures with captions, or --prompts");
    require(request.prompts || !arguments.drawn, "--drawn", "is only for --prompts");
    if (arguments.drawn) {
        int drawn = 0;
        set_between(arguments.drawn, 1, 1'000'000, "--drawn", drawn);
        request.drawn = drawn;
    }
    request.all_weights = arguments.all_weights;
    set_stage(arguments, request);
    request.teacher_steps = arguments.teacher_steps;
    if (arguments.guidance) request.guidance = parse_guidance(*arguments.guidance);
    if (arguments.precision) {
        const std::string& precision = *arguments.precision;
        require(precision == "float32" || precision == "float16" || precision == "bfloat16",
                "--save-precision",
                "'" + checked_utf8(precision) + "' is none of float32, float16, bfloat16");
        request.precision = precision == "float16"    ? at::kHalf
                            : precision == "bfloat16" ? at::kBFloat16
                                                      : at::kFloat;
    }
    if (arguments.size) request.size = checked_size(*arguments.size);
    request.mirror = arguments.mirror;
    request.seed = arguments.seed;
    request.every = checked_every(arguments.every);
    request.restart = arguments.restart;
    request.check_only = arguments.check;
    if (arguments.sample_prompts) request.sample_prompts = *arguments.sample_prompts;
    request.model = model_path(arguments.run);
    request.compute = start_learning(arguments.run);
    return request;
}

void run_distil(const DistilRequest& request, const DistilArguments& arguments,
                const Interrupt& interrupt, const optimize::Ranks& ranks) {
    Monitor monitor = rank_monitor(arguments.run, interrupt, ranks);
    const DistilResult result = distil(request, {&monitor, rank_warning(ranks), ranks});
    if (!is_first(ranks)) return;
    for (const std::string& line : result.check) std::cout << line << "\n";
    if (request.check_only) return;
    if (!arguments.json) {
        std::cout << result.file.string() << "\n";
        if (!result.sheet.empty()) std::cout << result.sheet.string() << "\n";
        return;
    }
    nlohmann::ordered_json line;
    line["file"] = result.file.string();
    line["updates"] = result.updates;
    line["seconds"] = result.seconds;
    line["threads"] = result.threads;
    for (const DistilledStage& stage : result.stages)
        line["stages"].push_back(
            {{"name", stage.name}, {"loss", {{"before", stage.before}, {"after", stage.after}}}});
    if (!result.sheet.empty()) line["sheet"] = result.sheet.string();
    std::cout << json_line(line);
}

// A command of `keepsake distil`.
struct Kind {
    DistilKind kind;
    const char *name, *description;
};

void add_kind(CLI::App& distil, Command& chosen, optimize::MessagePassing& processes,
              const Kind& what) {
    CLI::App& command = *distil.add_subcommand(what.name, what.description);
    const DistilKind kind = what.kind;
    const auto arguments = std::make_shared<DistilArguments>();
    add_what(command, *arguments);
    add_how(command, *arguments, kind);
    command.callback([&chosen, &processes, arguments, kind] {
        chosen = [arguments, &processes, kind](const Interrupt& interrupt) {
            const optimize::Ranks ranks = join_ranks(processes, interrupt);
            run_distil(distil_request(*arguments, kind), *arguments, interrupt, ranks);
        };
    });
}

}  // namespace

void add_distil(CLI::App& app, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& distil =
        *app.add_subcommand("distil", "Make a student of a model that draws in fewer calls");
    distil.require_subcommand(1);
    distil.option_defaults()->take_last();
    const Kind kinds[] = {
        {DistilKind::steps, "steps",
         "A student of few steps, halved again and again (progressive distillation)"},
        {DistilKind::guidance, "guidance",
         "A student that takes guidance as an input: one call a step in place of two"},
        {DistilKind::consistency, "consistency",
         "A LoRA for a few steps of LCM's sampler (latent consistency), or all weights"}};
    for (const Kind& kind : kinds) add_kind(distil, chosen, processes, kind);
}

}  // namespace keepsake::editor
