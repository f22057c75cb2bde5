#include "editor/session/line_file.h"

#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

using editor::FileLine;

class LineFile : public ::testing::Test {
  protected:
    std::vector<FileLine> read(const std::string& text, std::size_t most = 3) const {
        write_bytes(path, text);
        return editor::read_line_file(path, {"prompt", "prompts", most, 1 << 20});
    }
    std::string refusal(const std::string& text, std::size_t most = 3) const {
        return thrown_message<Error>([&] { read(text, most); });
    }
    const TemporaryFolder folder;
    const std::filesystem::path path = folder.path / "lines.txt";
};

TEST_F(LineFile, LinesWithoutSpacesEmptyOnesAndComments) {
    const std::vector<FileLine> lines = read("# two\n\n a rose \r\n\t\n  # more\na \xff daisy");
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].number, 3);
    EXPECT_EQ(lines[0].text, "a rose");
    EXPECT_EQ(lines[1].number, 6);
    EXPECT_EQ(lines[1].text, "a \xEF\xBF\xBD daisy");
}

TEST_F(LineFile, WhatIsTooMuchOrNothingIsRefusedByName) {
    EXPECT_EQ(refusal("# nothing\n\n"), path.string() + ": holds no prompt");
    EXPECT_EQ(refusal("a\nb\nc\nd\n"), path.string() + ": holds more than 3 prompts");
    EXPECT_EQ(refusal(std::string((1 << 20) + 1, 'a')),
              path.string() + ": is longer than 1 MiB; it is to hold a prompt a line");
    EXPECT_EQ(read("a\nb\nc").size(), 3u);
}

}  // namespace
}  // namespace keepsake::testing
