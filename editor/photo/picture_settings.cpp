#include "editor/photo/picture_settings.h"

#include "editor/photo/decode_photo.h"
#include "editor/photo/exif_block.h"
#include "editor/photo/exif_entries.h"
#include "editor/photo/photo.h"
#include "editor/photo/png_text.h"
#include "editor/photo/vips_image.h"
#include "editor/photo/xmp.h"

namespace keepsake::editor {
namespace {

constexpr int user_comment_tag = 0x9286;
constexpr std::size_t code_size = 8;
constexpr std::string_view unicode_code("UNICODE\0", code_size);
constexpr std::string_view ascii_code("ASCII\0\0\0", code_size);

void append_utf8(std::string& text, std::uint32_t code) {
    const auto byte = [&](std::uint32_t value) { text += static_cast<char>(value); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xc0 | code >> 6);
        byte(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        byte(0xe0 | code >> 12);
        byte(0x80 | (code >> 6 & 0x3f));
        byte(0x80 | (code & 0x3f));
    } else {
        byte(0xf0 | code >> 18);
        byte(0x80 | (code >> 12 & 0x3f));
        byte(0x80 | (code >> 6 & 0x3f));
        byte(0x80 | (code & 0x3f));
    }
}

// Letters of most texts have a zero in their upper byte.
bool is_little_endian(std::string_view& utf16) {
    if (utf16.starts_with("\xff\xfe") || utf16.starts_with("\xfe\xff")) {
        const bool little = utf16[0] == '\xff';
        utf16.remove_prefix(2);
        return little;
    }
    std::size_t upper_first = 0, upper_last = 0;
    for (std::size_t i = 0; i + 1 < utf16.size(); i += 2) {
        upper_first += utf16[i] == 0;
        upper_last += utf16[i + 1] == 0;
    }
    return upper_last > upper_first;
}

std::string from_utf16(std::string_view utf16) {
    const bool little = is_little_endian(utf16);
    const auto unit = [&](std::size_t at) -> std::uint32_t {
        const auto first = static_cast<unsigned char>(utf16[at]);
        const auto second = static_cast<unsigned char>(utf16[at + 1]);
        return little ? second << 8 | first : first << 8 | second;
    };
    constexpr std::uint32_t replacement = 0xfffd;
    std::string text;
    for (std::size_t at = 0; at + 1 < utf16.size(); at += 2) {
        std::uint32_t code = unit(at);
        const bool high = code >= 0xd800 && code < 0xdc00, low = code >= 0xdc00 && code < 0xe000;
        if (high && at + 3 < utf16.size() && unit(at + 2) >= 0xdc00 && unit(at + 2) < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (unit(at + 2) - 0xdc00);
            at += 2;
        } else if (high || low) {
            code = replacement;
        }
        if (code != 0) append_utf8(text, code);
    }
    return text;
}

// The first code point of UTF-8, and takes it off; what is malformed is U+FFFD.
std::uint32_t take_code(std::string_view& text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::uint32_t first = byte(0);
    const std::size_t length = first < 0x80            ? 1
                               : first >> 5 == 0b110   ? 2
                               : first >> 4 == 0b1110  ? 3
                               : first >> 3 == 0b11110 ? 4
                                                       : 0;
    bool whole = length > 0 && length <= text.size();
    std::uint32_t code = length < 2 ? first : first & (0x7fU >> length);
    for (std::size_t i = 1; whole && i < length; ++i) {
        whole = byte(i) >> 6 == 0b10;
        code = code << 6 | (byte(i) & 0x3fU);
    }
    const bool allowed = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    text.remove_prefix(whole ? length : 1);
    return whole && allowed ? code : 0xfffd;
}

std::string user_comment_of(std::string_view block) {
    if (block.empty()) return {};
    const ExifHandle exif = parsed_exif(block);
    for (const ExifIfd directory : {EXIF_IFD_EXIF, EXIF_IFD_0}) {
        const ExifEntry* entry =
            exif_content_get_entry(exif->ifd[directory], static_cast<ExifTag>(user_comment_tag));
        if (entry && entry->data) {
            return read_user_comment({reinterpret_cast<const char*>(entry->data), entry->size});
        }
    }
    return {};
}

struct Texts {
    std::string parameters, graph, invokeai;
};

void* take_text(VipsImage*, const char* name, GValue* value, void* to) {
    const std::string keyword = png_keyword(name);
    if (keyword.empty() || G_VALUE_TYPE(value) != VIPS_TYPE_REF_STRING) return nullptr;
    auto& texts = *static_cast<Texts*>(to);
    const char* text = vips_value_get_ref_string(value, nullptr);
    if (keyword == "parameters") texts.parameters = text;
    if (keyword == "prompt") texts.graph = text;
    if (keyword == "invokeai_metadata") texts.invokeai = text;
    return nullptr;
}

}  // namespace

std::string read_user_comment(std::string_view comment) {
    if (comment.starts_with(unicode_code)) return from_utf16(comment.substr(code_size));
    if (comment.starts_with(ascii_code) ||
        comment.starts_with(std::string_view("\0\0\0\0\0\0\0\0", code_size)))
        comment.remove_prefix(code_size);
    const std::size_t end = comment.find('\0');
    return std::string(comment.substr(0, end));
}

std::string unicode_user_comment(std::string_view text) {
    std::string comment(unicode_code);
    const auto unit = [&](std::uint32_t value) {
        comment += static_cast<char>(value >> 8);
        comment += static_cast<char>(value & 0xff);
    };
    while (!text.empty()) {
        const std::uint32_t code = take_code(text);
        if (code >= 0x10000) {
            unit(0xd800 + ((code - 0x10000) >> 10));
            unit(0xdc00 + ((code - 0x10000) & 0x3ff));
        } else {
            unit(code);
        }
    }
    return comment;
}

std::string exif_with_comment(std::string_view text, std::string_view block) {
    // Cameras write one of nothing but blanks.
    if (user_comment_of(block).find_first_not_of(' ') != std::string::npos)
        return std::string(block);
    const ExifHandle exif = block.empty() ? new_exif() : parsed_exif(block);
    for (const ExifIfd directory : {EXIF_IFD_EXIF, EXIF_IFD_0}) {
        ExifContent* content = exif->ifd[directory];
        ExifEntry* entry = exif_content_get_entry(content, static_cast<ExifTag>(user_comment_tag));
        if (entry) exif_content_remove_entry(content, entry);
    }
    const std::string comment = unicode_user_comment(text);
    add_exif_entry(exif.get(), EXIF_IFD_EXIF, user_comment_tag, EXIF_FORMAT_UNDEFINED,
                   comment.size(), comment);
    return exif_bytes(exif.get());
}

std::optional<GenerationSettings> read_picture_settings(const std::filesystem::path& path) {
    const Photo photo = read_photo_file(path);
    const VipsHandle image = decode_upright(photo);
    Texts texts;
    vips_image_map(image.get(), take_text, &texts);
    if (texts.parameters.empty()) {
        const std::string comment = user_comment_of(exif_block(image.get()));
        if (is_generation_text(comment)) texts.parameters = comment;
    }
    if (!texts.parameters.empty()) return read_a1111_parameters(texts.parameters);
    if (!texts.graph.empty()) {
        if (auto settings = read_comfyui_graph(texts.graph)) return settings;
    }
    if (!texts.invokeai.empty()) return read_invokeai_metadata(texts.invokeai);
    return std::nullopt;
}

}  // namespace keepsake::editor
