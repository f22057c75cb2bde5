#include "editor/photo/jpeg_xmp.h"

#include <glib.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "editor/photo/jpeg_segments.h"
#include "editor/photo/xmp_packet.h"

namespace keepsake::editor {
namespace {

constexpr std::uint8_t app1 = 0xe1;
constexpr std::string_view packet_name("http://ns.adobe.com/xap/1.0/\0", 29);
constexpr std::string_view extension_name("http://ns.adobe.com/xmp/extension/\0", 35);
constexpr std::size_t guid_size = 32, numbers_size = 8;
constexpr std::size_t largest_packet = jpeg_segment_room - packet_name.size();
// More than any program writes; a damaged length must not become a request for gigabytes.
constexpr std::size_t largest_extension = 16 << 20;

std::size_t number(std::string_view bytes, std::size_t at) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return value;
}

std::string big_endian(std::size_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
            static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string md5(const std::string& bytes) {
    const std::unique_ptr<gchar, void (*)(gpointer)> digest(
        g_compute_checksum_for_data(G_CHECKSUM_MD5, reinterpret_cast<const guchar*>(bytes.data()),
                                    bytes.size()),
        g_free);
    std::string text(digest.get());
    for (char& c : text) c = g_ascii_toupper(c);
    return text;
}

// The extended packet of that digest; empty where a part is missing or something else.
std::string extension_of(std::string_view jpeg, const std::string& guid) {
    std::string whole;
    std::size_t filled = 0;
    for (const JpegSegment& segment : jpeg_segments(jpeg)) {
        std::string_view content = segment.content;
        if (segment.marker != app1 || !content.starts_with(extension_name)) continue;
        content.remove_prefix(extension_name.size());
        if (content.size() < guid_size + numbers_size || !content.starts_with(guid)) continue;
        const std::size_t size = number(content, guid_size), at = number(content, guid_size + 4);
        content.remove_prefix(guid_size + numbers_size);
        if (size > largest_extension || at > size || content.size() > size - at) return {};
        whole.resize(size);
        std::ranges::copy(content, whole.begin() + static_cast<std::ptrdiff_t>(at));
        filled += content.size();
    }
    return filled == whole.size() && md5(whole) == guid ? whole : std::string();
}

// What stands within rdf:RDF of a packet that Exempi wrote.
std::string_view descriptions(std::string_view text) {
    const std::size_t open = text.find("<rdf:RDF"), close = text.rfind("</rdf:RDF>");
    const std::size_t begin = text.find('>', open);
    if (open == text.npos || close == text.npos || begin > close) return {};
    return text.substr(begin + 1, close - begin - 1);
}

struct Part {
    XmpProperty top;
    std::size_t size;
};

// The properties at the top that may lie in an extended packet, the largest first.
std::vector<Part> movable(_Xmp* packet) {
    std::vector<Part> parts;
    std::map<std::string, std::size_t> sizes;
    std::vector<XmpProperty> tops;
    for (const XmpProperty& property : xmp_properties(packet)) {
        const std::string top = property.path.substr(0, property.path.find_first_of("[/"));
        if (top == property.path) tops.push_back(property);
        sizes[property.schema + top] += property.path.size() + property.value.size();
    }
    for (const XmpProperty& top : tops) {
        // Programs look for these in the packet that they find at once.
        if (top.schema == xmp_name::keepsake || top.schema == xmp_name::note) continue;
        parts.push_back({top, sizes[top.schema + top.path]});
    }
    std::ranges::stable_sort(parts, std::greater<>(), &Part::size);
    return parts;
}

void keep_only(_Xmp* packet, const std::vector<XmpProperty>& kept) {
    for (const XmpProperty& property : xmp_properties(packet)) {
        const bool top = property.path.find_first_of("[/") == std::string::npos;
        const bool wanted = std::ranges::any_of(kept, [&](const XmpProperty& other) {
            return other.schema == property.schema && other.path == property.path;
        });
        if (top && !wanted) {
            xmp_delete_property(packet, property.schema.c_str(), property.path.c_str());
        }
    }
}

std::string extension_segments(const std::string& extension, const std::string& guid) {
    constexpr std::size_t room =
        jpeg_segment_room - extension_name.size() - guid_size - numbers_size;
    std::string segments;
    for (std::size_t at = 0; at < extension.size(); at += room) {
        std::string content(extension_name);
        content += guid + big_endian(extension.size()) + big_endian(at);
        content += extension.substr(at, room);
        segments += jpeg_segment_of(app1, content);
    }
    return segments;
}

std::string packet_segment(const std::string& packet) {
    return jpeg_segment_of(app1, std::string(packet_name) + packet);
}

// The packet in as many segments as it takes; empty where it cannot be divided.
std::string divided(const std::string& packet) {
    const XmpHandle main = parsed_xmp(packet), extended = parsed_xmp(packet);
    if (!main) return {};
    std::vector<XmpProperty> moved;
    // As long as the digest that is still to be noted.
    set_xmp_value(main.get(), xmp_name::note, "HasExtendedXMP", std::string(guid_size, '0'));
    std::string kept = xmp_text(main.get());
    for (const Part& part : movable(main.get())) {
        if (kept.size() <= largest_packet) break;
        xmp_delete_property(main.get(), part.top.schema.c_str(), part.top.path.c_str());
        moved.push_back(part.top);
        kept = xmp_text(main.get());
    }
    if (kept.size() > largest_packet) return {};
    keep_only(extended.get(), moved);
    const std::string rest = xmp_text(extended.get(), XmpWrapper::none), guid = md5(rest);
    set_xmp_value(main.get(), xmp_name::note, "HasExtendedXMP", guid);
    return packet_segment(xmp_text(main.get())) + extension_segments(rest, guid);
}

}  // namespace

std::string with_extended_xmp(std::string_view jpeg, std::string_view packet) {
    const XmpHandle main = packet.empty() ? nullptr : parsed_xmp(packet);
    const auto guid = main ? xmp_value(main.get(), xmp_name::note, "HasExtendedXMP") : std::nullopt;
    if (!guid || guid->size() != guid_size) return std::string(packet);
    const std::string extension = extension_of(jpeg, *guid);
    const XmpHandle extended = extension.empty() ? nullptr : parsed_xmp(extension);
    if (!extended) return std::string(packet);
    std::string text = xmp_text(main.get());
    const std::string more = xmp_text(extended.get());
    const std::size_t end = text.rfind("</rdf:RDF>");
    if (end == text.npos) return std::string(packet);
    text.insert(end, descriptions(more));
    const XmpHandle merged = parsed_xmp(text);
    if (!merged) return std::string(packet);
    xmp_delete_property(merged.get(), xmp_name::note, "HasExtendedXMP");
    return xmp_text(merged.get());
}

std::optional<std::string> jpeg_with_xmp(std::string jpeg, const std::string& packet) {
    if (packet.empty()) return jpeg;
    const std::string segments =
        packet.size() <= largest_packet ? packet_segment(packet) : divided(packet);
    if (segments.empty()) return std::nullopt;
    return jpeg_with_segments(std::move(jpeg), segments);
}

}  // namespace keepsake::editor
