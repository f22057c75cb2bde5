#include "editor/photo/metadata_fields.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "editor/photo/exif_block.h"
#include "editor/photo/exif_entries.h"
#include "editor/photo/icc_profile.h"
#include "editor/photo/iptc_block.h"
#include "editor/photo/png_text.h"
#include "editor/photo/xmp_packet.h"
#include "pipeline/files/fingerprint.h"

namespace keepsake::editor {
namespace {

using Fields = std::map<std::string, std::string>;

void add(Fields& fields, const std::string& name, const std::string& value) {
    const auto [field, first] = fields.emplace(name, value);
    if (!first) field->second += "; " + value;
}

std::string digest(std::string_view bytes) {
    return std::to_string(bytes.size()) + " bytes, " + fingerprint_of(bytes);
}

bool is_text(std::string_view bytes) {
    return std::ranges::all_of(bytes, [](char c) {
        const auto code = static_cast<unsigned char>(c);
        return code >= ' ' || code == '\t' || code == '\n' || code == '\r';
    });
}

// Bytes without the zeros that end or fill them, where the rest is text.
std::string text_or_digest(std::string_view bytes) {
    const std::size_t end = bytes.find_last_not_of('\0');
    const std::string_view text = bytes.substr(0, end == bytes.npos ? 0 : end + 1);
    return is_text(text) ? std::string(text) : digest(bytes);
}

std::string fraction(std::int64_t numerator, std::int64_t denominator) {
    const std::int64_t part = std::gcd(numerator, denominator);
    if (part > 1) {
        numerator /= part;
        denominator /= part;
    }
    return denominator == 1 ? std::to_string(numerator)
                            : std::to_string(numerator) + "/" + std::to_string(denominator);
}

// One of an entry's numbers; none for formats that hold no numbers.
std::optional<std::string> number_text(const unsigned char* at, ExifFormat format,
                                       ExifByteOrder order) {
    switch (format) {
        case EXIF_FORMAT_SHORT:
            return std::to_string(exif_get_short(at, order));
        case EXIF_FORMAT_SSHORT:
            return std::to_string(exif_get_sshort(at, order));
        case EXIF_FORMAT_LONG:
            return std::to_string(exif_get_long(at, order));
        case EXIF_FORMAT_SLONG:
            return std::to_string(exif_get_slong(at, order));
        case EXIF_FORMAT_RATIONAL: {
            const ExifRational value = exif_get_rational(at, order);
            return fraction(value.numerator, value.denominator);
        }
        case EXIF_FORMAT_SRATIONAL: {
            const ExifSRational value = exif_get_srational(at, order);
            return fraction(value.numerator, value.denominator);
        }
        default:
            return std::nullopt;
    }
}

std::string entry_text(const ExifEntry& entry, ExifByteOrder order) {
    const std::string_view bytes(reinterpret_cast<const char*>(entry.data), entry.size);
    const std::size_t size = exif_format_get_size(entry.format);
    constexpr std::size_t longest_list = 64;
    if (size == 0 || entry.size < entry.components * size || entry.components > longest_list ||
        !number_text(entry.data, entry.format, order)) {
        return text_or_digest(bytes);
    }
    std::string text;
    for (std::size_t i = 0; i < entry.components; ++i) {
        text += (i ? " " : "") + *number_text(entry.data + i * size, entry.format, order);
    }
    return text;
}

void add_exif(Fields& fields, std::string_view block) {
    if (block.empty()) return;
    const ExifHandle exif = parsed_exif(block);
    const ExifByteOrder order = exif_data_get_byte_order(exif.get());
    // The thumbnail's own directory tells of the thumbnail.
    static constexpr std::array directories = {
        std::pair{EXIF_IFD_0, "EXIF"}, std::pair{EXIF_IFD_EXIF, "EXIF"},
        std::pair{EXIF_IFD_GPS, "GPS"}, std::pair{EXIF_IFD_INTEROPERABILITY, "Interoperability"}};
    for (const auto& [directory, group] : directories) {
        const ExifContent* content = exif->ifd[directory];
        for (unsigned i = 0; i < content->count; ++i) {
            const ExifEntry& entry = *content->entries[i];
            if (!entry.data) continue;
            const char* known = exif_tag_get_name_in_ifd(entry.tag, directory);
            const std::string name = known ? known : "tag " + std::to_string(entry.tag);
            add(fields, std::string(group) + ":" + name, entry_text(entry, order));
        }
    }
    if (exif->data && exif->size > 0) {
        add(fields, "EXIF:Thumbnail", digest({reinterpret_cast<char*>(exif->data), exif->size}));
    }
}

void add_xmp(Fields& fields, std::string_view block) {
    if (block.empty()) return;
    const XmpHandle packet = parsed_xmp(block);
    if (!packet) return add(fields, "XMP that cannot be read", digest(block));
    for (const XmpProperty& property : xmp_properties(packet.get())) {
        if (!property.value.empty()) {
            add(fields, "XMP:" + property.path, text_or_digest(property.value));
        }
    }
}

// The names of IPTC-IIM 4.2's application record that newsrooms use.
std::string dataset_name(int record, int dataset) {
    static constexpr std::array names = {
        std::pair{5, "ObjectName"}, std::pair{15, "Category"},   std::pair{25, "Keywords"},
        std::pair{55, "Date"},      std::pair{60, "Time"},       std::pair{80, "By-line"},
        std::pair{90, "City"},      std::pair{101, "Country"},   std::pair{105, "Headline"},
        std::pair{110, "Credit"},   std::pair{116, "Copyright"}, std::pair{120, "Caption"},
    };
    std::string name = "IPTC:" + std::to_string(record) + ":" + std::to_string(dataset);
    const auto known = std::ranges::find(names, dataset, [](const auto& one) { return one.first; });
    if (record == 2 && known != names.end()) name += " " + std::string(known->second);
    return name;
}

// Datasets: a marker, record, number, a size of two bytes (a larger one is of a form that no
// newsroom writes: what follows is one field), content.
void add_iptc(Fields& fields, std::string_view records) {
    constexpr std::size_t head = 5;
    while (records.size() >= head && records[0] == '\x1c') {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(records[i]); };
        const std::size_t size = std::size_t(byte(3)) << 8 | byte(4);
        if (size > records.size() - head) break;
        add(fields, dataset_name(byte(1), byte(2)), text_or_digest(records.substr(head, size)));
        records.remove_prefix(head + size);
    }
    const std::size_t end = records.find_last_not_of('\0');
    if (end != records.npos) add(fields, "IPTC that cannot be read", digest(records));
}

void* add_png_text(VipsImage*, const char* name, GValue* value, void* to) {
    const std::string keyword = png_keyword(name);
    // A profile's hexadecimal copy is compared as what it is a copy of.
    if (!keyword.empty() && G_VALUE_TYPE(value) == VIPS_TYPE_REF_STRING) {
        add(*static_cast<Fields*>(to), "PNG:" + keyword,
            text_or_digest(vips_value_get_ref_string(value, nullptr)));
    }
    return nullptr;
}

}  // namespace

std::map<std::string, std::string> metadata_fields(VipsImage* image) {
    Fields fields;
    add_exif(fields, exif_block(image));
    add_xmp(fields, metadata_block(image, VIPS_META_XMP_NAME));
    const std::string_view iptc = metadata_block(image, VIPS_META_IPTC_NAME);
    add_iptc(fields, bare_iptc(iptc));
    vips_image_map(image, add_png_text, &fields);
    return fields;
}

std::string profile_name(std::string_view bytes) {
    const std::unique_ptr<void, void (*)(void*)> profile(
        cmsOpenProfileFromMem(bytes.data(), static_cast<cmsUInt32Number>(bytes.size())),
        [](void* opened) {
            if (opened) cmsCloseProfile(opened);
        });
    if (!profile) return {};
    std::array<char, 256> text{};
    cmsGetProfileInfoASCII(profile.get(), cmsInfoDescription, "en", "US", text.data(),
                           static_cast<cmsUInt32Number>(text.size()));
    return text.data();
}

}  // namespace keepsake::editor
