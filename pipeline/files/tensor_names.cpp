#include "pipeline/files/tensor_names.h"

#include <charconv>

namespace keepsake::pipeline {

std::optional<std::string> renamed(std::string_view name, std::span<const Rename> table) {
    for (const auto& [from, to] : table)
        if (name.starts_with(from) && (name.size() == from.size() || name[from.size()] == '.'))
            return std::string(to).append(name.substr(from.size()));
    return std::nullopt;
}

bool take_word(std::string_view& name, std::string_view text) {
    if (!name.starts_with(text) || name.size() <= text.size() || name[text.size()] != '.')
        return false;
    name.remove_prefix(text.size() + 1);
    return true;
}

std::optional<std::int64_t> take_number(std::string_view& name) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const auto length = static_cast<std::size_t>(end - name.data());
    if (error != std::errc() || number < 0 || length >= name.size() || *end != '.')
        return std::nullopt;
    name.remove_prefix(length + 1);
    return number;
}

std::string numbered(std::string_view before, std::int64_t number, std::string_view after) {
    return std::string(before).append(std::to_string(number)).append(after);
}

}  // namespace keepsake::pipeline
