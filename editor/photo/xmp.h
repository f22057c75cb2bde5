// What an export changes in a photo's XMP packet: text in, text out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keepsake::editor {

// IPTC's terms for where a picture comes from
// (https://cv.iptc.org/newscodes/digitalsourcetype/): made by a model, or a photo with parts that
// are.
enum class PictureSource { as_before, edited_by_model, made_by_model };

struct XmpChanges {
    int width = 0, height = 0;  // of the picture; where a packet tells others, these
    bool strip_place = false;
    std::string recipe;  // ASCII JSON, as keepsake:recipe; empty: the one before stays
    PictureSource source = PictureSource::as_before;
};

// The packet after an export: upright, of that size, with the recipe and the source, without what
// was true of the picture before alone (thumbnails, gain maps and depths that lie elsewhere in its
// file, what a generator noted of it) and, if asked for, without places. An empty packet becomes a
// new one where there is something to say. One that cannot be read stays as it is, or is dropped
// where it may hold a place.
std::string updated_xmp(std::string_view packet, const XmpChanges& changes);

// The recipe in a packet.
std::optional<std::string> recipe_in_xmp(std::string_view packet);

// Whether text says what stable-diffusion-webui (AUTOMATIC1111) and its kin write of the settings
// that a picture was generated with.
bool is_generation_text(std::string_view text);

// Whether a property or field of this name tells a place: GPS..., ...Latitude and the like, in any
// spelling.
bool is_place_name(std::string_view name);

}  // namespace keepsake::editor
