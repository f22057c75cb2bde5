#include "pipeline/text/vocabulary_files.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// Far above any vocabulary; keeps an absurd id from asking for as much memory.
constexpr std::uint64_t kMostTokens = 1 << 22;

// The largest tokenizer.json of a model in use has some 30 MB.
constexpr JsonLimits tokenizer_limits{.size = std::size_t{128} << 20};

void add_token(Vocabulary& vocabulary, const fs::path& path, const std::string& token,
               const json& id) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMostTokens)
        throw Error(path.string(), "token '" + token + "' has the id " + brief(id) +
                                       ", not a number from 0 to " +
                                       std::to_string(kMostTokens - 1));
    vocabulary.add(token, id.get<std::uint32_t>());
}

// Takes a vocabulary out of JSON while it is parsed: a tree of 50,000 values takes five times as
// long. In vocab.json the file is the vocabulary; in tokenizer.json it is at model.vocab, the
// merges are at model.merges as "a b" or ["a", "b"], and there is a list added_tokens.
class VocabularyParser : public json::json_sax_t {
  public:
    VocabularyParser(const fs::path& path, bool is_vocab_json, Vocabulary& vocabulary)
        : path_(path), is_vocab_json_(is_vocab_json), vocabulary_(vocabulary) {}

    std::vector<std::string> merges;  // each "a b"; empty where it is not two tokens
    json added_tokens = json::array();

    bool null() override { return value(nullptr); }
    bool boolean(bool v) override { return value(v); }
    bool number_integer(number_integer_t v) override { return value(v); }
    bool number_unsigned(number_unsigned_t v) override { return value(v); }
    bool number_float(number_float_t v, const string_t&) override { return value(v); }
    bool string(string_t& v) override { return value(v); }
    bool binary(binary_t&) override { return true; }
    bool key(string_t& name) override {
        if (depth_ < keys_.size()) keys_[depth_].swap(name);
        return true;
    }
    bool start_object(std::size_t) override { return open(true); }
    bool start_array(std::size_t) override { return open(false); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool parse_error(std::size_t byte, const std::string&, const json::exception&) override {
        throw Error(path_.string(), "is not JSON: wrong at byte " + std::to_string(byte));
    }

  private:
    enum class Place { elsewhere, vocabulary, merges, merge_pair, added_tokens, added_token };

    Place place_of(bool object) const {
        if (depth_ == 1) {
            if (!object) throw Error(path_.string(), "not a JSON object");
            return is_vocab_json_ ? Place::vocabulary : Place::elsewhere;
        }
        if (is_vocab_json_) throw Error(path_.string(), "token '" + keys_[1] + "' has no number");
        if (depth_ == 2 && keys_[1] == "added_tokens" && !object) return Place::added_tokens;
        if (depth_ == 3 && place_ == Place::added_tokens) return Place::added_token;
        if (depth_ == 3 && keys_[1] == "model" && keys_[2] == "vocab" && object)
            return Place::vocabulary;
        if (depth_ == 3 && keys_[1] == "model" && keys_[2] == "merges" && !object)
            return Place::merges;
        if (depth_ == 4 && place_ == Place::merges) return Place::merge_pair;
        return Place::elsewhere;
    }

    bool open(bool object) {
        ++depth_;
        const Place inside = place_of(object);
        if (inside == Place::added_token) added_tokens.push_back(json::object());
        if (inside == Place::merge_pair) pair_.clear();
        outer_.push_back(place_);
        place_ = inside;
        return true;
    }

    bool close() {
        if (place_ == Place::merge_pair)
            merges.push_back(pair_.size() == 2 ? pair_[0] + ' ' + pair_[1] : "");
        place_ = outer_.back();
        outer_.pop_back();
        --depth_;
        return true;
    }

    bool value(json v) {
        if (depth_ == 0) throw Error(path_.string(), "not a JSON object");
        switch (place_) {
            case Place::vocabulary:
                add_token(vocabulary_, path_, keys_[depth_], v);
                break;
            case Place::merges:
                merges.push_back(v.is_string() ? v.get<std::string>() : "");
                break;
            case Place::merge_pair:
                pair_.push_back(v.is_string() ? v.get<std::string>() : "");
                break;
            case Place::added_token:
                added_tokens.back()[keys_[3]] = std::move(v);
                break;
            case Place::added_tokens:
                added_tokens.push_back(std::move(v));
                break;
            case Place::elsewhere:
                break;
        }
        return true;
    }

    const fs::path& path_;
    bool is_vocab_json_;
    Vocabulary& vocabulary_;
    std::size_t depth_ = 0;
    std::array<std::string, 4> keys_;  // the keys that lead to the value being read, by depth
    Place place_ = Place::elsewhere;
    std::vector<Place> outer_;
    std::vector<std::string> pair_;
};

// One "left right" of a list of merges. `place` says where it stands, for the error.
void add_merge_line(VocabularyFiles& files, std::uint32_t rank, std::string_view line,
                    std::string_view place, std::size_t number) {
    const auto fail = [&](const std::string& why) {
        throw Error(files.merges_path.string(),
                    std::string(place) + ' ' + std::to_string(number) + ' ' + why);
    };
    const std::size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos)
        fail("is not two tokens with a space between");
    const std::string lacking =
        add_merge(files.bpe, rank, line.substr(0, space), line.substr(space + 1));
    if (!lacking.empty())
        fail("needs the token '" + lacking + "', which " + files.vocabulary_path.string() +
             " lacks");
}

