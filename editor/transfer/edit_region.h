// Where in the working area the edit may reach, as a person sets it in the window.
#pragma once

#include <memory>

#include "editor/transfer/full_resolution.h"

namespace keepsake::editor {

enum class RegionMode {
    none,       // the whole area
    automatic,  // found from the model's predictions (auto_mask.h)
    painted,    // by a brush
    words,      // where the words belong (words_region.h), if the model is sure; else all of it
};

struct RegionSettings {
    RegionMode mode = RegionMode::words;
    double threshold = EditRegion{}.threshold;
    double feather = EditRegion{}.feather;
    bool operator==(const RegionSettings&) const = default;
};

using SharedMask = std::shared_ptr<const Mask>;

// The state of it in a Document.
struct RegionView {
    RegionSettings settings;
    SharedMask automatic;  // null: not found yet
    SharedMask words;      // null: not known, or the model is not sure
    SharedMask painted;    // null: nothing was painted yet; kept while another mode is chosen
    SharedMask weights;    // for an overlay: 0 untouched, 255 edited in full; null: all of it is
    bool reaches_nothing = false;             // by `weights`
    bool finding = false;                     // the automatic one is being looked for
    bool can_undo = false, can_redo = false;  // of strokes and what else changes `painted`
};

// The mask that these settings choose; null: none, or the automatic one is not found yet.
SharedMask chosen_mask(const RegionView& region);

// What an edit's strength in each place depends on.
struct RegionKey {
    RegionSettings
        settings;  // as they are by default where there is no mask: they do nothing there
    SharedMask mask;
    bool operator==(const RegionKey&) const = default;
};
RegionKey region_key(const RegionView& region);

// The region where the words belong, as exports keep it.
EditRegion kept_region(const Mask& words);

// What it means for the photo.
EditRegion edit_region(const RegionView& region);

// The file in a session that holds what was painted, for --mask.
inline constexpr const char* painted_mask_file = "mask.png";

// Of a painted mask: fine enough for the crop, and no burden.
Size painted_size(const Crop& crop);

}  // namespace keepsake::editor
