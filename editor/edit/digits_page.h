// The page of `keepsake train digits`: for a student, from top to bottom.
#pragma once

#include <string>

#include "editor/edit/digits_lesson.h"

namespace keepsake::editor {

// A whole HTML page that loads nothing. Every figure and picture in it is the run's own.
std::string digits_page(const DigitsLesson& lesson);

}  // namespace keepsake::editor
