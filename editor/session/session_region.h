// The edit region in a session's folder:
//
//   mask.json  which mask is chosen, its threshold and feather; kind "keepsake mask"
//   mask.png   what was painted: white is inside; for `--mask` of the command line too
//
// Both are written whole (house rule 10). A session without them has no mask.
#pragma once

#include <filesystem>
#include <string>

#include "editor/session/recipe.h"
#include "editor/transfer/edit_region.h"

namespace keepsake::editor {

// Throw Error naming the file that cannot be written.
void save_region_settings(const std::filesystem::path& session, const RegionSettings& settings);
void save_painted_mask(const std::filesystem::path& session, const Mask& mask);

struct SavedRegion {
    RegionSettings settings;
    SharedMask painted;
    std::string fault;  // what of it cannot be read and is left out, for the person; may be empty
};

// photo, crop: the session's; a mask.png that somebody made of the photo's size fits too.
SavedRegion load_region(const std::filesystem::path& session, const Photo& photo, const Crop& crop);

// How a photo that is exported with it notes it: as the command line does for the same region.
FullRender noted_region(const RegionSettings& settings);

// Whether the session has a region of its own.
bool has_region(const std::filesystem::path& session);

// One line for `keepsake info`, with the options that render with it; empty when there is none.
std::string describe_region(const std::filesystem::path& session);

// Removes both files. Throws Error naming the one that cannot be removed.
void remove_region(const std::filesystem::path& session);

}  // namespace keepsake::editor
