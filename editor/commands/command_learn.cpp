// keepsake learn
#include "editor/commands/commands_learn.h"

namespace keepsake::editor {

void add_learn(CLI::App& app, Command& chosen) {
    CLI::App& learn = *app.add_subcommand("learn", "Teach the model something from pictures");
    learn.require_subcommand(1);
    learn.option_defaults()->take_last();
    add_learn_word(learn, chosen);
    add_learn_subject(learn, chosen);
    add_learn_captions(learn, chosen);
}

}  // namespace keepsake::editor
