#include "editor/photo/xmp_packet.h"

#include <algorithm>
#include <cctype>

#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

constexpr std::size_t largest_text = 16 << 20;
constexpr int deepest = 100;

struct StringRelease {
    void operator()(_XmpString* text) const { xmp_string_free(text); }
};
using StringHandle = std::unique_ptr<_XmpString, StringRelease>;

struct IteratorRelease {
    void operator()(_XmpIterator* iterator) const { xmp_iterator_free(iterator); }
};

std::string text_of(const StringHandle& string) {
    return {xmp_string_cstr(string.get()), xmp_string_len(string.get())};
}

// Starts Exempi once.
void start_exempi() {
    static const bool started = [] {
        if (!xmp_init()) throw Error("Exempi", "cannot be started");
        const StringHandle prefix(xmp_string_new());
        xmp_register_namespace(xmp_name::keepsake, "keepsake", prefix.get());
        xmp_register_namespace(xmp_name::iptc_extension, "Iptc4xmpExt", prefix.get());
        return true;
    }();
    (void)started;
}

// The end of the tag that begins at `at` with '<': behind its '>', which attributes may hold too.
std::size_t behind_tag(std::string_view text, std::size_t at) {
    char quote = 0;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (quote != 0) {
            if (c == quote) quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            return at + 1;
        }
    }
    return text.size();
}

// The parser goes down as deep as elements lie in one another.
bool is_too_deep(std::string text) {
    std::erase(text, '\0');  // of UTF-16 and UTF-32
    const std::string_view view(text);
    int depth = 0;
    for (std::size_t at = view.find('<'); at != view.npos; at = view.find('<', at)) {
        if (view.substr(at).starts_with("<!--")) {
            at = std::min(view.size(), view.find("-->", at));
        } else if (view.substr(at).starts_with("<![CDATA[")) {
            at = std::min(view.size(), view.find("]]>", at));
        } else if (view.substr(at).starts_with("<?")) {
            at = std::min(view.size(), view.find("?>", at));
        } else {
            const bool closes = view.substr(at).starts_with("</");
            const std::size_t end = behind_tag(view, at);
            if (closes) --depth;
            if (!closes && !view.substr(at, end - at).ends_with("/>")) ++depth;
            if (depth > deepest) return true;
            at = end;
        }
    }
    return false;
}

// The last step of a path: what stands behind its last '/', without '?' of a qualifier.
std::string_view last_step(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash != path.npos) path.remove_prefix(slash + 1);
    if (path.starts_with('?')) path.remove_prefix(1);
    return path;
}

// Namespace and name of the last step of a path; both empty for an item of a list.
void name_last_step(XmpProperty& property) {
    const std::string_view step = last_step(property.path);
    const std::size_t colon = step.find(':');
    if (colon == step.npos || step.ends_with(']')) return;
    const StringHandle space(xmp_string_new());
    const std::string prefix(step.substr(0, colon));
    if (xmp_prefix_namespace_uri(prefix.c_str(), space.get())) property.space = text_of(space);
    property.name = step.substr(colon + 1);
}

}  // namespace

XmpHandle new_xmp() {
    start_exempi();
    return XmpHandle(xmp_new_empty());
}

XmpHandle parsed_xmp(std::string_view text) {
    if (text.size() > largest_text || is_too_deep(std::string(text))) return nullptr;
    XmpHandle packet = new_xmp();
    return xmp_parse(packet.get(), text.data(), text.size()) ? std::move(packet) : nullptr;
}

std::string xmp_text(_Xmp* packet, XmpWrapper wrapper) {
    const StringHandle text(xmp_string_new());
    const std::uint32_t form = XMP_SERIAL_OMITALLFORMATTING | XMP_SERIAL_USECOMPACTFORMAT;
    const std::uint32_t around =
        wrapper == XmpWrapper::none ? XMP_SERIAL_OMITPACKETWRAPPER : XMP_SERIAL_READONLYPACKET;
    return xmp_serialize(packet, text.get(), form | around, 0) ? text_of(text) : std::string();
}

std::vector<XmpProperty> xmp_properties(_Xmp* packet) {
    std::vector<XmpProperty> properties;
    const std::unique_ptr<_XmpIterator, IteratorRelease> iterator(
        xmp_iterator_new(packet, nullptr, nullptr, XMP_ITER_PROPERTIES));
    const StringHandle schema(xmp_string_new()), path(xmp_string_new()), value(xmp_string_new());
    std::uint32_t options = 0;
    while (iterator &&
           xmp_iterator_next(iterator.get(), schema.get(), path.get(), value.get(), &options)) {
        XmpProperty property{text_of(schema), text_of(path), {}, {}, text_of(value)};
        if (property.path.empty()) continue;  // the schema itself
        name_last_step(property);
        properties.push_back(std::move(property));
    }
    return properties;
}

std::optional<std::string> xmp_value(_Xmp* packet, const char* space, const char* name) {
    const StringHandle value(xmp_string_new());
    std::uint32_t options = 0;
    if (!xmp_get_property(packet, space, name, value.get(), &options)) return std::nullopt;
    return text_of(value);
}

void set_xmp_value(_Xmp* packet, const char* space, const char* name, const std::string& value) {
    xmp_delete_property(packet, space, name);  // of another form, it would not be replaced
    xmp_set_property(packet, space, name, value.c_str(), 0);
}

}  // namespace keepsake::editor
