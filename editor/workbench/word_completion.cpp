#include "editor/workbench/word_completion.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace keepsake::editor {
namespace {

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

bool same_letters(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

// Bytes above ASCII are parts of letters.
bool is_letter(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           static_cast<unsigned char>(c) >= 0x80;
}

// The longest beginning of `name` that ends at `cursor`; 0: none.
std::size_t spelled(std::string_view before, std::string_view name) {
    if (name.empty()) return 0;
    for (std::size_t n = std::min(before.size(), name.size() - 1); n > 0; --n) {
        const std::size_t from = before.size() - n;
        const bool begins = !is_letter(before[from]) || from == 0 || !is_letter(before[from - 1]);
        const bool enough = n >= 2 || name[0] == '<';
        if (begins && enough && same_letters(before.substr(from), name.substr(0, n))) return n;
    }
    return 0;
}

}  // namespace

std::vector<WordCompletion> complete_word(const std::string& text, std::size_t cursor,
                                          const std::vector<std::string>& names) {
    const std::string_view before = std::string_view(text).substr(0, cursor);
    std::vector<WordCompletion> found;
    for (const std::string& name : names) {
        std::size_t length = spelled(before, name);
        if (length == 0 && name.starts_with('<')) {
            length = spelled(before, std::string_view(name).substr(1));
            if (length < 2) length = 0;
        }
        if (length > 0) found.push_back({before.size() - length, name});
    }
    return found;
}

std::string completed(const std::string& text, const WordCompletion& completion,
                      std::size_t& cursor) {
    std::string result = text;
    const std::size_t end = std::min(cursor, text.size());
    const std::size_t from = std::min(completion.from, end);
    result.replace(from, end - from, completion.name);
    cursor = from + completion.name.size();
    return result;
}

}  // namespace keepsake::editor
