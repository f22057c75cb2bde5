#include "pipeline/files/printable_text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <array>
#include <cstdio>

namespace keepsake {
namespace {

bool is_harmless(UChar32 c) {
    constexpr UChar32 non_joiner = 0x200c, joiner = 0x200d;  // of Persian words and of emoji
    if (c == '\n' || c == '\t' || c == non_joiner || c == joiner) return true;
    const auto kind = u_charType(c);
    return kind != U_CONTROL_CHAR && kind != U_FORMAT_CHAR && kind != U_LINE_SEPARATOR &&
           kind != U_PARAGRAPH_SEPARATOR;
}

std::string spelled_out(UChar32 c) {
    std::array<char, 12> text{};
    std::snprintf(text.data(), text.size(), c < 0x100 ? "\\x%02x" : "\\u%04x",
                  static_cast<unsigned>(c));
    return text.data();
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t from = at;
        UChar32 c = 0;
        U8_NEXT(text.data(), at, text.size(), c);
        std::string piece = c < 0            ? "\xef\xbf\xbd"
                            : is_harmless(c) ? std::string(text.substr(from, at - from))
                                             : spelled_out(c);
        if (out.size() + piece.size() > most)
            return out + "... (" + std::to_string(text.size() - from) + " bytes more)";
        out += piece;
    }
    return out;
}

}  // namespace keepsake
