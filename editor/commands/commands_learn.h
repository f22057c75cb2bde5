// The commands of `keepsake learn`, one source file each.
#pragma once

#include "editor/commands/commands.h"

namespace keepsake::editor {

void add_learn_word(CLI::App& learn, Command& chosen, optimize::MessagePassing& processes);
void add_learn_subject(CLI::App& learn, Command& chosen, optimize::MessagePassing& processes);
void add_learn_captions(CLI::App& learn, Command& chosen, optimize::MessagePassing& processes);

}  // namespace keepsake::editor
