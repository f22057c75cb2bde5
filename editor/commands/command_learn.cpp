// keepsake learn
#include "editor/commands/commands_learn.h"

namespace keepsake::editor {

void add_learn(CLI::App& app, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& learn = *app.add_subcommand("learn", "Teach the model something from pictures");
    learn.require_subcommand(1);
    learn.option_defaults()->take_last();
    add_learn_word(learn, chosen, processes);
    add_learn_subject(learn, chosen, processes);
    add_learn_captions(learn, chosen, processes);
}

}  // namespace keepsake::editor
