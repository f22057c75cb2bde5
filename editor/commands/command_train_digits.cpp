// keepsake train digits
#include <ATen/Parallel.h>

#include <iostream>
#include <memory>

#include "editor/commands/command_options.h"
#include "editor/commands/commands_train.h"
#include "editor/commands/json_line.h"
#include "editor/edit/digits_lesson.h"
#include "pipeline/compute/usable_cores.h"

namespace keepsake::editor {
namespace {

struct DigitsArguments {
    RunArguments run;
    std::string out = DigitsRequest{}.out.string();
    std::uint64_t seed = DigitsRequest{}.seed;
    std::int64_t steps = DigitsRequest{}.steps;
    bool json = false;
};

void add_options(CLI::App& command, DigitsArguments& arguments) {
    command
        .add_option("--out", arguments.out, "The page; default: " + DigitsRequest{}.out.string())
        ->type_name("FILE");
    command.add_option("--tune", arguments.steps,
                       "Steps of each of the two lessons of predicting noise; default " +
                           std::to_string(DigitsRequest{}.steps));
    command.add_option("--seed", arguments.seed, "Of all that is drawn; default 0");
    command.add_flag("--json", arguments.json, "One JSON line on stdout: the page's figures");
    command.add_option("--threads", arguments.run.threads,
                       "Processor threads; default: one a core that is usable");
    command.add_flag("--quiet", arguments.run.quiet, "No progress on stderr");
}

std::string report_line(const DigitsArguments& arguments, const DigitsLesson& lesson) {
    nlohmann::ordered_json line;
    line["file"] = arguments.out;
    line["seed"] = lesson.seed;
    line["seconds"] = lesson.seconds;
    line["threads"] = lesson.threads;
    line["digits"] = {{"learned_from", lesson.digits.size()}, {"held_out", lesson.held_out.size()}};
    line["gradient"] = {{"disagreement", lesson.gradient.disagreement},
                        {"differences_seconds", lesson.gradient.differences_seconds},
                        {"autograd_seconds", lesson.gradient.autograd_seconds}};
    line["reader"] = {{"held_out_right", lesson.reader_accuracy}};
    line["amount"] = {{"error", lesson.amount_error}, {"ends_apart", lesson.descents_apart}};
    line["noise"] = {{"confidence", lesson.noise_confidence}};
    line["guidance"] = nlohmann::ordered_json::array();
    for (const DrawnFigures& drawn : lesson.guided)
        line["guidance"].push_back({{"scale", drawn.guidance},
                                    {"recognised", drawn.recognised},
                                    {"variety", drawn.diversity}});
    line["recognised"] = guided_figures(lesson).recognised;
    return json_line(line);
}

void train_digits(const DigitsArguments& arguments, const Interrupt& interrupt) {
    require(!arguments.out.empty(), "--out", "is empty");
    require(arguments.steps >= 1 && arguments.steps <= 1'000'000, "--tune",
            std::to_string(arguments.steps) + " is not between 1 and 1000000");
    const int threads = arguments.run.threads.value_or(pipeline::usable_cores().physical);
    require(threads >= 1 && threads <= 1024, "--threads",
            std::to_string(threads) + " is not between 1 and 1024");
    at::set_num_threads(threads);
    Monitor monitor = terminal_monitor(arguments.run, interrupt);
    const DigitsLesson lesson =
        run_digits_lesson({arguments.out, arguments.seed, arguments.steps}, monitor);
    std::cout << (arguments.json ? report_line(arguments, lesson) : arguments.out + "\n");
}

}  // namespace

void add_train_digits(CLI::App& train, Command& chosen) {
    CLI::App& command = *train.add_subcommand(
        "digits",
        "The lesson: how noise becomes a digit, on handwritten ones, in two minutes; writes a page "
        "that explains it");
    const auto arguments = std::make_shared<DigitsArguments>();
    add_options(command, *arguments);
    command.callback([&chosen, arguments] {
        chosen = [arguments](const Interrupt& interrupt) { train_digits(*arguments, interrupt); };
    });
}

}  // namespace keepsake::editor
