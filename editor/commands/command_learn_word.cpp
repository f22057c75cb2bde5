// keepsake learn word
#include <map>
#include <memory>

#include "editor/commands/commands_learn.h"
#include "editor/commands/learn_options.h"
#include "editor/commands/run_places.h"
#include "editor/session/line_file.h"

namespace keepsake::editor {
namespace {

struct WordArguments {
    LearnArguments learn;
    std::string token;
    std::optional<std::string> init, templates, norm;
    std::optional<std::int64_t> vectors;
    bool style = false;
};

const std::map<std::string, optimize::WordNorm> norms = {{"start", optimize::WordNorm::start},
                                                         {"table", optimize::WordNorm::table},
                                                         {"free", optimize::WordNorm::free}};

void add_options(CLI::App& command, WordArguments& arguments) {
    command
        .add_option("PHOTOS", arguments.learn.pictures,
                    "Photos of the thing, or folders of them; captions beside them that have the "
                    "word count")
        ->type_name("PATH")
        ->required();
    command
        .add_option("--token,--word", arguments.token,
                    "The new word: \"<my-rose>\". The model's vocabulary must not have it")
        ->required();
    command.add_option("--init", arguments.init,
                       "Words that say about what it is, which it starts from: \"red rose\"; "
                       "default: what the model's keepsake.json says, else \"*\"");
    command.add_option("--vectors", arguments.vectors,
                       "How many vectors the word has, each of which takes a token of a text; "
                       "default: as many as --init has tokens");
    command.add_flag("--style", arguments.style,
                     "A style is learned, not a thing: other texts for pictures without caption");
    command
        .add_option("--templates", arguments.templates,
                    "The texts for pictures without caption, a line each, with {} (or [name]) for "
                    "the word; default: the model's, else those of the paper's code")
        ->type_name("FILE");
    command
        .add_option("--norm", arguments.norm,
                    "How long the vectors are kept: as at the start (default), as the median of "
                    "the vocabulary's (OneTrainer), or free (diffusers)")
        ->type_name("start|table|free");
    add_learn_options(command, arguments.learn, optimize::word_options());
}

std::vector<std::string> read_templates(const std::filesystem::path& path) {
    const LineFileLimits limits{"text with {} for the word", "texts", 1000, 1 << 20};
    std::vector<std::string> templates;
    for (FileLine& line : read_line_file(path, limits)) templates.push_back(std::move(line.text));
    return templates;
}

LearnRequest word_request(const WordArguments& arguments) {
    const std::string token = checked_text("--token", arguments.token);
    LearnRequest request = learn_request(arguments.learn, LearnKind::word, file_name_of(token));
    request.word.name = token;
    if (arguments.init) request.word.init = checked_text("--init", *arguments.init);
    require(arguments.vectors.value_or(1) >= 1 && arguments.vectors.value_or(1) <= 75, "--vectors",
            std::to_string(arguments.vectors.value_or(1)) + " is not between 1 and 75");
    request.word.vectors = arguments.vectors;
    request.word.style = arguments.style;
    if (arguments.templates) request.word.templates = read_templates(*arguments.templates);
    const std::string norm = arguments.norm.value_or("start");
    const auto found = norms.find(norm);
    require(found != norms.end(), "--norm",
            "'" + checked_utf8(norm) + "' is none of start, table, free");
    request.options.word->norm = found->second;
    return request;
}

}  // namespace

void add_learn_word(CLI::App& learn, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& command = *learn.add_subcommand(
        "word", "A new word from a few photos of what it means (textual inversion)");
    const auto arguments = std::make_shared<WordArguments>();
    add_options(command, *arguments);
    command.callback([&chosen, &processes, arguments] {
        chosen = [arguments, &processes](const Interrupt& interrupt) {
            const optimize::Ranks ranks = join_ranks(processes, interrupt);
            run_learn(word_request(*arguments), arguments->learn, interrupt, ranks);
        };
    });
}

}  // namespace keepsake::editor
