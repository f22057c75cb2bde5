// Options of every command that computes: the model, and what it is computed with.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/commands/commands.h"
#include "editor/edit/edit.h"

namespace keepsake::editor {

// --model, --prediction, --device, --precision, --threads, --quiet
struct RunArguments {
    std::optional<std::string> model, prediction;
    std::string device = "auto";
    std::string precision = "float32";
    std::optional<int> threads;
    bool quiet = false;
    // add_model_options
    std::vector<std::string> lora, embedding;
    std::optional<std::string> vae;
    std::optional<int> clip_skip;
};
// --embedding (several): of commands that take a text.
void add_word_options(CLI::App& command, RunArguments& arguments);
// Likewise, and --lora (several), --vae, --clip-skip: of commands that load a whole model.
void add_model_options(CLI::App& command, RunArguments& arguments);
void add_run_options(CLI::App& command, RunArguments& arguments);
// Sets the number of threads, where none is given until one is measured (edit_recipe.h,
// set_threads), and returns what to compute with. Throws UsageError, and Error where this machine
// lacks what was asked for.
Compute start_run(const RunArguments& arguments);
// The path of --model, or none. Throws UsageError when it is empty.
std::optional<std::filesystem::path> model_path(const RunArguments& arguments);

// A monitor and a warner for the terminal.
Monitor terminal_monitor(const RunArguments& arguments, const Interrupt& interrupt);
void print_warning(const std::string& text);

}  // namespace keepsake::editor
