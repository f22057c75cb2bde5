// What the text of an option means. All throw UsageError naming the option.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "editor/commands/commands.h"
#include "editor/photo/photo.h"

namespace keepsake::editor {

void require(bool allowed, const std::string& option, const std::string& why);

// `text` with malformed UTF-8 replaced. Refused when there is nothing but spaces in it.
std::string checked_text(const std::string& noun, const std::string& text);
int checked_size(int size);
Crop parse_crop(const std::string& text);  // "x,y,w,h"
std::vector<std::uint64_t> parse_seeds(const std::string& text);
std::vector<double> parse_guidances(const std::string& option, const std::string& text);

}  // namespace keepsake::editor
