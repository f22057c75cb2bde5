#include "editor/session/picture_captions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/text_parts.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array file_names = {"file_name", "image", "file"};
constexpr std::array text_names = {"text", "caption", "prompt"};
constexpr std::int64_t most_repeats = 100'000;
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

void drop_byte_order_mark(std::string& text) {
    if (text.starts_with(byte_order_mark)) text.erase(0, byte_order_mark.size());
}

std::string read_limited(const fs::path& path, std::uintmax_t most) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(path, error);
    if (!error && size > most)
        throw Error(path.string(), "is " + std::to_string(size) + " bytes; captions are at most " +
                                       std::to_string(most));
    std::string text = read_file(path);
    drop_byte_order_mark(text);
    return text;
}

constexpr std::uintmax_t longest_list = std::uintmax_t{256} << 20;

std::string at_line(const fs::path& path, std::int64_t line, const std::string& why) {
    return path.filename().string() + " line " + std::to_string(line) + ": " + why;
}

// The value under the first of `names` that is there.
template <class Names>
const json* find_field(const json& object, const Names& names) {
    for (const char* name : names)
        if (const auto found = object.find(name); found != object.end()) return &*found;
    return nullptr;
}

// A text, or a list of texts; empty for anything else.
std::vector<std::string> texts_of(const json& value) {
    std::vector<std::string> texts;
    const auto add = [&](const json& one) {
        if (one.is_string())
            texts.push_back(checked_utf8(std::string(trimmed(one.get_ref<const std::string&>()))));
    };
    if (value.is_array())
        for (const json& one : value) add(one);
    else
        add(value);
    std::erase(texts, "");
    return texts;
}

// What is no number of that range is passed over.
std::int64_t repeats_in(const json& object) {
    const auto found = object.find("repeats");
    if (found == object.end() || !found->is_number_integer()) return 1;
    const auto repeats = found->get<std::int64_t>();
    return repeats >= 1 && repeats <= most_repeats ? repeats : 1;
}

// RFC 4180's rows, with the line on which each begins.
struct CsvRow {
    std::vector<std::string> fields;
    std::int64_t line = 1;
};

std::vector<CsvRow> csv_rows(const std::string& text) {
    std::vector<CsvRow> rows;
    CsvRow row;
    std::string field;
    std::int64_t line = 1;
    bool quoted = false, any = false;
    const auto end_field = [&] {
        row.fields.push_back(std::move(field));
        field.clear();
    };
    const auto end_row = [&] {
        if (any || !row.fields.empty()) {
            end_field();
            rows.push_back(std::move(row));
        }
        any = false;
        row = {{}, line + 1};
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c != '"')
                field += c;
            else if (i + 1 < text.size() && text[i + 1] == '"')
                field += text[++i];
            else
                quoted = false;
        } else if (c == '"' && field.empty()) {
            quoted = any = true;
        } else if (c == ',') {
            end_field();
            any = true;
        } else if (c == '\n') {
            end_row();
        } else if (c != '\r') {
            field += c;
            any = true;
        }
        if (c == '\n') ++line;
    }
    end_row();
    return rows;
}

template <class Names>
std::optional<std::size_t> column_of(const CsvRow& head, const Names& names) {
    for (const char* name : names)
        for (std::size_t i = 0; i < head.fields.size(); ++i)
            if (trimmed(head.fields[i]) == name) return i;
    return std::nullopt;
}

}  // namespace

std::optional<RepeatsFolder> parse_repeats_folder(const std::string& name) {
    const std::string number = name.substr(0, name.find('_'));
    RepeatsFolder folder;
    const auto [end, code] =
        std::from_chars(number.data(), number.data() + number.size(), folder.repeats);
    if (code != std::errc() || end != number.data() + number.size() || folder.repeats < 1 ||
        folder.repeats > most_repeats)
        return std::nullopt;
    if (number.size() < name.size())
        folder.class_tokens =
            checked_utf8(std::string(trimmed(std::string_view(name).substr(number.size() + 1))));
    return folder;
}

std::vector<CaptionLine> read_caption_jsonl(const fs::path& path,
                                            std::vector<std::string>& remarks) {
    const std::string text = read_limited(path, longest_list);
    const JsonLimits limits{std::size_t{1} << 20, 16};
    std::vector<CaptionLine> lines;
    std::int64_t number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string line(trimmed(std::string_view(text).substr(begin, end - begin)));
        begin = end + 1;
        ++number;
        if (line.empty()) continue;
        try {
            const json object = parse_json(line, at_line(path, number, "it"), limits);
            const json* file = object.is_object() ? find_field(object, file_names) : nullptr;
            const json* said = object.is_object() ? find_field(object, text_names) : nullptr;
            if (!file || !file->is_string() || !said)
                remarks.push_back(at_line(path, number, "has no file_name and text; left out"));
            else
                lines.push_back(
                    {file->get<std::string>(), texts_of(*said), number, repeats_in(object)});
        } catch (const Error& error) {
            remarks.push_back(std::string(error.what()) + "; left out");
        }
    }
    return lines;
}

std::vector<CaptionLine> read_caption_csv(const fs::path& path, std::vector<std::string>& remarks) {
    const std::vector<CsvRow> rows = csv_rows(read_limited(path, longest_list));
    const CsvRow none;
    const CsvRow& head = rows.empty() ? none : rows.front();
    const auto file = column_of(head, file_names), said = column_of(head, text_names);
    if (!file || !said)
        throw Error(path.string(),
                    "its first row names no column file_name and no column text (or image, "
                    "caption): that is how pictures and captions are found");
    std::vector<CaptionLine> lines;
    for (std::size_t i = 1; i < rows.size(); ++i) {
        const CsvRow& row = rows[i];
        if (row.fields.size() <= std::max(*file, *said)) {
            remarks.push_back(at_line(path, row.line, "has too few columns; left out"));
            continue;
        }
        CaptionLine line{std::string(trimmed(row.fields[*file])), {}, row.line};
        if (const std::string caption = checked_utf8(std::string(trimmed(row.fields[*said])));
            !caption.empty())
            line.captions.push_back(caption);
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string caption_in(std::string text) {
    drop_byte_order_mark(text);
    // What comes first may be empty lines, as editors leave them.
    const std::string_view all = trimmed(text);
    return checked_utf8(std::string(trimmed(all.substr(0, all.find('\n')))));
}

std::string read_caption_file(const fs::path& path) {
    return caption_in(read_limited(path, std::uintmax_t{1} << 20));
}

}  // namespace keepsake::editor
