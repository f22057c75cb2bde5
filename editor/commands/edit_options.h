// The options of an edit, which `edit`, `render` and `batch` share.
#pragma once

#include "editor/commands/command_options.h"

namespace keepsake::editor {

struct RenderArguments {
    RunArguments run;
    SampleArguments sample;
    OutputArguments output;
    std::optional<std::string> eta;
    std::optional<double> noise_share;
    std::optional<std::string> way;
    std::string out;
};

struct EditArguments {
    RenderArguments render;
    std::string photo, text, session;
    std::optional<std::string> mode, from, as_word;
    std::optional<std::string> crop;
    std::optional<int> size;
    std::optional<std::uint64_t> tuning_seed;
    StageOverrides embedding, finetune;
    bool restart = false;
    double checkpoint_seconds = EditRequest{}.checkpoint_seconds;
    std::optional<std::string> checkpointing;
};

// TEXT; --mode, --size and what else the tuning takes; --eta, --way and what else a picture takes.
// --out, --session and --from are each command's own.
void add_text_option(CLI::App& command, EditArguments& arguments);
void add_tuning_options(CLI::App& command, EditArguments& arguments);
void add_render_options(CLI::App& command, RenderArguments& arguments);

// Throw UsageError naming the option. Neither settles where a session or a picture lies.
RenderRequest render_request(const RenderArguments& arguments);
EditRequest edit_request(const EditArguments& arguments);

}  // namespace keepsake::editor
