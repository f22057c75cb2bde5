#include "editor/session/sample_prompts.h"

#include <charconv>
#include <cmath>
#include <sstream>

#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

std::string stripped(const std::string& text) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

template <class Number>
Number number_of(const std::string& text, const std::string& option, const std::string& source) {
    Number number{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size())
        throw Error(source, "--" + option + " '" + checked_utf8(text) + "' is no number");
    return number;
}

int side_of(const std::string& text, const std::string& option, const std::string& source) {
    const int side = number_of<int>(text, option, source);
    if (side < 16 || side > 4096)
        throw Error(source, "--" + option + " " + text + " is not between 16 and 4096 pixels");
    return side;
}

// "w 512" of "a prompt --w 512".
void read_option(const std::string& text, const std::string& source, SamplePrompt& prompt,
                 std::vector<std::string>& remarks) {
    const std::size_t space = text.find(' ');
    const std::string option = text.substr(0, space);
    const std::string value = space == text.npos ? "" : stripped(text.substr(space));
    if (option == "w") {
        prompt.width = side_of(value, option, source);
    } else if (option == "h") {
        prompt.height = side_of(value, option, source);
    } else if (option == "d") {
        prompt.seed = number_of<std::uint64_t>(value, option, source);
    } else if (option == "s") {
        prompt.sample.steps = number_of<int>(value, option, source);
        if (*prompt.sample.steps < 1 || *prompt.sample.steps > 1000)
            throw Error(source, "--s " + value + " is not between 1 and 1000 steps");
    } else if (option == "l") {
        prompt.sample.guidance_scale = number_of<double>(value, option, source);
        if (!(*prompt.sample.guidance_scale >= 0 && *prompt.sample.guidance_scale <= 100))
            throw Error(source, "--l " + value + " is not between 0 and 100");
    } else if (option == "n") {
        prompt.sample.negative_prompt = checked_utf8(value);
    } else if (option == "ss") {
        try {
            prompt.sample.sampler = pipeline::parse_sampler(value);
        } catch (const Error& error) {
            throw Error(source, std::string("--ss: ") + error.what());
        }
    } else {
        remarks.push_back(source + ": --" + checked_utf8(option) + " has no meaning here");
    }
}

}  // namespace

SamplePrompt parse_sample_prompt(const std::string& line, const std::string& source,
                                 std::vector<std::string>& remarks) {
    SamplePrompt prompt;
    std::size_t end = line.find(" --");
    prompt.prompt = checked_utf8(stripped(line.substr(0, end)));
    if (prompt.prompt.empty()) throw Error(source, "has no prompt before its options");
    while (end != line.npos) {
        const std::size_t begin = end + 3;
        end = line.find(" --", begin);
        read_option(stripped(line.substr(begin, end == line.npos ? end : end - begin)), source,
                    prompt, remarks);
    }
    return prompt;
}

std::vector<SamplePrompt> read_sample_prompts(const std::filesystem::path& path,
                                              std::vector<std::string>& remarks) {
    constexpr std::size_t most = 64;
    std::error_code error;
    if (const auto size = std::filesystem::file_size(path, error); !error && size > (1u << 20))
        throw Error(path.string(), "is longer than 1 MiB; it is to hold a prompt a line");
    std::istringstream text(read_file(path));
    std::vector<SamplePrompt> prompts;
    int number = 0;
    for (std::string line; std::getline(text, line);) {
        ++number;
        line = stripped(line);
        if (line.empty() || line.starts_with("#")) continue;
        prompts.push_back(
            parse_sample_prompt(line, path.string() + " line " + std::to_string(number), remarks));
        if (prompts.size() > most) throw Error(path.string(), "holds more than 64 prompts");
    }
    if (prompts.empty()) throw Error(path.string(), "holds no prompt");
    return prompts;
}

}  // namespace keepsake::editor
