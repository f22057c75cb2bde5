// Options that the commands of `keepsake train` share.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/commands/command_options.h"

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
struct TrainPlaces {
    std::vector<std::filesystem::path> pictures;
    std::filesystem::path out;  // default: <name>.run
    std::string name;
};
// Throws UsageError naming the option, as the next one does.
TrainPlaces train_places(const TrainArguments& arguments, const std::string& name);

// --tune, --batch, --learning-rate, --warm-up, --weight-decay, --ema; what is not given stays.
struct TrainSteps {
    std::int64_t steps = 0, batch = 0;
    double rate = 0;
    std::int64_t warm_up = 0;
    double weight_decay = 0;
    double ema_decay = 0;  // 0: no averages; of the defaults, no such option
};
void add_train_steps(CLI::App& command, TrainArguments& arguments, const TrainSteps& defaults);
void read_train_steps(const TrainArguments& arguments, TrainSteps& steps);

// --seed, --every (but for a negative default), --restart, --json, --device, --threads, --quiet
void add_train_run(CLI::App& command, TrainArguments& arguments, std::int64_t every);

std::string number_text(double value);  // "0.0004", "1e-06"

}  // namespace keepsake::editor
