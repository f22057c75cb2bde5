#include "editor/session/caption_words.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "editor/session/own_json.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/text_parts.h"

namespace keepsake::editor {
namespace {

constexpr const char* words_file = "captions.json";

using nlohmann::json;

constexpr std::size_t most_words = 1000, most_levels = 64;
constexpr std::int64_t most_noises = 1000;

// Reads with the file's name in every complaint.
class Reader {
  public:
    explicit Reader(std::string file) : file_(std::move(file)) {}

    void require(bool holds, const std::string& why) const {
        if (!holds) throw Error(file_, why);
    }
    const json& at(const json& object, const char* key) const {
        require(object.is_object() && object.contains(key),
                std::string("lacks '") + key + "' somewhere");
        return object[key];
    }
    std::string text(const json& object, const char* key) const {
        const json& value = at(object, key);
        require(value.is_string(), std::string("'") + key + "' is no text");
        return value.get<std::string>();
    }
    double number(const json& value, const char* key) const {
        const bool holds = value.is_number() && std::isfinite(value.get<double>());
        require(holds, std::string("'") + key + "' is no number");
        return value.get<double>();
    }
    std::vector<double> numbers(const json& value, const char* key, std::size_t count) const {
        require(value.is_array() && value.size() == count,
                std::string("'") + key + "' is no list of " + std::to_string(count));
        std::vector<double> list;
        for (const json& one : value) list.push_back(number(one, key));
        return list;
    }
    std::int64_t count(const json& object, const char* key, std::int64_t least,
                       std::int64_t most) const {
        const double value = number(at(object, key), key);
        require(value >= static_cast<double>(least) && value <= static_cast<double>(most) &&
                    value == std::floor(value),
                std::string("'") + key + "' is out of range");
        return static_cast<std::int64_t>(value);
    }
    const json& list(const json& object, const char* key) const {
        const json& value = at(object, key);
        require(value.is_array() && value.size() <= most_words,
                std::string("'") + key + "' is no list");
        return value;
    }
    std::vector<std::string> texts(const json& object, const char* key, std::size_t least) const {
        std::vector<std::string> texts;
        for (const json& text : list(object, key)) {
            require(text.is_string(), std::string("'") + key + "' is no list of texts");
            texts.push_back(text.get<std::string>());
        }
        require(texts.size() >= least, std::string("'") + key + "' has too few");
        return texts;
    }
    std::vector<std::string> words(const json& object) const { return texts(object, "words", 2); }

  private:
    std::string file_;
};

// features: none: as many as the first row has.
CaptionWords::Scores read_scores(const Reader& reader, const json& object, std::size_t words,
                                 std::optional<std::size_t> features) {
    CaptionWords::Scores scores;
    scores.bias = reader.numbers(reader.at(object, "bias"), "bias", words);
    const json& rows = reader.list(object, "weights");
    reader.require(rows.size() == words, "'weights' has not a row a word");
    const std::size_t count = features.value_or(rows.front().size());
    for (const json& row : rows) scores.weights.push_back(reader.numbers(row, "weights", count));
    return scores;
}

void read_named(const Reader& reader, const json& content, CaptionWords& words) {
    const json& list = reader.list(content, "named");
    std::size_t combinations = 1;
    for (const json& one : list) {
        words.named.push_back({reader.text(one, "name"), reader.words(one), {}, {}});
        combinations *= words.named.back().words.size();
        reader.require(combinations <= most_words, "'named' has too many combinations");
    }
    reader.require(!words.named.empty(), "'named' is empty");
    const std::size_t features = 2 * words.levels.size() * words.named_words();
    for (std::size_t i = 0; i < list.size(); ++i) {
        CaptionWords::Named& named = words.named[i];
        named.gains = read_scores(reader, list[i], named.words.size(), features);
        if (list[i].contains("clip"))
            named.clip = read_scores(reader, list[i]["clip"], named.words.size(), std::nullopt);
    }
}

std::vector<double> read_levels(const Reader& reader, const json& content) {
    const json& list = reader.list(content, "levels");
    reader.require(!list.empty() && list.size() <= most_levels, "'levels' is no list");
    std::vector<double> levels = reader.numbers(list, "levels", list.size());
    for (const double level : levels)
        reader.require(level > 0 && level <= 1, "'levels' are not shares from 0 to 1");
    return levels;
}

void read_again(const Reader& reader, const json& content, CaptionWords& words) {
    if (!content.contains("again")) return;
    const json& again = content["again"];
    const std::string name = reader.text(again, "name");
    const auto named = std::ranges::find(words.named, name, &CaptionWords::Named::name);
    reader.require(named != words.named.end(), "'again' is of nothing that is named");
    words.again = {static_cast<std::size_t>(named - words.named.begin()),
                   read_levels(reader, again), reader.count(again, "noises", 1, most_noises),
                   reader.number(reader.at(again, "weight"), "weight")};
}

void read_numbers(const Reader& reader, const json& content, CaptionWords& words) {
    words.levels = read_levels(reader, content);
    words.noises = reader.count(content, "noises", 1, most_noises);
    words.seed = static_cast<std::uint64_t>(reader.count(content, "seed", 0, 1 << 30));
    words.centre = reader.number(reader.at(content, "centre"), "centre");
    reader.require(words.centre > 0 && words.centre <= 1, "'centre' is no share from 0 to 1");
}

}  // namespace

std::size_t CaptionWords::named_words() const {
    std::size_t count = 0;
    for (const Named& one : named) count += one.words.size();
    return count;
}

bool CaptionWords::asks_clip() const {
    return std::ranges::any_of(named, [](const Named& one) { return one.clip.has_value(); });
}

bool has_caption_words(const std::filesystem::path& model) {
    return is_there(model / words_file);
}

CaptionWords read_caption_words(const std::filesystem::path& model) {
    const std::filesystem::path file = model / words_file;
    if (!is_there(file))
        throw Error(file.string(),
                    "is missing: this model has no words to caption photos with. Give the folder "
                    "of a captioner by --captioner");
    const json content = read_own_json(file, {"keepsake caption words", 1});
    const Reader reader(file.string());
    CaptionWords words;
    read_numbers(reader, content, words);
    words.text = reader.text(content, "text");
    read_named(reader, content, words);
    read_again(reader, content, words);
    for (const json& one : reader.list(content, "noted"))
        words.noted.push_back({reader.text(one, "name"), reader.words(one),
                               reader.number(reader.at(one, "bar"), "bar")});
    words.caption = reader.text(content, "caption");
    return words;
}

std::string filled_pattern(const std::string& pattern, const NamedWords& words) {
    std::string text = pattern;
    for (const auto& [name, word] : words) replace_all(text, "{" + name + "}", word);
    return text;
}

}  // namespace keepsake::editor
