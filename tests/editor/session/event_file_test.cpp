#include "editor/session/event_file.h"

#include <gtest/gtest.h>

#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

TEST(EventFile, Crc32cIsThatOfTheStandard) {
    EXPECT_EQ(crc32c(""), 0U);
    EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);  // RFC 3720, B.4
}

// tests/goldens/make_event_goldens.py
TEST(EventFile, IsWhatTensorBoardWrites) {
    const std::string bytes = event_file({{"evaluation", 0, 0.5F},
                                          {"loss", 1, 0.25F},
                                          {"rate", 1, 1e-4F},
                                          {"loss", 300, -2.5F},
                                          {"loss", 20000, 1e30F}},
                                         1764532800.5);
    std::string hex;
    for (const char byte : bytes) {
        const auto value = static_cast<unsigned char>(byte);
        hex += "0123456789abcdef"[value >> 4];
        hex += "0123456789abcdef"[value & 15];
    }
    EXPECT_EQ(hex + "\n", read_file(KEEPSAKE_GOLDENS "/events.hex"));
}

}  // namespace
}  // namespace keepsake::editor
