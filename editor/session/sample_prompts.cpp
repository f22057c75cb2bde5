#include "editor/session/sample_prompts.h"

#include <charconv>
#include <cmath>

#include "editor/session/line_file.h"
#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/text_parts.h"

namespace keepsake::editor {
namespace {

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
    const std::string value(trimmed(std::string_view(text).substr(option.size())));
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
    prompt.prompt = checked_utf8(std::string(trimmed(std::string_view(line).substr(0, end))));
    if (prompt.prompt.empty()) throw Error(source, "has no prompt before its options");
    while (end != line.npos) {
        const std::size_t begin = end + 3;
        end = line.find(" --", begin);
        const std::string_view option = std::string_view(line).substr(begin, end - begin);
        read_option(std::string(trimmed(option)), source, prompt, remarks);
    }
    return prompt;
}

std::vector<SamplePrompt> read_sample_prompts(const std::filesystem::path& path,
                                              std::vector<std::string>& remarks) {
    std::vector<SamplePrompt> prompts;
    for (const FileLine& line : read_line_file(path, {"prompt", "prompts", 64, 1 << 20})) {
        const std::string source = path.string() + " line " + std::to_string(line.number);
        prompts.push_back(parse_sample_prompt(line.text, source, remarks));
    }
    return prompts;
}

}  // namespace keepsake::editor
