// Checkpoints that are pickles: told by their first bytes, so that they are refused by name
// (house rule 12).
#pragma once

#include <filesystem>
#include <string_view>

namespace keepsake::pipeline {

// torch.save writes a zip archive of pickles, or (before 1.6) pickles alone. bytes: the file's
// first ones, 9 at least where it has them.
bool is_pickle(const std::filesystem::path& path, std::string_view bytes);

}  // namespace keepsake::pipeline
