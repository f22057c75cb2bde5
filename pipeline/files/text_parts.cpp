#include "pipeline/files/text_parts.h"

namespace keepsake {

std::string_view trimmed(std::string_view text, std::string_view blank) {
    const std::size_t first = text.find_first_not_of(blank);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

std::string_view article_of(std::string_view word) {
    constexpr std::string_view vowels = "aeiou";
    return !word.empty() && vowels.find(word.front()) != vowels.npos ? "an" : "a";
}

}  // namespace keepsake
