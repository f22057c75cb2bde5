#include "pipeline/files/json_file.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<std::string_view, double>, 3> not_finite = {
    {{"-Infinity", -std::numeric_limits<double>::infinity()},
     {"Infinity", std::numeric_limits<double>::infinity()},
     {"NaN", std::numeric_limits<double>::quiet_NaN()}}};

struct Word {
    std::size_t at;
    std::size_t which;  // of not_finite
};

void check_size(std::size_t size, const std::string& noun, const JsonLimits& limits) {
    if (size > limits.size)
        throw Error(noun, "has " + std::to_string(size) + " bytes of JSON, and at most " +
                              std::to_string(limits.size) + " are read");
}

// The position behind the string that begins at `at`.
std::size_t behind_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size(); ++at) {
        at = text.find_first_of("\"\\", at);
        if (at == text.npos) return text.size();
        if (text[at] == '"') return at + 1;
        ++at;  // an escape: what follows does not end the string
    }
    return text.size();
}

// Checks the size and the depth, before anything is built. Returns what stands outside of strings
// and is no JSON but a number of Python's.
std::vector<Word> checked(std::string_view text, const std::string& noun,
                          const JsonLimits& limits) {
    check_size(text.size(), noun, limits);
    std::vector<Word> words;
    std::size_t depth = 0;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '"') {
            at = behind_string(text, at);
            continue;
        }
        if (c == '[' || c == '{') {
            if (++depth > limits.depth)
                throw Error(noun, "is JSON nested more than " + std::to_string(limits.depth) +
                                      " deep at byte " + std::to_string(at));
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        } else if (c == '-' || c == 'I' || c == 'N') {
            for (std::size_t which = 0; which < not_finite.size(); ++which) {
                if (!text.substr(at).starts_with(not_finite[which].first)) continue;
                words.push_back({at, which});
                at += not_finite[which].first.size() - 1;
                break;
            }
        }
        ++at;
    }
    return words;
}

// nlohmann's parser knows no such numbers: they go through it as strings that begin with a mark
// which the text does not have, and are turned back as they come out.
json parse_with_words(std::string_view text, const std::vector<Word>& words,
                      const json::parser_callback_t& callback) {
    std::string mark = "number";
    while (text.find(mark) != text.npos) mark += '+';
    std::string marked;
    std::size_t from = 0;
    for (const Word& word : words) {
        marked.append(text.substr(from, word.at - from));
        marked.append("\"").append(mark).append(std::to_string(word.which)).append("\"");
        from = word.at + not_finite[word.which].first.size();
    }
    marked.append(text.substr(from));
    return json::parse(marked, [&](int depth, json::parse_event_t event, json& value) {
        if (event == json::parse_event_t::value && value.is_string()) {
            const auto& found = value.get_ref<const std::string&>();
            if (found.size() == mark.size() + 1 && found.starts_with(mark))
                value = not_finite.at(static_cast<std::size_t>(found.back() - '0')).second;
        }
        return !callback || callback(depth, event, value);
    });
}

}  // namespace

json parse_json(std::string_view text, const std::string& noun, const JsonLimits& limits,
                const json::parser_callback_t& callback) {
    const std::vector<Word> words = checked(text, noun, limits);
    try {
        return words.empty() ? json::parse(text, callback)
                             : parse_with_words(text, words, callback);
    } catch (const json::parse_error& error) {
        throw Error(noun, "is not JSON: wrong at byte " + std::to_string(error.byte));
    } catch (const json::exception&) {
        throw Error(noun, "is not JSON: has a number that is too large");
    }
}

json read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
    std::error_code none;  // what has no size is read, and refused by what comes
    const auto size = std::filesystem::file_size(path, none);
    if (!none) check_size(size, path.string(), limits);
    return parse_json(read_file(path), path.string(), limits);
}

void parse_json(std::string_view text, const std::string& noun, const JsonLimits& limits,
                json::json_sax_t& sax) {
    checked(text, noun, limits);
    json::sax_parse(text, &sax);
}

std::string brief(const json& value) {
    constexpr std::size_t most = 100;
    if (value.is_number_float() && !std::isfinite(value.get<double>())) {
        const double number = value.get<double>();
        return std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
    }
    std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > most) text.replace(most, text.npos, "...");
    return text;
}

}  // namespace keepsake
