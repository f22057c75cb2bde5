// What people keep beside their pictures to say what these show: text files, metadata.jsonl
// (Hugging Face's imagefolder), CSV, and kohya's folder names. All of it is a stranger's: limits on
// size, and malformed UTF-8 is replaced.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keepsake::editor {

// "<repeats>_<class tokens>", kohya's name of a folder: "10_sks dog" is repeated 10 times a round
// and shows a "sks dog"; further underscores are part of the tokens ("5_a_b": "a_b"), which may be
// missing ("3_", "3").
struct RepeatsFolder {
    std::int64_t repeats = 1;  // 1 to 100,000
    std::string class_tokens;
};
// None where the name does not begin with a number of that range that ends at an underscore or the
// name's end.
std::optional<RepeatsFolder> parse_repeats_folder(const std::string& name);

// One line of a list of captions.
struct CaptionLine {
    std::string file;                   // relative to the list's folder, as it stands there
    std::vector<std::string> captions;  // several where the line has a list of them
    std::int64_t line = 0;              // from 1, for remarks
    std::int64_t repeats = 1;           // in a round, 1 to 100,000
};

// JSON Lines: {"file_name": "a/0001.png", "text": "..."}; "image" or "file" for the first,
// "caption" or "prompt" for the second, which may be a list; and "repeats", ours. Each line that is
// none of this becomes one of `remarks`. Throws Error naming the file when it cannot be read or is
// longer than 256 MiB.
std::vector<CaptionLine> read_caption_jsonl(const std::filesystem::path& path,
                                            std::vector<std::string>& remarks);

// Comma-separated (RFC 4180: quotes, line breaks in quotes), with a first row of names as above.
// Throws Error naming the file as above, or when it lacks one of the two columns.
std::vector<CaptionLine> read_caption_csv(const std::filesystem::path& path,
                                          std::vector<std::string>& remarks);

// The first line that has anything in it, without the spaces around it and malformed UTF-8
// replaced, as kohya's scripts read a caption's text. Empty where there is none.
std::string caption_in(std::string text);
// That of a text file. Throws Error naming the file when it cannot be read or is longer
// than 1 MiB.
std::string read_caption_file(const std::filesystem::path& path);

}  // namespace keepsake::editor
