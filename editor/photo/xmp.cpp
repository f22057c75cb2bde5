#include "editor/photo/xmp.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "editor/photo/xmp_packet.h"

namespace keepsake::editor {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

bool holds(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

bool is_place(const XmpProperty& property) {
    // W3C's basic geo vocabulary, and GeoRSS.
    if (property.space == "http://www.w3.org/2003/01/geo/wgs84_pos#") return true;
    if (property.space == "http://www.georss.org/georss") return true;
    // A maker's note may hold the place too.
    if (property.space == xmp_name::exif && property.name == "MakerNote") return true;
    return is_place_name(property.name);
}

// What is said of other parts of the photo's file, which an export has not.
bool tells_of_other_parts(const XmpProperty& property) {
    static constexpr std::array spaces = {
        "http://ns.adobe.com/hdr-gain-map/1.0/",
        "http://ns.google.com/photos/1.0/container/",
        "http://ns.google.com/photos/1.0/container/item/",
        "http://ns.google.com/photos/1.0/image/",
        "http://ns.google.com/photos/1.0/audio/",
        "http://ns.google.com/photos/1.0/depthmap/",
        "http://ns.google.com/photos/dd/1.0/device/",
        "http://ns.apple.com/HDRGainMap/1.0/",
        "http://ns.apple.com/pixeldatainfo/1.0/",
        xmp_name::note,
    };
    if (std::ranges::find(spaces, property.space) != spaces.end()) return true;
    const bool camera = property.space == "http://ns.google.com/photos/1.0/camera/";
    return camera &&
           (property.name.starts_with("MotionPhoto") || property.name.starts_with("MicroVideo"));
}

// What shows or describes the picture before.
bool shows_before(const XmpProperty& property) {
    if (property.space == xmp_name::basic && property.name == "Thumbnails") return true;
    if (property.space == xmp_name::thumbnail && property.name == "image") return true;
    return property.space != xmp_name::keepsake && is_generation_text(property.value);
}

template <class Unwanted>
bool remove_where(_Xmp* packet, Unwanted unwanted) {
    std::vector<XmpProperty> properties = xmp_properties(packet);
    bool any = false;
    // The last first, so that the numbers of a list's items still hold.
    for (auto property = properties.rbegin(); property != properties.rend(); ++property) {
        if (!unwanted(*property)) continue;
        xmp_delete_property(packet, property->schema.c_str(), property->path.c_str());
        any = true;
    }
    return any;
}

// True where there was one that said something else.
bool correct(_Xmp* packet, const char* space, const char* name, int value) {
    const auto before = xmp_value(packet, space, name);
    if (!before || *before == std::to_string(value)) return false;
    set_xmp_value(packet, space, name, std::to_string(value));
    return true;
}

bool correct_geometry(_Xmp* packet, const XmpChanges& changes) {
    bool any = correct(packet, xmp_name::tiff, "Orientation", 1);
    if (changes.width > 0) {
        any |= correct(packet, xmp_name::tiff, "ImageWidth", changes.width);
        any |= correct(packet, xmp_name::tiff, "ImageLength", changes.height);
        any |= correct(packet, xmp_name::exif, "PixelXDimension", changes.width);
        any |= correct(packet, xmp_name::exif, "PixelYDimension", changes.height);
    }
    return any;
}

bool set_source(_Xmp* packet, PictureSource source) {
    static const std::string base = "http://cv.iptc.org/newscodes/digitalsourcetype/";
    const std::string generated = base + "trainedAlgorithmicMedia";
    const auto before = xmp_value(packet, xmp_name::iptc_extension, "DigitalSourceType");
    if (source == PictureSource::as_before) return false;
    // An edit of what a model made is still made by a model.
    if (before && before->ends_with("/trainedAlgorithmicMedia")) return false;
    set_xmp_value(packet, xmp_name::iptc_extension, "DigitalSourceType",
                  source == PictureSource::made_by_model
                      ? generated
                      : base + "compositeWithTrainedAlgorithmicMedia");
    return true;
}

}  // namespace

bool is_generation_text(std::string_view text) {
    const bool settings = holds(text, "Steps: ") && holds(text, "Sampler: ");
    // ComfyUI's graph, InvokeAI's and Draw Things' notes, NovelAI's.
    const bool graph = holds(text, "\"class_type\"") && holds(text, "\"inputs\"");
    const bool sampled = holds(text, "\"sampler") && holds(text, "\"steps\"");
    return settings || graph || (sampled && holds(text, "\"seed\""));
}

bool is_place_name(std::string_view name) {
    static constexpr std::array whole = {"lat", "lon", "lng", "geohash", "geotag", "geouri"};
    const std::string text = lower(name);
    if (text.starts_with("gps") || holds(text, ":gps")) return true;
    for (const char* part : {"latitude", "longitude", "longtitude", "altitude"}) {
        if (holds(text, part)) return true;
    }
    return std::ranges::find(whole, text) != whole.end();
}

std::string updated_xmp(std::string_view packet, const XmpChanges& changes) {
    const XmpHandle xmp = packet.empty() ? new_xmp() : parsed_xmp(packet);
    if (!xmp) return changes.strip_place ? std::string() : std::string(packet);
    bool changed = remove_where(xmp.get(), tells_of_other_parts);
    changed |= remove_where(xmp.get(), shows_before);
    if (changes.strip_place) changed |= remove_where(xmp.get(), is_place);
    changed |= correct_geometry(xmp.get(), changes);
    changed |= set_source(xmp.get(), changes.source);
    if (!changes.recipe.empty()) {
        set_xmp_value(xmp.get(), xmp_name::keepsake, "recipe", changes.recipe);
        changed = true;
    }
    return changed ? xmp_text(xmp.get()) : std::string(packet);
}

std::optional<std::string> recipe_in_xmp(std::string_view packet) {
    const XmpHandle xmp = packet.empty() ? nullptr : parsed_xmp(packet);
    return xmp ? xmp_value(xmp.get(), xmp_name::keepsake, "recipe") : std::nullopt;
}

}  // namespace keepsake::editor
