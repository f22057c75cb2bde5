#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "editor/edit/caption.h"

namespace keepsake::editor {
namespace {

// How captions begin that say no more than that there is a picture.
constexpr std::array<std::string_view, 9> openings = {
    "there is ", "there are ",  "a picture of ", "an image of ",      "a close up picture of ",
    "this is ",  "picture of ", "image of ",     "the picture shows "};
// No English word: from the file names of a training set.
constexpr std::array<std::string_view, 3> strays = {"arafed ", "araffes ", "araffe "};
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> blanks = {{
    {" ' s ", "'s "},
    {" ' t ", "'t "},
    {" ' re ", "'re "},
    {" ' ve ", "'ve "},
    {" ' ll ", "'ll "},
    {" - ", "-"},
    {"  ", " "},
}};

// Until none is left: what is put in is looked at again.
void replace_while_there(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at))
        text.replace(at, from.size(), to);
}

std::string without_strays(std::string text) {
    for (const std::string_view stray : strays) {
        while (text.starts_with(stray)) text.erase(0, stray.size());
        replace_while_there(text, " " + std::string(stray), " ");
    }
    return text;
}

}  // namespace

std::string tidy_caption(const std::string& caption, const std::string& prompt) {
    const bool begins = !prompt.empty() && caption.starts_with(prompt);
    std::string text = caption.substr(begins ? prompt.size() : 0) + " ";
    for (const auto& [from, to] : blanks) replace_while_there(text, from, to);
    if (!begins) {
        text = without_strays(std::move(text));
        for (const std::string_view opening : openings)
            if (text.starts_with(opening) && text.size() > opening.size())
                text.erase(0, opening.size());
    }
    text = (begins ? prompt : std::string()) + without_strays(std::move(text));
    const std::size_t first = text.find_first_not_of(' ');
    return first == text.npos ? caption
                              : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace keepsake::editor
