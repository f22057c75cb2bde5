// keepsake train
#include "editor/commands/commands_train.h"

namespace keepsake::editor {

void add_train(CLI::App& app, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& train = *app.add_subcommand("train", "Train a network from nothing");
    train.require_subcommand(1);
    train.option_defaults()->take_last();
    add_train_digits(train, chosen);
    add_train_vae(train, chosen, processes);
    add_train_unet(train, chosen, processes);
    add_train_clip(train, chosen, processes);
}

}  // namespace keepsake::editor
