// keepsake train clip
#include <iostream>
#include <memory>

#include "editor/commands/commands_train.h"
#include "editor/commands/json_line.h"
#include "editor/commands/train_options.h"
#include "editor/edit/train_clip.h"

namespace keepsake::editor {
namespace {

struct ClipArguments {
    TrainArguments train;
    double held_out = TrainClipRequest{}.held_out;
};

void add_options(CLI::App& command, ClipArguments& arguments) {
    add_train_places(command, arguments.train, "clip");
    command
        .add_option(
            "--config", arguments.train.config,
            "The build: a config.json of transformers' CLIPModel, or a folder with one and, "
            "if it is another one than the default model's, its tokenizer; default: a "
            "small one with the default model's text encoder")
        ->type_name("PATH");
    command
        .add_option("--from", arguments.train.from,
                    "Go on from this CLIP, a folder of transformers'; default: from nothing")
        ->type_name("FOLDER");
    add_train_steps(command, arguments.train, train_steps(optimize::clip_options()));
    command.add_option("--held-out", arguments.held_out,
                       "Percent of the pictures that are not learned from, to measure by; "
                       "default " +
                           number_text(arguments.held_out));
    add_train_run(command, arguments.train, -1);
}

TrainClipRequest request_of(const ClipArguments& arguments) {
    const TrainArguments& given = arguments.train;
    TrainClipRequest request;
    const RunPlaces places = run_places(given.pictures, given.name, "clip", given.out);
    request.pictures = places.pictures;
    request.out = places.out;
    request.name = places.name;
    if (given.config) request.config = *given.config;
    if (given.from) request.from = *given.from;
    set_train_steps(given, request.options);
    require(request.options.stage.batch_size >= 2, "--batch",
            "a pair needs others to be told from");
    require(arguments.held_out >= 0 && arguments.held_out <= 50, "--held-out",
            "is not between 0 and 50");
    request.held_out = arguments.held_out;
    request.seed = given.seed;
    request.restart = given.restart;
    request.compute = start_run(given.run);
    request.options.stage.arithmetic = request.compute.arithmetic;
    return request;
}

void report(const TrainClipResult& result, bool json) {
    if (!json) {
        std::cout << result.folder.string() << "\n";
        return;
    }
    nlohmann::ordered_json line;
    line["file"] = result.folder.string();
    line["steps"] = result.steps;
    line["seconds"] = result.seconds;
    line["pictures"] = {{"learned_from", result.learned_from}, {"held_out", result.held_out}};
    line["loss"] = result.loss;
    line["scale"] = result.scale;
    line["found"] = result.found ? nlohmann::ordered_json(*result.found) : nullptr;
    std::cout << json_line(line);
}

}  // namespace

void add_train_clip(CLI::App& train, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& command = *train.add_subcommand(
        "clip", "A CLIP: texts and pictures that belong together, from pictures with captions");
    const auto arguments = std::make_shared<ClipArguments>();
    add_options(command, *arguments);
    command.callback([&chosen, &processes, arguments] {
        chosen = [arguments, &processes](const Interrupt& interrupt) {
            const optimize::Ranks ranks = join_ranks(processes, interrupt);
            const TrainClipRequest request = request_of(*arguments);
            Monitor monitor = rank_monitor(arguments->train.run, interrupt, ranks);
            const TrainClipResult result =
                train_clip_run(request, monitor, rank_warning(ranks), ranks);
            if (is_first(ranks)) report(result, arguments->train.json);
        };
    });
}

}  // namespace keepsake::editor
