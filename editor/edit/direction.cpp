#include "editor/edit/direction.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "editor/edit/score.h"
#include "editor/session/bundled_model.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/text_parts.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// Where in `text` a word stands by itself; npos: nowhere.
std::size_t place_of(const std::string& text, const std::string& word) {
    const auto is_letter = [&](std::size_t i) {
        return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0;
    };
    std::size_t at = text.find(word);
    while (at != text.npos && (is_letter(at - 1) || is_letter(at + word.size())))
        at = text.find(word, at + 1);
    return at;
}

struct Exchanged {
    std::size_t place = std::string::npos;
    std::string word;
};

// The first word of the list in `text`.
Exchanged first_of(const std::string& text, const std::vector<std::string>& list) {
    Exchanged first;
    for (const std::string& word : list) {
        const std::size_t place = place_of(text, word);
        if (place < first.place) first = {place, word};
    }
    return first;
}

// `text` with `word` in place of what is there, and its article: "an orange
// rose", "a red rose".
std::string with(const std::string& text, const Exchanged& here, const std::string& word) {
    std::string before = text.substr(0, here.place);
    for (const char* article : {" a ", " an "})
        if ((" " + before).ends_with(article)) {
            before.resize(before.size() - std::string(article).size() + 1);
            (before += article_of(word)) += ' ';
            break;
        }
    return before + word + text.substr(here.place + here.word.size());
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) {
        return static_cast<char>(c < 128 ? std::tolower(c) : c);
    });
    return text;
}

}  // namespace

std::vector<std::vector<std::string>> exchanged_words(const fs::path& clip) {
    const fs::path file = clip / "keepsake.json";
    if (!is_there(file)) return {};
    const nlohmann::json content = read_json_file(file);
    try {
        auto lists = content.at("exchanged").get<std::vector<std::vector<std::string>>>();
        for (auto& list : lists) std::erase(list, "");
        return lists;
    } catch (const nlohmann::json::exception&) {
        throw Error(file.string(), "has no \"exchanged\", a list of lists of words");
    }
}

std::vector<std::string> other_texts(const std::string& text,
                                     const std::vector<std::vector<std::string>>& lists) {
    const std::string said = lower(text);
    std::vector<std::string> texts;
    for (const std::vector<std::string>& list : lists) {
        const Exchanged here = first_of(said, list);
        if (here.word.empty()) continue;
        for (const std::string& word : list)
            if (word != here.word) texts.push_back(with(said, here, word));
        break;
    }
    return texts;
}

std::optional<EditDirection> edit_direction(const fs::path& model, const Pixels& square,
                                            const std::string& text) {
    const fs::path folder = model / "clip";
    if (!is_there(folder)) return std::nullopt;
    const std::vector<std::string> others = other_texts(text, exchanged_words(folder));
    if (others.empty()) return std::nullopt;
    EditDirection direction;
    direction.clip =
        std::make_shared<const pipeline::Clip>(pipeline::load_clip(folder, bundled_tokenizer()));
    direction.photo = picture_vector(*direction.clip, square);
    at::Tensor nearest;
    double best = -2;
    for (const std::string& other : others) {
        const at::Tensor vector = text_vector(*direction.clip, other);
        const double near = (vector * direction.photo).sum().item<double>();
        if (near <= best) continue;
        best = near;
        nearest = vector;
        direction.source = other;
    }
    direction.text = text_vector(*direction.clip, text) - nearest;
    return direction;
}

double directional_similarity(const EditDirection& direction, const Pixels& picture) {
    const at::Tensor after = picture_vector(*direction.clip, picture);
    return directional_similarity(direction.photo, after, at::zeros_like(direction.text),
                                  direction.text);
}

}  // namespace keepsake::editor
