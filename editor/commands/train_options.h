// Options that the commands of `keepsake train` share.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/commands/run_places.h"

namespace keepsake::editor {

struct TrainArguments {
    RunArguments run;
    std::vector<std::string> pictures;
    std::optional<std::string> out, name, config, from;
    std::optional<int> size;
    std::optional<std::int64_t> steps, batch, warm_up;
    std::optional<double> learning_rate, weight_decay, ema;
    std::uint64_t seed = 0;
    std::int64_t every = 0;
    bool mirror = false, restart = false, json = false;
};

// PICTURES, --out, --name
void add_train_places(CLI::App& command, TrainArguments& arguments, const std::string& name);
// --tune, --batch, --learning-rate, --warm-up, --weight-decay, and --ema where there are averages.
struct TrainSteps {
    std::int64_t steps = 0, batch = 0;
    double rate = 0;
    std::int64_t warm_up = 0;
    double weight_decay = 0;
    double ema_decay = 0;  // 0: no averages; of the defaults, no such option
};
void add_train_steps(CLI::App& command, TrainArguments& arguments, const TrainSteps& defaults);
// What is not given stays. Throws UsageError naming the option.
void read_train_steps(const TrainArguments& arguments, TrainSteps& steps);

// Options: those of one of optimize's trainings.
template <class Options>
TrainSteps train_steps(const Options& options) {
    TrainSteps steps{options.stage.steps,           options.stage.batch_size, options.schedule.rate,
                     options.schedule.warmup_steps, options.weight_decay,     0};
    if constexpr (requires { options.ema; })
        if (options.ema) steps.ema_decay = options.ema->decay;
    return steps;
}
template <class Options>
void set_train_steps(const TrainArguments& arguments, Options& options) {
    TrainSteps steps = train_steps(options);
    read_train_steps(arguments, steps);
    options.stage.steps = steps.steps;
    options.stage.batch_size = steps.batch;
    options.schedule.rate = steps.rate;
    options.schedule.warmup_steps = steps.warm_up;
    options.weight_decay = steps.weight_decay;
    if constexpr (requires { options.ema; }) {
        if (steps.ema_decay == 0)
            options.ema.reset();
        else
            options.ema->decay = steps.ema_decay;
    }
}

// --seed, --every (but for a negative default), --restart, --json, --device, --precision,
// --threads, --quiet. The request's stage learns in its compute's arithmetic.
void add_train_run(CLI::App& command, TrainArguments& arguments, std::int64_t every);

}  // namespace keepsake::editor
