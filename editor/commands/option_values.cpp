#include "editor/commands/option_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "editor/session/recipe.h"

namespace keepsake::editor {
namespace {

// "1,2,3" as numbers; none when one of them is malformed.
template <class Number>
std::optional<std::vector<Number>> parse_list(std::string_view text) {
    std::vector<Number> numbers;
    while (true) {
        const std::string_view item = text.substr(0, text.find(','));
        Number number{};
        const auto [end, code] = std::from_chars(item.data(), item.data() + item.size(), number);
        if (code != std::errc() || end != item.data() + item.size()) return std::nullopt;
        numbers.push_back(number);
        if (item.size() == text.size()) return numbers;
        text.remove_prefix(item.size() + 1);
    }
}

}  // namespace

void require(bool allowed, const std::string& option, const std::string& why) {
    if (!allowed) throw UsageError(option, why);
}

std::vector<std::uint64_t> parse_seeds(const std::string& text) {
    const auto seeds = parse_list<std::uint64_t>(text);
    require(seeds.has_value(), "--seed",
            "'" + checked_utf8(text) + "' is not N[,N...] of whole numbers from 0 to 2^64 - 1");
    return *seeds;
}

std::vector<double> parse_guidances(const std::string& option, const std::string& text) {
    const auto guidances = parse_list<double>(text);
    require(guidances && std::ranges::all_of(*guidances,
                                             [](double g) { return std::isfinite(g) && g >= 0; }),
            option, "'" + checked_utf8(text) + "' is not G[,G...] of numbers from 0 up");
    return *guidances;
}

Crop parse_crop(const std::string& text) {
    const auto numbers = parse_list<int>(text);
    require(numbers && numbers->size() == 4, "--crop",
            "'" + checked_utf8(text) + "' is not x,y,w,h in pixels of the photo");
    return {(*numbers)[0], (*numbers)[1], (*numbers)[2], (*numbers)[3]};
}

int checked_size(int size) {
    require(size >= 64 && size <= 2048 && size % 8 == 0, "--size",
            std::to_string(size) + " is no multiple of 8 from 64 to 2048");
    return size;
}

std::string checked_text(const std::string& noun, const std::string& text) {
    require(text.find_first_not_of(" \t\r\n\v\f") != std::string::npos, noun, "is empty");
    return checked_utf8(text);
}

}  // namespace keepsake::editor
