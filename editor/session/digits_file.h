// The handwritten digits on disk (assets/digits).
#pragma once

#include <filesystem>

#include "optimize/scratch/digits.h"

namespace keepsake::editor {

// digits.png, rows of pictures of 8x8 pixels, and labels.txt, a row of classes for each. Throws
// Error naming the file that cannot be read, or does not fit the other.
optimize::Digits read_digits(const std::filesystem::path& folder);

}  // namespace keepsake::editor