void read_vocab_json(VocabularyFiles& files) {
    VocabularyParser parser(files.vocabulary_path, true, files.bpe.vocabulary);
    parse_json(read_file(files.vocabulary_path), files.vocabulary_path.string(), tokenizer_limits,
               parser);
    if (files.bpe.vocabulary.size() == 0)
        throw Error(files.vocabulary_path.string(), "no tokens in it");
}

void read_merges_txt(VocabularyFiles& files) {
    const std::string content = read_file(files.merges_path);
    std::string_view rest = content;
    std::uint32_t rank = 0;
    for (std::size_t number = 1; !rest.empty(); ++number) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!line.starts_with("#version")) add_merge_line(files, rank++, line, "line", number);
    }
}

void read_tokenizer_json(VocabularyFiles& files) {
    VocabularyParser parser(files.vocabulary_path, false, files.bpe.vocabulary);
    parse_json(read_file(files.vocabulary_path), files.vocabulary_path.string(), tokenizer_limits,
               parser);
    if (files.bpe.vocabulary.size() == 0)
        throw Error(files.vocabulary_path.string(), "no tokens in it");
    for (std::size_t i = 0; i < parser.merges.size(); ++i)
        add_merge_line(files, static_cast<std::uint32_t>(i), parser.merges[i], "merge", i);
    files.added_tokens = std::move(parser.added_tokens);
}

}  // namespace

json read_json_object(const fs::path& path) {
    json parsed = read_json_file(path, tokenizer_limits);
    if (!parsed.is_object()) throw Error(path.string(), "not a JSON object");
    return parsed;
}

VocabularyFiles read_vocabulary(const fs::path& folder) {
    VocabularyFiles files;
    files.bpe.merges.reserve(1 << 16);
    if (is_there(folder / "tokenizer.json")) {
        files.vocabulary_path = files.merges_path = folder / "tokenizer.json";
        read_tokenizer_json(files);
    } else {
        files.vocabulary_path = folder / "vocab.json";
        files.merges_path = folder / "merges.txt";
        read_vocab_json(files);
        read_merges_txt(files);
    }
    if (files.bpe.merges.empty()) throw Error(files.merges_path.string(), "no merges in it");
    return files;
}

}  // namespace keepsake::pipeline
