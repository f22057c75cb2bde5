#include "editor/photo/png_text.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "editor/photo/png_chunks.h"

namespace keepsake::editor {
namespace {

constexpr std::string_view field_prefix = "png-comment-";
// What libvips sets in place of text that is not UTF-8.
constexpr std::string_view unread = "<invalid utf-8 string>";

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string from_latin1(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (code < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xc0 | code >> 6);
            out += static_cast<char>(0x80 | (code & 0x3f));
        }
    }
    return out;
}

struct Bytes {
    std::string_view left;
};

void read_bytes(png_structp png, png_bytep to, png_size_t size) {
    auto& bytes = *static_cast<Bytes*>(png_get_io_ptr(png));
    if (size > bytes.left.size()) png_error(png, "ends too early");
    std::memcpy(to, bytes.left.data(), size);
    bytes.left.remove_prefix(size);
}

[[noreturn]] void leave(png_structp png, png_const_charp) {
    png_longjmp(png, 1);
}

void say_nothing(png_structp, png_const_charp) {}

// No object with a destructor lives in it: longjmp passes it by. False for a damaged file, whose
// texts so far are in `info` all the same.
bool read_info(png_structp png, png_infop info, Bytes* bytes) {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    png_set_read_fn(png, bytes, read_bytes);
    png_read_info(png, info);
    return true;
}

// The Latin-1 texts before the picture that are not ASCII.
std::vector<PngText> latin_texts(std::string_view file) {
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, leave, say_nothing);
    png_infop info = png ? png_create_info_struct(png) : nullptr;
    std::vector<PngText> texts;
    Bytes bytes{file};
    if (info && read_info(png, info, &bytes)) {
        png_textp found = nullptr;
        const int count = png_get_text(png, info, &found, nullptr);
        for (int i = 0; i < count; ++i) {
            const std::string_view text(found[i].text ? found[i].text : "");
            const bool latin = found[i].compression < PNG_ITXT_COMPRESSION_NONE;
            if (latin && !is_ascii(text)) texts.push_back({found[i].key, from_latin1(text)});
        }
    }
    png_destroy_read_struct(&png, &info, nullptr);
    return texts;
}

struct Field {
    std::string name, text;
};

void* add_text_field(VipsImage*, const char* name, GValue* value, void* to) {
    if (g_str_has_prefix(name, "png-comment-") && G_VALUE_TYPE(value) == VIPS_TYPE_REF_STRING) {
        static_cast<std::vector<Field>*>(to)->push_back(
            {name, vips_value_get_ref_string(value, nullptr)});
    }
    return nullptr;
}

std::vector<Field> text_fields(VipsImage* image) {
    std::vector<Field> fields;
    vips_image_map(image, add_text_field, &fields);
    return fields;
}

}  // namespace

std::string png_keyword(std::string_view field) {
    if (!field.starts_with(field_prefix)) return {};
    const std::size_t dash = field.find('-', field_prefix.size());
    return dash == field.npos ? std::string() : std::string(field.substr(dash + 1));
}

void read_latin_text(VipsImage* image, std::string_view png) {
    std::vector<Field> fields = text_fields(image);
    std::erase_if(fields, [](const Field& field) { return field.text != unread; });
    if (fields.empty()) return;
    for (const PngText& text : latin_texts(png)) {
        const auto field = std::ranges::find_if(fields, [&](const Field& candidate) {
            return png_keyword(candidate.name) == text.keyword;
        });
        if (field == fields.end()) continue;
        vips_image_set_string(image, field->name.c_str(), text.text.c_str());
        fields.erase(field);
    }
}

std::vector<PngText> take_unicode_text(VipsImage* image) {
    std::vector<PngText> texts;
    for (const Field& field : text_fields(image)) {
        const std::string keyword = png_keyword(field.name);
        if (is_ascii(field.text) || !is_ascii(keyword) || keyword.empty()) continue;
        texts.push_back({keyword, field.text});
        vips_image_remove(image, field.name.c_str());
    }
    return texts;
}

std::string png_with_text(std::string png, const std::vector<PngText>& texts) {
    std::string chunks;
    for (const PngText& text : texts) {
        // Keyword; not compressed; no language, no translated keyword.
        const std::string content = text.keyword + std::string(5, '\0') + text.text;
        chunks += png_chunk_of("iTXt", content);
    }
    return chunks.empty() ? png : png.insert(png_head, chunks);
}

}  // namespace keepsake::editor
