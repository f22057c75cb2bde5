// What ICU knows of characters, as the tokenizers ask it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keepsake::pipeline {

// Whether the general category of `c` is one of `mask` (U_GC_L_MASK and its like).
bool has_category(char32_t c, std::uint32_t mask);

enum class NormalForm { C, D };

// `text` in that form, by ICU's own version of Unicode. Throws Error.
std::u32string in_normal_form(std::u32string_view text, NormalForm form);

}  // namespace keepsake::pipeline
