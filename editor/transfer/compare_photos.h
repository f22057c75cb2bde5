// Two photo files side by side: whether an edit kept what it had to keep.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "editor/photo/photo.h"
#include "editor/transfer/full_resolution.h"

namespace keepsake::editor {

// Of one file.
struct PhotoFacts {
    int width = 0, height = 0;  // upright
    std::string format;         // "jpg", "png", "webp", "tif"
    int bits = 0;               // of a sample
    int channels = 0;           // with transparency
    std::string profile;        // the ICC profile's name for itself; empty: none is embedded
};

struct PixelDifference {
    std::int64_t pixels = 0;     // compared
    std::int64_t differing = 0;  // of which a sample differs by more than the tolerance
    int largest = 0;             // difference of a sample, whatever the tolerance
};

enum class FieldFate { kept, changed, lost, added };
const char* name_of(FieldFate fate);

struct FieldComparison {
    std::string name;  // metadata_fields.h
    FieldFate fate = FieldFate::kept;
    std::string before, after;
};

struct PhotoComparison {
    PhotoFacts a, b;
    bool same_profile = false;  // byte for byte, or none on both sides
    // As the samples are in the files; else both brought to sRGB of `bits`, because depth,
    // channels or profile differ.
    bool as_stored = false;
    int bits = 8;
    // None where the sizes differ. Without a region everything is outside.
    std::optional<PixelDifference> outside, inside;
    std::vector<FieldComparison> fields;  // by name

    // Of one size, and no pixel outside differs.
    bool outside_untouched() const;
    std::int64_t count(FieldFate fate) const;
};

struct CompareOptions {
    // Where b may differ from a: the region of an edit in this crop of the photo, as export_photo
    // takes it, or of the whole photo. Its feather says nothing about whether, and is not looked
    // at. Sides of the crop inside the photo are outside, too: the edit has faded to nothing there.
    std::optional<EditRegion> region;
    Crop crop;
    int tolerance = 0;  // differences of a sample up to this are none: for lossy formats
};

// Throws Error naming the photo that cannot be decoded, or the crop or mask that does not fit.
PhotoComparison compare_photos(const Photo& a, const Photo& b, const CompareOptions& options = {});

}  // namespace keepsake::editor
