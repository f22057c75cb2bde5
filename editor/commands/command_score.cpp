// keepsake score
#include <ATen/Parallel.h>

#include <cstdio>
#include <iostream>
#include <memory>

#include "editor/commands/command_options.h"
#include "editor/commands/json_line.h"
#include "editor/edit/score.h"
#include "editor/session/recipe.h"
#include "pipeline/files/printable_text.h"

namespace keepsake::editor {
namespace {

struct ScoreArguments {
    std::string photo;
    std::vector<std::string> texts, templates;
    std::optional<std::string> edit, source, clip;
    std::optional<int> threads;
    bool json = false;
};

void add_options(CLI::App& command, ScoreArguments& arguments) {
    command.add_option("PHOTO", arguments.photo, "What is looked at")
        ->type_name("FILE")
        ->required();
    command
        .add_option("TEXT", arguments.texts,
                    "What it is compared with; of several, which fits best")
        ->required();
    command
        .add_option("--edit", arguments.edit,
                    "An edit of the photo by the (first) text: its scores, too")
        ->type_name("FILE");
    command.add_option("--source", arguments.source,
                       "With --edit: what the photo showed before, in words. Gives the directional "
                       "similarity: whether the picture changed as the words did");
    command
        .add_option("--template", arguments.templates,
                    "A text in which {} stands for each TEXT, as often as needed: \"a photo of a "
                    "{}\"; several are averaged")
        ->take_all()
        ->allow_extra_args(false);
    command
        .add_option(
            "--clip", arguments.clip,
            "The CLIP model: a folder of transformers' CLIPModel or of open_clip; default: that "
            "of the default model, if it brings one")
        ->type_name("FOLDER");
    command.add_flag("--json", arguments.json, "One JSON line on stdout");
    command.add_option("--threads", arguments.threads,
                       "Processor threads; default: one a core that is usable");
}

nlohmann::ordered_json scores_json(const std::vector<TextScore>& scores) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const TextScore& score : scores)
        list.push_back({{"text", score.text},
                        {"cosine", score.cosine},
                        {"clip_score", score.clip_score},
                        {"logit", score.logit},
                        {"probability", score.probability}});
    return list;
}

std::string report_line(const ScoreArguments& arguments, const PhotoScore& result) {
    nlohmann::ordered_json line;
    line["model"] = result.model;
    line["file"] = arguments.photo;
    line["scores"] = scores_json(result.photo);
    if (arguments.edit) {
        line["edit"] = {{"file", *arguments.edit}, {"scores", scores_json(result.edit)}};
        if (result.directional) line["directional_similarity"] = *result.directional;
    }
    return json_line(line);
}

std::string table(const std::string& file, const std::vector<TextScore>& scores) {
    std::string text = file + ":\n";
    for (const TextScore& score : scores) {
        char numbers[96];
        std::snprintf(numbers, sizeof numbers, "  cosine %.4f  CLIPScore %.4f  ", score.cosine,
                      score.clip_score);
        text += numbers;
        if (scores.size() > 1) {
            std::snprintf(numbers, sizeof numbers, "%5.1f %%  ", 100 * score.probability);
            text += numbers;
        }
        text += score.text + "\n";
    }
    return text;
}

std::string report(const ScoreArguments& arguments, const PhotoScore& result) {
    std::string text = "model: " + result.model + "\n" + table(arguments.photo, result.photo);
    if (arguments.edit) text += table(*arguments.edit, result.edit);
    if (result.directional) {
        char line[64];
        std::snprintf(line, sizeof line, "directional similarity: %.4f\n", *result.directional);
        text += line;
    }
    return text;
}

void score(const ScoreArguments& arguments) {
    ScoreRequest request;
    request.photo = arguments.photo;
    for (const std::string& text : arguments.texts)
        request.texts.push_back(checked_text("text", text));
    for (const std::string& pattern : arguments.templates) {
        require(pattern.find("{}") != pattern.npos, "--template",
                "'" + checked_utf8(pattern) + "' has no {} in it");
        request.templates.push_back(checked_utf8(pattern));
    }
    require(!arguments.source || arguments.edit, "--source", "is only for --edit");
    if (arguments.edit) request.edit = *arguments.edit;
    if (arguments.source) request.source_text = checked_text("--source", *arguments.source);
    require(!arguments.clip || !arguments.clip->empty(), "--clip", "is empty");
    if (arguments.clip) request.clip = *arguments.clip;
    RunArguments run;
    run.threads = arguments.threads;
    start_run(run);
    const PhotoScore result = score_photo(request);
    std::cout << (arguments.json ? report_line(arguments, result)
                                 : printable(report(arguments, result), 1 << 20));
}

}  // namespace

void add_score(CLI::App& app, Command& chosen) {
    CLI::App& command =
        *app.add_subcommand("score", "How well a photo and a text go together, by a CLIP model");
    const auto arguments = std::make_shared<ScoreArguments>();
    add_options(command, *arguments);
    command.callback(
        [&chosen, arguments] { chosen = [arguments](const Interrupt&) { score(*arguments); }; });
}

}  // namespace keepsake::editor
