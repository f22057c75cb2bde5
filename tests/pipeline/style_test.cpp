// The house style, as far as a program can read it: the format, and what must not exist here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/pipeline/temporary_folder.h"
#include "tests/source_tree.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kFolders = {"pipeline", "optimize", "editor", "gui", "tests"};

// The code without comments and literals, which may say "friend" and "Manager".
std::string without_prose(std::string_view code) {
    std::string kept;
    const auto skip_past = [&](std::string_view end, std::size_t from) {
        const std::size_t at = code.find(end, from);
        code.remove_prefix(at == code.npos ? code.size() : at + end.size());
    };
    while (!code.empty()) {
        if (code.starts_with("//")) {
            skip_past("\n", 2);
        } else if (code.starts_with("/*")) {
            skip_past("*/", 2);
        } else if (code.starts_with("R\"")) {
            const std::string end = ")" + std::string(code.substr(2, code.find('(') - 2)) + "\"";
            skip_past(end, 2);
        } else if (code.front() == '"' || code.starts_with("'\"'")) {
            std::size_t at = 1;
            while (at < code.size() && code[at] != code.front()) at += code[at] == '\\' ? 2 : 1;
            code.remove_prefix(std::min(code.size(), at + 1));
        } else {
            kept += code.front();
            code.remove_prefix(1);
        }
    }
    return kept;
}

bool is_one_of(const std::string& word, const std::vector<std::string>& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// The names that promise nothing, in one source: types and namespaces, and `friend`.
std::vector<std::string> forbidden_words(const std::string& source) {
    std::string code = without_prose(source);
    for (char& c : code)
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') c = ' ';
    std::vector<std::string> found;
    std::istringstream words(code);
    for (std::string word, before; words >> word; before = word) {
        const bool named = is_one_of(
            before, {"class", "struct", "enum", "union", "namespace", "using", "concept"});
        const bool empty =
            word.ends_with("Manager") || word.ends_with("Service") || word.ends_with("Impl");
        if (word == "friend" || (named && empty)) found.push_back(before + ' ' + word);
    }
    return found;
}

std::vector<std::string> forbidden_names(const fs::path& root) {
    std::vector<std::string> found;
    for (const fs::path& source : sources_under(root, kFolders)) {
        const fs::path stem = fs::path(source).replace_extension();
        for (const fs::path& part : stem)
            if (is_one_of(part.string(), {"util", "utils", "common", "helper", "helpers"}))
                found.push_back(source.string());
        for (const std::string& words : forbidden_words(read_source(root / source)))
            found.push_back(source.string() + ": " + words);
    }
    return found;
}

TEST(Style, NoForbiddenNames) {
    EXPECT_GT(sources_under(KEEPSAKE_SOURCE, kFolders).size(), 40u);
    EXPECT_EQ(forbidden_names(KEEPSAKE_SOURCE), std::vector<std::string>{});
}

TEST(Style, APlantedNameIsFound) {
    struct Case {
        const char *file, *code;
        bool forbidden;
    };
    const Case cases[] = {
        {"pipeline/utils/a.cpp", "", true},
        {"editor/helpers.h", "", true},
        {"optimize/a.h", "struct WeightManager {};", true},
        {"optimize/a.h", "class SessionService;", true},
        {"gui/a.h", "struct Impl;", true},
        {"gui/a.h", "class A { friend class B; };", true},
        {"gui/a.h", "/* a friend */ // class BManager\nauto x = \"friend\";", false},
        {"gui/commonplace.h", "struct Implicit; at::CPUGeneratorImpl* generator;", false},
    };
    for (const Case& planted : cases) {
        SCOPED_TRACE(std::string(planted.file) + ": " + planted.code);
        const TemporaryFolder root;
        fs::create_directories((root.path / planted.file).parent_path());
        write_bytes(root.path / planted.file, planted.code);
        EXPECT_EQ(forbidden_names(root.path).size(), planted.forbidden ? 1u : 0u);
    }
}

TEST(Style, ClangFormatHasNothingToChange) {
    if (std::system("clang-format --version >/dev/null 2>&1") != 0)
        GTEST_SKIP() << "clang-format is not installed";
    std::string command = "cd '" KEEPSAKE_SOURCE "' && clang-format --dry-run -Werror";
    for (const fs::path& source : sources_under(KEEPSAKE_SOURCE, kFolders))
        command += " '" + source.string() + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << "run clang-format -i on the files named above";
}

// "-bugprone-x", as it stands in the list of checks, and "# -bugprone-x: why" above the list.
TEST(Style, EveryCheckOfClangTidyThatIsLeftOutHasItsReason) {
    const std::string file = read_source(fs::path(KEEPSAKE_SOURCE) / ".clang-tidy");
    const std::size_t list = file.find("Checks:");
    ASSERT_NE(list, file.npos);
    std::istringstream words(file.substr(list));
    int left_out = 0;
    for (std::string word; words >> word && word != "HeaderFilterRegex:";) {
        if (!word.starts_with("-") || word == "-*," || word == ">-") continue;
        if (word.ends_with(",")) word.pop_back();
        EXPECT_NE(file.substr(0, list).find("# " + word + ": "), file.npos) << word;
        ++left_out;
    }
    EXPECT_GT(left_out, 0);
}

}  // namespace
}  // namespace keepsake::testing
