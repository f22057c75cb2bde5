// The commands, one source file each.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <stdexcept>
#include <string>

#include "editor/commands/interrupt.h"
#include "optimize/training/message_passing.h"

namespace keepsake::editor {

// Wrong usage: what() is "<option>: <why>". Exit status 2.
struct UsageError : std::runtime_error {
    UsageError(const std::string& what, const std::string& why)
        : std::runtime_error(what + ": " + why) {}
};

// What the chosen command does; set while the command line is parsed, called afterwards.
using Command = std::function<void(const Interrupt&)>;

void add_edit(CLI::App& app, Command& chosen);
void add_render(CLI::App& app, Command& chosen);
void add_batch(CLI::App& app, Command& chosen);
void add_generate(CLI::App& app, Command& chosen);
void add_info(CLI::App& app, Command& chosen);
void add_tokenize(CLI::App& app, Command& chosen);
void add_compare(CLI::App& app, Command& chosen);
void add_score(CLI::App& app, Command& chosen);
// Those that several processes may do together. Their own commands: commands_learn.h,
// commands_train.h.
void add_learn(CLI::App& app, Command& chosen, optimize::MessagePassing& processes);
void add_distil(CLI::App& app, Command& chosen, optimize::MessagePassing& processes);
void add_train(CLI::App& app, Command& chosen, optimize::MessagePassing& processes);

}  // namespace keepsake::editor
