#include "editor/commands/print_results.h"

#include <cmath>
#include <iostream>
#include <optional>

#include "editor/commands/json_line.h"

namespace keepsake::editor {
namespace {

nlohmann::json or_null(const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
}

// On the error stream: the names of the files alone are the result.
void tell_chosen(const EditResult& result) {
    if (!result.chosen) return;
    for (const RenderedImage& image : result.images) {
        if (!image.eta || std::abs(*image.eta - *result.chosen) > 1e-9) continue;
        std::cerr << "keepsake: ";
        if (result.words_taken) {
            std::cerr << "the words arrive at strength " << *result.chosen << ": "
                      << image.file.string() << std::endl;
        } else {
            std::cerr << "by the model's own judgement the words do not arrive up to strength 1; "
                         "nearest: "
                      << image.file.string()
                      << ". Look at the others, try --eta 1.2:2:5, or other words: the model may "
                         "not know these"
                      << std::endl;
        }
        return;
    }
}

}  // namespace

void print_results(const EditResult& result, bool json, const std::string& photo) {
    for (const RenderedImage& image : result.images) {
        if (!json) {
            std::cout << image.file.string() << "\n";
            continue;
        }
        nlohmann::ordered_json line;
        if (!photo.empty()) line["photo"] = photo;
        line["file"] = image.file.string();
        line["eta"] = or_null(image.eta);
        line["seed"] = image.seed;
        const StageSeconds& seconds = result.seconds;
        line["seconds"] = {{"load", seconds.load},
                           {"embedding", seconds.embedding},
                           {"finetune", seconds.finetune},
                           {"render", seconds.render}};
        const LossSummary& losses = result.losses;
        line["loss"]["embedding"] = {{"before", or_null(losses.embedding_before)},
                                     {"after", or_null(losses.embedding_after)}};
        line["loss"]["finetune"] = {{"before", or_null(losses.finetune_before)},
                                    {"after", or_null(losses.finetune_after)}};
        line["threads"] = result.threads;
        if (result.chosen) {
            line["chosen"] = *result.chosen;
            line["words_taken"] = result.words_taken;
        }
        if (image.directional_similarity) {
            line["directional_similarity"] = *image.directional_similarity;
            line["clip"] = {{"model", result.direction.clip}, {"source", result.direction.source}};
        }
        if (!result.sheet.empty()) line["sheet"] = result.sheet.string();
        std::cout << json_line(line);
    }
    if (!json && !result.sheet.empty()) std::cout << result.sheet.string() << "\n";
    if (!json) tell_chosen(result);
}

}  // namespace keepsake::editor
