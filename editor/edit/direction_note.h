// What directional similarities were measured with (editor/edit/direction.h), for whoever shows
// them.
#pragma once

#include <string>

namespace keepsake::editor {

// Both empty: nothing was measured.
struct DirectionNote {
    std::string clip;    // the CLIP's name: values of two cannot be compared
    std::string source;  // what the photo showed before, in words, as the CLIP has it
};

}  // namespace keepsake::editor
