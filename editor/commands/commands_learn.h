// The commands of `keepsake learn`, one source file each.
#pragma once

#include "editor/commands/commands.h"

namespace keepsake::editor {

void add_learn_word(CLI::App& learn, Command& chosen);
void add_learn_subject(CLI::App& learn, Command& chosen);
void add_learn_captions(CLI::App& learn, Command& chosen);

}  // namespace keepsake::editor
