// Which numbers a recipe may have (house rule 12): its file may be a stranger's.
#pragma once

#include "editor/session/recipe.h"

namespace keepsake::editor {

// Throws Error naming the field that is out of range. What depends on the photo and on the model
// (does the crop fit, are there so many timesteps?) is checked where these are.
void check_ranges(const Recipe& recipe);

}  // namespace keepsake::editor
