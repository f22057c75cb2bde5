// Names of tensors taken apart and put together, for the layouts of other programs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace keepsake::pipeline {

struct Rename {
    std::string_view from, to;
};

// `name` with a leading `from` replaced, where that is all of it or ends at a dot.
std::optional<std::string> renamed(std::string_view name, std::span<const Rename> table);

// Takes "<text>." off the front of `name`; false, and nothing taken, when it is not there.
bool take_word(std::string_view& name, std::string_view text);

// Takes "<number>." off the front of `name`.
std::optional<std::int64_t> take_number(std::string_view& name);

std::string numbered(std::string_view before, std::int64_t number, std::string_view after);

}  // namespace keepsake::pipeline
