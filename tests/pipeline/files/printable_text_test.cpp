#include "pipeline/files/printable_text.h"

#include <gtest/gtest.h>

namespace keepsake {
namespace {

TEST(PrintableText, PassesText) {
    const std::string text = "a line\n\tñ 日本 👩\u200d🚀 \\x1b";
    EXPECT_EQ(printable(text), text);
}

TEST(PrintableText, SpellsOutWhatTerminalsObey) {
    EXPECT_EQ(printable("\x1b[31mred\x07\r\x7f"), "\\x1b[31mred\\x07\\x0d\\x7f");
    EXPECT_EQ(printable("\u009b2J \u202egpj.exe\u2028"), "\\x9b2J \\u202egpj.exe\\u2028");
    EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
    EXPECT_EQ(printable("\x9b"
                        "2J \xff"),
              "\ufffd"
              "2J \ufffd");
}

TEST(PrintableText, IsCutAndSaysSo) {
    EXPECT_EQ(printable("abcdef", 4), "abcd... (2 bytes more)");
    EXPECT_EQ(printable("abcé", 4), "abc... (2 bytes more)");
    EXPECT_EQ(printable("abcd", 4), "abcd");
}

}  // namespace
}  // namespace keepsake
