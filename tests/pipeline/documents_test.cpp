// The paths that the documents name are those of the tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/pipeline/temporary_folder.h"
#include "tests/source_tree.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kFloors = {
    "pipeline", "optimize", "editor", "gui", "tests", "assets", "docs", "third_party", "packaging"};

// The files that people read about the tree: Markdown, and the scripts' own words.
std::vector<fs::path> documents(const fs::path& root) {
    std::vector<fs::path> found;
    const auto take = [&](const fs::path& path) {
        const std::string extension = path.extension().string();
        if (extension == ".md" || extension == ".py" || extension == ".sh") found.push_back(path);
    };
    for (const auto& entry : fs::directory_iterator(root))
        if (entry.is_regular_file()) take(entry.path());
    for (const std::string& floor : kFloors) {
        if (!fs::exists(root / floor)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / floor))
            if (entry.is_regular_file()) take(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
}

// Every name of a source or script in the tree, without its folder.
std::set<std::string> file_names(const fs::path& root) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(root))
        names.insert(entry.path().filename().string());
    for (const std::string& floor : kFloors) {
        if (!fs::exists(root / floor)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / floor))
            names.insert(entry.path().filename().string());
    }
    return names;
}

bool in_path(char c) {
    return std::string_view("/._<>-").find(c) != std::string_view::npos ||
           std::isalnum(static_cast<unsigned char>(c));
}

// The words of a text that look like paths.
std::vector<std::string> path_words(const std::string& text) {
    std::vector<std::string> words(1);
    for (const char c : text) {
        if (in_path(c))
            words.back() += c;
        else if (!words.back().empty())
            words.emplace_back();
    }
    for (std::string& word : words)
        while (!word.empty() && std::string_view("./-").find(word.back()) != std::string_view::npos)
            word.pop_back();
    return words;
}

// "a/b_<name>.cpp" is any "a/b_*.cpp".
bool exists_in(const fs::path& root, const std::string& word) {
    const std::size_t open = word.find('<');
    if (open == word.npos) return fs::exists(root / word);
    const std::size_t close = word.find('>', open);
    const fs::path before = word.substr(0, open);
    const std::string beginning = before.filename().string();
    if (close == word.npos || !fs::is_directory(root / before.parent_path())) return false;
    const std::string end = word.substr(close + 1);
    for (const auto& entry : fs::directory_iterator(root / before.parent_path())) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(beginning) && name.ends_with(end)) return true;
    }
    return false;
}

// Paths from the root of the tree that are not there: "document: path".
std::vector<std::string> missing_paths(const fs::path& root) {
    std::vector<std::string> missing;
    for (const fs::path& document : documents(root)) {
        for (const std::string& word : path_words(read_source(document))) {
            const std::string first = word.substr(0, word.find('/'));
            if (first == word || std::find(kFloors.begin(), kFloors.end(), first) == kFloors.end())
                continue;
            if (!exists_in(root, word))
                missing.push_back(fs::relative(document, root).string() + ": " + word);
        }
    }
    return missing;
}

// What stands between `open` and `close` on one line, each time.
std::vector<std::string> between(const std::string& text, const std::string& open, char close) {
    std::vector<std::string> found;
    for (std::size_t at = text.find(open); at != text.npos; at = text.find(open, at + 1)) {
        const std::size_t from = at + open.size();
        const std::size_t end = text.find_first_of(std::string{close, '\n'}, from);
        if (end != text.npos && text[end] == close) found.push_back(text.substr(from, end - from));
    }
    return found;
}

// Markdown's links to files that are not there, and `names.h` in code that no file has.
std::vector<std::string> missing_links(const fs::path& root) {
    const std::set<std::string> names = file_names(root);
    std::vector<std::string> missing;
    for (const fs::path& document : documents(root)) {
        if (document.extension() != ".md") continue;
        const std::string text = read_source(document);
        const std::string noun = fs::relative(document, root).string() + ": ";
        for (const std::string& link : between(text, "](", ')')) {
            const std::string file = link.substr(0, link.find('#'));
            if (link.find("://") == link.npos && !fs::exists(document.parent_path() / file))
                missing.push_back(noun + link);
        }
        for (const std::string& code : between(text, "`", '`')) {
            const std::string extension = fs::path(code).extension().string();
            const bool source = extension == ".h" || extension == ".cpp" || extension == ".py" ||
                                extension == ".sh";
            if (source && std::all_of(code.begin(), code.end(), in_path) &&
                code.find('/') == code.npos && !names.contains(code))
                missing.push_back(noun + code);
        }
    }
    return missing;
}

TEST(Documents, EveryPathIsInTheTree) {
    EXPECT_GT(documents(KEEPSAKE_SOURCE).size(), 20u);
    EXPECT_EQ(missing_paths(KEEPSAKE_SOURCE), std::vector<std::string>{});
    EXPECT_EQ(missing_links(KEEPSAKE_SOURCE), std::vector<std::string>{});
}

TEST(Documents, APathThatIsNotThereIsFound) {
    const TemporaryFolder root;
    fs::create_directories(root.path / "pipeline/files");
    fs::create_directories(root.path / "docs");
    write_bytes(root.path / "pipeline/files/a_one.h", "");
    write_bytes(root.path / "README.md",
                "`pipeline/files/a_one.h`, pipeline/a_one.h. `a_one.h` `a_two.h`, build/pipeline/x "
                "pipeline/files/a_<name>.h and pipeline/files/b_<name>.h\n"
                "[docs](docs/), [far](https://x.org/pipeline), [none](docs/none.md#here)\n");
    const std::vector<std::string> paths = {"README.md: pipeline/a_one.h",
                                            "README.md: pipeline/files/b_<name>.h",
                                            "README.md: docs/none.md"};
    const std::vector<std::string> links = {"README.md: docs/none.md#here", "README.md: a_two.h"};
    EXPECT_EQ(missing_paths(root.path), paths);
    EXPECT_EQ(missing_links(root.path), links);
}

}  // namespace
}  // namespace keepsake::testing
