// What an edit tells on stdout.
#pragma once

#include <string>

#include "editor/edit/edit.h"

namespace keepsake::editor {

// The files, one a line, or with `json` one object a line. photo: told in the objects, where not
// empty.
void print_results(const EditResult& result, bool json, const std::string& photo = {});

}  // namespace keepsake::editor
