// keepsake info, keepsake tokenize
#include <iostream>
#include <memory>

#include "editor/commands/command_options.h"
#include "editor/photo/image_file.h"
#include "editor/photo/photo.h"
#include "editor/photo/picture_settings.h"
#include "editor/session/bundled_model.h"
#include "editor/session/recipe.h"
#include "editor/session/run_folder.h"
#include "editor/session/session.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/printable_text.h"
#include "pipeline/model/describe_model.h"
#include "pipeline/text/added_words.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

bool is_weights_file(const fs::path& path) {
    for (const char* extension : {".safetensors", ".ckpt", ".pt", ".pth", ".bin"}) {
        if (path.extension() == extension) return true;
    }
    return false;
}

std::string describe_image(const fs::path& path) {
    const Photo photo = load_photo(path);
    std::string text = path.string() + ": " + std::to_string(photo.pixels.width) + "x" +
                       std::to_string(photo.pixels.height) + " pixels, ";
    const std::optional<std::string> chunk = read_image_recipe(path);
    if (!chunk) {
        const std::optional<GenerationSettings> settings = read_picture_settings(path);
        if (!settings) return text + "carries no recipe\n";
        return text + "made by " + settings->written_by + " with\n" + settings_text(*settings);
    }
    // A stranger may have written it: ours has four levels and a few thousand bytes.
    const nlohmann::json recipe =
        parse_json(*chunk, path.string() + ": its recipe", {.size = 1 << 20, .depth = 16});
    if (!recipe.is_object() || recipe.empty())
        throw Error(path.string(), "its recipe is malformed");
    return text + "made by keepsake " + recipe.begin().key() + " with\n" +
           recipe.begin().value().dump(2) + "\n";
}

std::string describe(const fs::path& path, const Compute& compute) {
    const fs::file_type type = type_at(path);
    if (type == fs::file_type::not_found)
        throw Error(path.string(), "there is no such file or folder");
    const bool folder = type == fs::file_type::directory;
    if (folder && is_session(path)) return describe_session(path);
    if (folder && is_run(path)) return describe_run(path);
    if (!folder && !is_weights_file(path)) return describe_image(path);
    pipeline::LoadOptions options;  // as load_session_model's
    options.prediction_type = compute.prediction;
    options.default_tokenizer = bundled_tokenizer();
    return pipeline::describe_model(path, options);
}

// A model folder's tokenizer, else one beside the checkpoint, else the bundled one.
fs::path tokenizer_folder(const fs::path& model) {
    const fs::file_type type = type_at(model);
    if (type == fs::file_type::not_found)
        throw Error(model.string(), "there is no such file or folder");
    if (type == fs::file_type::directory) return model / "tokenizer";
    const fs::path beside = model.parent_path() / "tokenizer";
    return type_at(beside) == fs::file_type::directory ? beside : bundled_tokenizer();
}

pipeline::Tokenizer with_words(pipeline::Tokenizer tokenizer,
                               const std::vector<WordSource>& sources) {
    for (const WordSource& source : sources)
        for (const auto& word : pipeline::read_word_file(source.path, {{}, source.name}).words)
            tokenizer = tokenizer.with_words(
                {{word.name, static_cast<std::size_t>(word.vectors.size(0))}}, tokenizer.next_id());
    return tokenizer;
}

}  // namespace

void add_info(CLI::App& app, Command& chosen) {
    CLI::App& command = *app.add_subcommand(
        "info", "What a model, checkpoint, session, run, LoRA file or rendered image holds");
    const auto path = std::make_shared<std::string>();
    const auto run = std::make_shared<RunArguments>();
    command.add_option("PATH", *path, "A folder or file")->type_name("PATH")->required();
    add_run_options(command, *run);
    command.callback([&chosen, path, run] {
        chosen = [path, run](const Interrupt&) {
            const Compute compute = start_run(*run);
            std::cout << printable(describe(*path, compute));
        };
    });
}

void add_tokenize(CLI::App& app, Command& chosen) {
    CLI::App& command = *app.add_subcommand("tokenize", "The token ids of a text, one line");
    const auto text = std::make_shared<std::string>();
    const auto run = std::make_shared<RunArguments>();
    command.add_option("TEXT", *text, "The text; it may be empty")->required();
    add_word_options(command, *run);
    add_run_options(command, *run);
    command.callback([&chosen, text, run] {
        chosen = [text, run](const Interrupt&) {
            const Compute compute = start_run(*run);
            const pipeline::Tokenizer tokenizer = with_words(
                pipeline::Tokenizer(tokenizer_folder(model_path(*run).value_or(default_model()))),
                compute.words);
            const pipeline::Tokenized tokens = tokenizer(*text);
            if (tokens.cut_tokens > 0) {
                print_warning("text: is " + std::to_string(tokens.cut_tokens) +
                              " tokens too long for the model, which will not see: \"" +
                              tokens.cut_text + "\"");
            }
            // Start, text, end; the padding behind them says nothing.
            for (std::size_t i = 0; i < tokens.text_tokens + 2; ++i) {
                std::cout << (i ? " " : "") << tokens.ids[i];
            }
            std::cout << "\n";
        };
    });
}

}  // namespace keepsake::editor
