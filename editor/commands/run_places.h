// What the commands that fill a run's folder share: learn, train, distil.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editor/commands/command_options.h"
#include "pipeline/files/number_text.h"

namespace keepsake::editor {

struct RunPlaces {
    std::vector<std::filesystem::path> pictures;
    std::filesystem::path out;  // default: <name>.run
    std::string name;           // of the finished file or folder
};
// name: --name, else `usual`. Throws UsageError naming the option.
RunPlaces run_places(const std::vector<std::string>& pictures,
                     const std::optional<std::string>& name, const std::string& usual,
                     const std::optional<std::string>& out);

// start_run() of what learns, which is computed in float32: refuses --precision bfloat16.
Compute start_learning(const RunArguments& arguments);

// The ranks of a training, where mpirun or srun started this program several times. To be called
// before there is any work.
optimize::Ranks join_ranks(optimize::MessagePassing& processes, const Interrupt& interrupt);
// Rank 0's are those of the terminal. The others are silent, and stop when the training does.
Monitor rank_monitor(const RunArguments& arguments, const Interrupt& interrupt,
                     const optimize::Ranks& ranks);
std::function<void(const std::string& text)> rank_warning(const optimize::Ranks& ranks);

// Throws UsageError naming --every.
std::int64_t checked_every(std::int64_t every);

// Into `into` what is given. Throws UsageError naming the option and its bounds.
template <class Number>
void set_between(const std::optional<Number>& given, Number least, Number most,
                 const std::string& option, Number& into) {
    if (!given) return;
    require(*given >= least && *given <= most, option,
            number_text(static_cast<double>(*given)) + " is not between " +
                number_text(static_cast<double>(least)) + " and " +
                number_text(static_cast<double>(most)));
    into = *given;
}

}  // namespace keepsake::editor
