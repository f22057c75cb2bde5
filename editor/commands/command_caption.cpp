// keepsake caption
#include "editor/commands/command_caption.h"

#include <iostream>
#include <memory>

#include "editor/commands/command_options.h"
#include "editor/commands/json_line.h"
#include "editor/edit/caption.h"
#include "editor/session/recipe.h"
#include "pipeline/files/printable_text.h"

namespace keepsake::editor {
namespace {

struct CaptionArguments {
    std::vector<std::string> places;
    std::optional<std::string> captioner, prompt, prefix, postfix;
    std::optional<std::int64_t> beams, least, most;
    bool overwrite = false, clean = false, check = false, json = false;
    RunArguments run;
};

void add_text_options(CLI::App& command, CaptionArguments& arguments) {
    command.add_option("--prefix", arguments.prefix,
                       "Put before each caption as it stands: \"a photo of sks dog, \"");
    command.add_option("--postfix", arguments.postfix, "Likewise after it");
    command.add_flag("--clean", arguments.clean,
                     "Take out what captioners put in by habit (\"arafed\", \"there is\", \"a "
                     "picture of\") and the blanks around hyphens and apostrophes");
}

// Of a captioner's folder.
void add_search_options(CLI::App& command, CaptionArguments& arguments) {
    const pipeline::CaptionSearch usual;
    const auto with_default = [](const char* text, std::int64_t value) {
        return std::string(text) + "; default: " + std::to_string(value);
    };
    command.add_option("--beams", arguments.beams,
                       with_default("With a folder: captions that are followed at once; 1: the "
                                    "likeliest word each time; 3: as in BLIP's demonstration",
                                    usual.beams));
    command.add_option(
        "--least-tokens", arguments.least,
        with_default("Likewise: pieces of words before a caption may end", usual.least));
    command.add_option("--most-tokens", arguments.most,
                       with_default("Likewise: pieces of words at which it ends", usual.most));
    command.add_option("--caption-prompt", arguments.prompt,
                       "Likewise: how each caption begins, for it to go on from: \"a photo of\"");
}

void add_options(CLI::App& command, CaptionArguments& arguments) {
    command.add_option("PHOTOS", arguments.places, "Photos, and folders of photos")
        ->type_name("PATH")
        ->take_all()
        ->required();
    command
        .add_option("--captioner", arguments.captioner,
                    "\"model\", the default: the model itself, in the words that it was taught; "
                    "or a folder of transformers' BlipForConditionalGeneration: config.json, "
                    "model.safetensors, vocab.txt")
        ->type_name("FOLDER");
    command
        .add_option("--model", arguments.run.model,
                    "The model that captions by itself; default: the bundled one, or "
                    "$KEEPSAKE_MODEL")
        ->type_name("PATH");
    add_search_options(command, arguments);
    add_text_options(command, arguments);
    command.add_flag("--overwrite", arguments.overwrite,
                     "Write over captions that are there; else their photos are passed over");
    command.add_flag("--check", arguments.check, "Print the captions, write nothing");
    command.add_flag("--json", arguments.json, "One JSON line a photo, and one of the sums");
    command.add_option("--threads", arguments.run.threads,
                       "Processor threads; default: one a core that is usable");
    command.add_flag("--quiet", arguments.run.quiet, "No progress");
}

void set_search(const CaptionArguments& arguments, CaptionRequest& request) {
    const auto folder_only = [&](const char* option, bool given) {
        require(!given || request.captioner, option, "is for a captioner's folder (--captioner)");
    };
    folder_only("--beams", arguments.beams.has_value());
    folder_only("--least-tokens", arguments.least.has_value());
    folder_only("--most-tokens", arguments.most.has_value());
    folder_only("--caption-prompt", arguments.prompt.has_value());
    pipeline::CaptionSearch& search = request.search;
    search.beams = arguments.beams.value_or(search.beams);
    search.least = arguments.least.value_or(search.least);
    search.most = arguments.most.value_or(search.most);
    require(search.beams >= 1 && search.beams <= pipeline::most_beams, "--beams",
            "should be 1 to " + std::to_string(pipeline::most_beams));
    require(search.most >= 1, "--most-tokens", "should be 1 or more");
    require(search.least >= 0 && search.least <= search.most, "--least-tokens",
            "should be 0 to --most-tokens");
}

CaptionRequest caption_request(const CaptionArguments& arguments) {
    CaptionRequest request;
    for (const std::string& place : arguments.places) {
        require(!place.empty(), "PHOTOS", "a path is empty");
        request.places.emplace_back(place);
    }
    require(!arguments.captioner || !arguments.captioner->empty(), "--captioner", "is empty");
    if (arguments.captioner && *arguments.captioner != "model") {
        request.captioner = *arguments.captioner;
        require(!arguments.run.model, "--model", "is for --captioner model");
    } else {
        request.model = model_path(arguments.run);
    }
    set_search(arguments, request);
    if (arguments.prompt) request.prompt = checked_text("--caption-prompt", *arguments.prompt);
    request.prefix = checked_utf8(arguments.prefix.value_or(""));
    request.postfix = checked_utf8(arguments.postfix.value_or(""));
    for (const auto& [option, text] :
         {std::pair{"--prefix", &request.prefix}, std::pair{"--postfix", &request.postfix}})
        require(text->find_first_of("\r\n") == text->npos, option,
                "has a line break in it; captions are one line");
    request.overwrite = arguments.overwrite;
    request.clean = arguments.clean;
    request.write = !arguments.check;
    return request;
}

void tell(const PhotoCaption& one, const CaptionArguments& arguments) {
    if (!arguments.json) {
        std::cout << printable(one.photo.string() + ": " + one.caption + "\n", 1 << 20);
    } else {
        nlohmann::ordered_json line;
        line["photo"] = one.photo.string();
        line["caption"] = one.caption;
        if (!arguments.check) line["file"] = one.file.string();
        std::cout << json_line(line);
    }
    std::cout.flush();
}

void tell_sums(const CaptionResult& result, bool json) {
    if (json) {
        const nlohmann::ordered_json line = {{"photos", result.photos},
                                             {"captioned", result.captioned},
                                             {"kept", result.kept},
                                             {"failed", result.failed}};
        std::cout << json_line(line);
    } else if (result.kept > 0) {
        print_warning(std::to_string(result.kept) + " of " + std::to_string(result.photos) +
                      " photos have captions already, which stay (--overwrite replaces them)");
    }
}

void caption(const CaptionArguments& arguments, const Interrupt& interrupt) {
    const CaptionRequest request = caption_request(arguments);
    start_run(arguments.run);
    Monitor monitor = terminal_monitor(arguments.run, interrupt);
    const auto said = [&](const PhotoCaption& one) { tell(one, arguments); };
    const CaptionResult result = caption_photos(request, {&monitor, print_warning, said});
    tell_sums(result, arguments.json);
    std::cout.flush();
    if (result.failed == 0) return;
    throw Error("captions", std::to_string(result.failed) + " of " + std::to_string(result.photos) +
                                " photos have none for the reasons above; the others are done");
}

}  // namespace

void add_caption(CLI::App& app, Command& chosen) {
    CLI::App& command =
        *app.add_subcommand("caption", "Say in words what photos show, in text files beside them");
    const auto arguments = std::make_shared<CaptionArguments>();
    add_options(command, *arguments);
    command.callback([&chosen, arguments] {
        chosen = [arguments](const Interrupt& interrupt) { caption(*arguments, interrupt); };
    });
}

}  // namespace keepsake::editor
