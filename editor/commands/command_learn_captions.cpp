// keepsake learn captions
#include <memory>

#include "editor/commands/commands_learn.h"
#include "editor/commands/learn_options.h"
#include "editor/commands/run_places.h"
#include "editor/session/recipe.h"

namespace keepsake::editor {
namespace {

// Of the first folder, or of the list in it.
std::string name_of(const LearnArguments& arguments) {
    std::filesystem::path path =
        std::filesystem::path(arguments.pictures.front()).lexically_normal();
    if (path.filename().empty()) path = path.parent_path();
    return file_name_of(checked_utf8(path.stem().string()));
}

}  // namespace

void add_learn_captions(CLI::App& learn, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& command =
        *learn.add_subcommand("captions", "The look of pictures that have captions");
    const auto arguments = std::make_shared<LearnArguments>();
    command
        .add_option("PICTURES", arguments->pictures,
                    "A folder of pictures with captions: .txt beside each, metadata.jsonl or .csv, "
                    "or sub-folders <repeats>_<words>")
        ->type_name("PATH")
        ->required();
    add_network_options(command, *arguments, optimize::caption_options());
    add_learn_options(command, *arguments, optimize::caption_options());
    command.callback([&chosen, &processes, arguments] {
        chosen = [arguments, &processes](const Interrupt& interrupt) {
            const optimize::Ranks ranks = join_ranks(processes, interrupt);
            run_learn(learn_request(*arguments, LearnKind::captions, name_of(*arguments)),
                      *arguments, interrupt, ranks);
        };
    });
}

}  // namespace keepsake::editor
