// An XMP packet (ISO 16684-1) as the tree of properties that it is, by Exempi: names are found by
// their namespace, whatever prefix a packet has for it.
#pragma once

#include <exempi/xmp.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::editor {

struct XmpRelease {
    void operator()(_Xmp* packet) const { xmp_free(packet); }
};
using XmpHandle = std::unique_ptr<_Xmp, XmpRelease>;

// Namespaces that exports write or take away.
namespace xmp_name {
inline constexpr const char* keepsake = "urn:keepsake:1.0";
inline constexpr const char* tiff = "http://ns.adobe.com/tiff/1.0/";
inline constexpr const char* exif = "http://ns.adobe.com/exif/1.0/";
inline constexpr const char* basic = "http://ns.adobe.com/xap/1.0/";
inline constexpr const char* thumbnail = "http://ns.adobe.com/xap/1.0/g/img/";
inline constexpr const char* note = "http://ns.adobe.com/xmp/note/";
inline constexpr const char* iptc_extension = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
}  // namespace xmp_name

// A packet without properties.
XmpHandle new_xmp();

// Null where the text is no packet, or is larger (16 MiB) or deeper (100 elements) than any that
// tells of a photo.
XmpHandle parsed_xmp(std::string_view text);

// The packet's text, UTF-8, not to be changed in place. In `wrapper` between <?xpacket ...?>, as
// files hold it.
enum class XmpWrapper { packet, none };
std::string xmp_text(_Xmp* packet, XmpWrapper wrapper = XmpWrapper::packet);

struct XmpProperty {
    std::string schema;       // the namespace of the property at the top that it belongs to
    std::string path;         // Exempi's: prefix:name, prefix:list[1], prefix:struct/prefix:field
    std::string space, name;  // of the last step; empty for a list's item
    std::string value;
};

// Every property at every depth, parents before what is in them.
std::vector<XmpProperty> xmp_properties(_Xmp* packet);

// The value of a simple property; none where there is none.
std::optional<std::string> xmp_value(_Xmp* packet, const char* space, const char* name);

// Sets a simple property at the top.
void set_xmp_value(_Xmp* packet, const char* space, const char* name, const std::string& value);

}  // namespace keepsake::editor
