#include "pipeline/text/clip_text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "pipeline/text/unicode.h"

namespace keepsake::pipeline {
namespace {

// The reference's normal form is of Unicode 9.0, its letters and digits of 16.0, its lower case of
// 17.0. Debian 12's ICU 72 is of 15.0. So characters newer than 9.0 take no part in normalisation,
// and what 16.0 and 17.0 brought is listed here; a newer ICU gives the same ids.
constexpr int kNormalFormVersion = 9;
constexpr int kIcuClassVersion = 15;

struct Range {
    char32_t first, last;
};

constexpr Range kLettersOf16[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3},
    {0x10D4A, 0x10D65}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389},
    {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113B7},
    {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0}, {0x13460, 0x143FA},
    {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
    {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D},  // the last is of 15.1
};
constexpr Range kDigitsOf16[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x16130, 0x16139},
    {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
};

struct CaseRange {
    char32_t first, last, lower;  // `lower` is that of `first`; the others follow it
};
constexpr CaseRange kLowerCaseOf17[] = {
    {0x1C89, 0x1C89, 0x1C8A},    {0xA7CB, 0xA7CB, 0x0264}, {0xA7CC, 0xA7CC, 0xA7CD},
    {0xA7CE, 0xA7CE, 0xA7CF},    {0xA7D2, 0xA7D2, 0xA7D3}, {0xA7D4, 0xA7D4, 0xA7D5},
    {0xA7DA, 0xA7DA, 0xA7DB},    {0xA7DC, 0xA7DC, 0x019B}, {0x10D50, 0x10D65, 0x10D70},
    {0x16EA0, 0x16EB8, 0x16EBB},
};

// The range that holds c, or nullptr. The tables are sorted.
template <typename R, std::size_t n>
const R* find_range(const R (&ranges)[n], char32_t c) {
    const R* found = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                      [](const R& range, char32_t x) { return range.last < x; });
    return found != std::end(ranges) && found->first <= c ? found : nullptr;
}

// The major number of the Unicode version that brought c; 0 for what ICU does not know.
int unicode_age(char32_t c) {
    UVersionInfo version;
    u_charAge(static_cast<UChar32>(c), version);
    return version[0];
}

bool is_letter(char32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (find_range(kLettersOf16, c)) return true;
    return has_category(c, U_GC_L_MASK) && unicode_age(c) <= kIcuClassVersion;
}

bool is_digit(char32_t c) {
    if (c < 0x80) return c >= '0' && c <= '9';
    if (find_range(kDigitsOf16, c)) return true;
    return has_category(c, U_GC_N_MASK) && unicode_age(c) <= kIcuClassVersion;
}

// Lower case of one character: one character, but for the Turkish capital I with a dot.
void append_lower(std::u32string& text, char32_t c) {
    if (c == 0x0130) {
        text += U"i\u0307";
    } else if (const CaseRange* range = find_range(kLowerCaseOf17, c)) {
        text += range->lower + (c - range->first);
    } else {
        text += static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
    }
}

std::u32string nfc(std::u32string_view text) {
    // Nothing below U+0300 changes or composes.
    if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; }))
        return std::u32string(text);
    const auto takes_part = [](char32_t c) {
        const int age = unicode_age(c);
        return age > 0 && age <= kNormalFormVersion;
    };
    std::u32string result;
    result.reserve(text.size());
    for (auto begin = text.begin(); begin != text.end();) {
        const auto end = std::find_if_not(begin, text.end(), takes_part);
        if (begin != end) result += in_normal_form({begin, end}, NormalForm::C);
        begin = std::find_if(end, text.end(), takes_part);
        result.append(end, begin);
    }
    return result;
}

template <typename Predicate>
std::size_t leading_run(std::u32string_view text, Predicate holds) {
    const auto end = std::find_if_not(text.begin(), text.end(), holds);
    return static_cast<std::size_t>(end - text.begin());
}

// Length of the contraction that `text` begins with, or 0.
std::size_t leading_contraction(std::u32string_view text) {
    if (text.front() != U'\'') return 0;
    for (const std::u32string_view contraction :
         {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"})
        if (text.starts_with(contraction)) return contraction.size();
    return 0;
}

// Length of the first word of `text`, which does not begin with white space.
std::size_t leading_word(std::u32string_view text) {
    if (const std::size_t length = leading_contraction(text)) return length;
    if (is_letter(text.front())) return leading_run(text, is_letter);
    if (is_digit(text.front())) return 1;
    return leading_run(
        text, [](char32_t c) { return !is_white_space(c) && !is_letter(c) && !is_digit(c); });
}

}  // namespace

std::u32string from_utf8(std::string_view text) {
    std::u32string result;
    result.reserve(text.size());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    const auto length = static_cast<std::int64_t>(text.size());
    for (std::int64_t i = 0; i < length;) {
        UChar32 c = 0;
        U8_NEXT_OR_FFFD(bytes, i, length, c);
        result += static_cast<char32_t>(c);
    }
    return result;
}

std::string to_utf8(std::u32string_view text) {
    std::string result;
    result.reserve(text.size());
    for (const char32_t c : text) {
        std::array<char, U8_MAX_LENGTH> bytes{};
        std::size_t length = 0;
        U8_APPEND_UNSAFE(bytes.data(), length, c);
        result.append(bytes.data(), length);
    }
    return result;
}

std::u32string normalize_text(std::u32string_view text) {
    std::u32string result;
    bool in_space = false;
    for (const char32_t c : nfc(text)) {
        const bool space = is_white_space(c);
        if (!space) append_lower(result, c);
        if (space && !in_space) result += U' ';
        in_space = space;
    }
    return result;
}

std::vector<std::u32string_view> split_words(std::u32string_view text) {
    std::vector<std::u32string_view> words;
    const auto take = [&](std::size_t length) {
        words.push_back(text.substr(0, length));
        text.remove_prefix(length);
    };
    while (true) {
        text.remove_prefix(leading_run(text, is_white_space));
        if (text.empty()) return words;
        // A word that spells a special token (in another case, say, so that it was not taken as the
        // token itself) is cut out whole by the reference and then cut again: its "|>" does not
        // join the signs after it.
        const bool start = text.starts_with(U"<|startoftext|>");
        if (start || text.starts_with(U"<|endoftext|>")) {
            take(2);
            take(start ? 11 : 9);
            take(2);
        } else {
            take(leading_word(text));
        }
    }
}

bool is_white_space(char32_t c) {
    return u_isUWhiteSpace(static_cast<UChar32>(c));
}

bool is_word_character(char32_t c) {
    const auto code = static_cast<UChar32>(c);
    return u_isUAlphabetic(code) || has_category(c, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) ||
           u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL);
}

std::u32string_view strip(std::u32string_view text) {
    const auto outer = [](char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); };
    text.remove_prefix(leading_run(text, outer));
    while (!text.empty() && outer(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace keepsake::pipeline
