#include "editor/transfer/compare_photos.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "editor/photo/decode_photo.h"
#include "editor/photo/metadata_fields.h"
#include "editor/photo/vips_image.h"
#include "editor/transfer/apply_change.h"
#include "editor/transfer/region_strength.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

std::string_view profile_of(const VipsHandle& image) {
    return metadata_block(image.get(), VIPS_META_ICC_NAME);
}

PhotoFacts facts_of(const Photo& photo, const VipsHandle& image) {
    const std::string_view profile = profile_of(image);
    std::string name = profile.empty() ? "" : profile_name(profile);
    if (name.empty() && !profile.empty()) name = "without a name";
    return {image->Xsize,    image->Ysize,
            photo.extension, static_cast<int>(8 * vips_format_sizeof(image->BandFmt)),
            image->Bands,    std::move(name)};
}

bool are_alike(const VipsHandle& a, const VipsHandle& b) {
    return a->BandFmt == b->BandFmt && a->Bands == b->Bands && a->Type == b->Type &&
           profile_of(a) == profile_of(b);
}

bool is_deep(const VipsHandle& image) {
    return image->BandFmt == VIPS_FORMAT_USHORT;
}

// sRGB with transparency, if either has it: three or four channels.
VipsHandle in_srgb(const Photo& photo, VipsHandle image, int bits, bool alpha) {
    image = to_srgb(photo, std::move(image), bits);
    if (!alpha || vips_image_hasalpha(image.get())) return image;
    VipsImage* made = nullptr;
    const int status = vips_addalpha(image.get(), &made, nullptr);
    return checked(photo, status, made);
}

// What the samples of one row of both pictures differ by.
struct RowCount {
    const CompareOptions& options;
    const RegionStrength* strength;  // null: all is outside
    std::vector<float> reach;        // of a row of the crop
    PixelDifference outside, inside;

    template <class Sample>
    void add(const Sample* a, const Sample* b, int y, int width, int channels) {
        const Crop& crop = options.crop;
        const bool crossed = strength && y >= crop.y && y < crop.y + crop.height;
        if (crossed) strength->row(y - crop.y, 0, reach);
        for (int x = 0; x < width; ++x, a += channels, b += channels) {
            int largest = 0;
            for (int i = 0; i < channels; ++i) {
                largest = std::max(largest, std::abs(int{a[i]} - int{b[i]}));
            }
            const bool within = crossed && x >= crop.x && x < crop.x + crop.width;
            PixelDifference& side = within && reach[x - crop.x] > 0 ? inside : outside;
            ++side.pixels;
            if (largest > options.tolerance) ++side.differing;
            side.largest = std::max(side.largest, largest);
        }
    }
};

// Row strips, so that neither picture has to be in memory as a whole.
void compare_rows(const Photo& a, const Photo& b, const VipsHandle& first, const VipsHandle& second,
                  RowCount& count) {
    const auto region_of = [](const VipsHandle& image) {
        return std::unique_ptr<VipsRegion, void (*)(gpointer)>(vips_region_new(image.get()),
                                                               g_object_unref);
    };
    const auto left = region_of(first), right = region_of(second);
    constexpr int rows = 64;
    for (int top = 0; top < first->Ysize; top += rows) {
        const VipsRect strip{0, top, first->Xsize, std::min(rows, first->Ysize - top)};
        if (vips_region_prepare(left.get(), &strip) != 0) refuse_damaged(a);
        if (vips_region_prepare(right.get(), &strip) != 0) refuse_damaged(b);
        for (int y = top; y < top + strip.height; ++y) {
            const void* p = VIPS_REGION_ADDR(left.get(), 0, y);
            const void* q = VIPS_REGION_ADDR(right.get(), 0, y);
            if (is_deep(first)) {
                count.add(static_cast<const std::uint16_t*>(p),
                          static_cast<const std::uint16_t*>(q), y, first->Xsize, first->Bands);
            } else {
                count.add(static_cast<const std::uint8_t*>(p), static_cast<const std::uint8_t*>(q),
                          y, first->Xsize, first->Bands);
            }
        }
    }
}

void compare_pixels(const Photo& a, const Photo& b, VipsHandle first, VipsHandle second,
                    const CompareOptions& options, PhotoComparison& result) {
    const int width = first->Xsize, height = first->Ysize;
    result.as_stored = are_alike(first, second);
    result.bits = is_deep(first) && is_deep(second) ? 16 : 8;
    if (!result.as_stored) {
        const bool alpha = vips_image_hasalpha(first.get()) || vips_image_hasalpha(second.get());
        first = in_srgb(a, std::move(first), result.bits, alpha);
        second = in_srgb(b, std::move(second), result.bits, alpha);
    }
    std::optional<RegionStrength> strength;
    if (options.region) {
        check_place(options.crop, width, height);
        EditRegion region = *options.region;
        region.feather = 0;
        strength.emplace(region, options.crop, width, height);
    }
    RowCount count{options,
                   strength ? &*strength : nullptr,
                   std::vector<float>(static_cast<std::size_t>(options.crop.width)),
                   {},
                   {}};
    compare_rows(a, b, first, second, count);
    result.outside = count.outside;
    if (strength) result.inside = count.inside;
}

std::vector<FieldComparison> compare_fields(const std::map<std::string, std::string>& a,
                                            const std::map<std::string, std::string>& b) {
    std::vector<FieldComparison> fields;
    for (const auto& [name, value] : a) {
        const auto other = b.find(name);
        if (other == b.end()) {
            fields.push_back({name, FieldFate::lost, value, {}});
        } else {
            fields.push_back({name, other->second == value ? FieldFate::kept : FieldFate::changed,
                              value, other->second});
        }
    }
    for (const auto& [name, value] : b) {
        if (!a.contains(name)) fields.push_back({name, FieldFate::added, {}, value});
    }
    std::ranges::sort(fields, {}, &FieldComparison::name);
    return fields;
}

}  // namespace

const char* name_of(FieldFate fate) {
    switch (fate) {
        case FieldFate::kept:
            return "kept";
        case FieldFate::changed:
            return "changed";
        case FieldFate::lost:
            return "lost";
        case FieldFate::added:
            return "added";
    }
    return "";
}

bool PhotoComparison::outside_untouched() const {
    return outside && outside->differing == 0;
}

std::int64_t PhotoComparison::count(FieldFate fate) const {
    return std::ranges::count(fields, fate, &FieldComparison::fate);
}

PhotoComparison compare_photos(const Photo& a, const Photo& b, const CompareOptions& options) {
    VipsHandle first = decode_upright(a), second = decode_upright(b);
    PhotoComparison result;
    result.a = facts_of(a, first);
    result.b = facts_of(b, second);
    result.same_profile = profile_of(first) == profile_of(second);
    result.fields = compare_fields(metadata_fields(first.get()), metadata_fields(second.get()));
    if (first->Xsize == second->Xsize && first->Ysize == second->Ysize) {
        compare_pixels(a, b, std::move(first), std::move(second), options, result);
    }
    return result;
}

}  // namespace keepsake::editor
