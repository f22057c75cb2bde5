// The commands of `keepsake train`, one source file each.
#pragma once

#include "editor/commands/commands.h"

namespace keepsake::editor {

void add_train_digits(CLI::App& train, Command& chosen);
void add_train_vae(CLI::App& train, Command& chosen, optimize::MessagePassing& processes);
void add_train_unet(CLI::App& train, Command& chosen, optimize::MessagePassing& processes);
void add_train_clip(CLI::App& train, Command& chosen, optimize::MessagePassing& processes);

}  // namespace keepsake::editor
