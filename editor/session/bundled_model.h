// Where models are when the user does not say.
#pragma once

#include <filesystem>

namespace keepsake::editor {

// The default model: $KEEPSAKE_MODEL; else the bundled one.
std::filesystem::path default_model();

// The bundled model: of the installation that this program belongs to (../share/keepsake/models
// beside its folder), else of the source tree it was built from.
std::filesystem::path bundled_model();

// CLIP's vocabulary and merges, which single-file checkpoints do without: the bundled model's.
std::filesystem::path bundled_tokenizer();

// The handwritten digits that `keepsake train digits` learns from, beside the models.
std::filesystem::path bundled_digits();

}  // namespace keepsake::editor
