// keepsake caption
#pragma once

#include "editor/commands/commands.h"

namespace keepsake::editor {

void add_caption(CLI::App& app, Command& chosen);

}  // namespace keepsake::editor
