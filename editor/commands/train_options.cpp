#include "editor/commands/train_options.h"

namespace keepsake::editor {

void add_train_places(CLI::App& command, TrainArguments& arguments, const std::string& name) {
    command
        .add_option("PICTURES", arguments.pictures,
                    "Folders of pictures, pictures, or lists of them (metadata.jsonl, .csv)")
        ->type_name("PATH")
        ->required();
    command
        .add_option("--out", arguments.out,
                    "The run's folder, which is gone on with where it is there; default: "
                    "<name>.run")
        ->type_name("FOLDER");
    command.add_option("--name", arguments.name, "Of the finished folder in it; default: " + name);
}

void add_train_steps(CLI::App& command, TrainArguments& arguments, const TrainSteps& defaults) {
    command.add_option("--tune", arguments.steps,
                       "Steps; default " + std::to_string(defaults.steps));
    command.add_option(
        "--batch", arguments.batch,
        "Pictures of a step, of all processes together; default " + std::to_string(defaults.batch));
    command.add_option("--learning-rate", arguments.learning_rate,
                       "The largest; default " + number_text(defaults.rate));
    command.add_option("--warm-up", arguments.warm_up,
                       "Steps in which the rate grows; it then falls in half a cosine; default " +
                           std::to_string(defaults.warm_up));
    command.add_option("--weight-decay", arguments.weight_decay,
                       "Of AdamW; default " + number_text(defaults.weight_decay));
    if (defaults.ema_decay == 0) return;
    command.add_option("--ema", arguments.ema,
                       "The largest decay of the weights' averages, which are what is written; 0: "
                       "none; default " +
                           number_text(defaults.ema_decay));
}

void read_train_steps(const TrainArguments& arguments, TrainSteps& steps) {
    constexpr std::int64_t many = 100'000'000;
    set_between<std::int64_t>(arguments.steps, 1, many, "--tune", steps.steps);
    set_between<std::int64_t>(arguments.batch, 1, 65536, "--batch", steps.batch);
    set_between(arguments.learning_rate, 1e-12, 10.0, "--learning-rate", steps.rate);
    set_between<std::int64_t>(arguments.warm_up, 0, many, "--warm-up", steps.warm_up);
    set_between(arguments.weight_decay, 0.0, 10.0, "--weight-decay", steps.weight_decay);
    set_between(arguments.ema, 0.0, 0.999999, "--ema", steps.ema_decay);
}

void add_train_run(CLI::App& command, TrainArguments& arguments, std::int64_t every) {
    arguments.every = every;
    command.add_option("--seed", arguments.seed, "Of all that is drawn; default 0");
    if (every >= 0)
        command.add_option("--every", arguments.every,
                           "Steps between measurements, with pictures each; 0: at the end alone; "
                           "default " +
                               std::to_string(every));
    command.add_flag("--restart", arguments.restart,
                     "Begin anew where the folder holds another run");
    command.add_flag("--json", arguments.json, "One JSON line on stdout");
    command.add_option("--device", arguments.run.device, "cpu, cuda or auto (the default)")
        ->type_name("cpu|cuda|auto");
    command
        .add_option("--precision", arguments.run.precision,
                    "Of the products, forward and backward: float32 (the default), bfloat16, or "
                    "auto: bfloat16 where the processor is fast at it. Weights, their gradients "
                    "and the optimiser are float32 in each")
        ->type_name("float32|bfloat16|auto");
    command.add_option("--threads", arguments.run.threads,
                       "Processor threads; default: one a core that is usable");
    command.add_flag("--quiet", arguments.run.quiet, "No progress on stderr");
}

}  // namespace keepsake::editor
