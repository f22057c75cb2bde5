#include "pipeline/files/fingerprint.h"

#include <gtest/gtest.h>

namespace keepsake {
namespace {

// The values of draft-eastlake-fnv.
TEST(Fingerprint, IsFnv1a) {
    EXPECT_EQ(fingerprint_of(""), "cbf29ce484222325");
    EXPECT_EQ(fingerprint_of("a"), "af63dc4c8601ec8c");
    EXPECT_EQ(fingerprint_of("foobar"), "85944171f73967e8");
}

TEST(Fingerprint, PartsCount) {
    const auto of = [](std::string_view a, std::string_view b) {
        Fingerprint fingerprint;
        fingerprint.add(a);
        fingerprint.end_part();
        fingerprint.add(b);
        fingerprint.end_part();
        return fingerprint.text();
    };
    EXPECT_NE(of("ab", "c"), of("a", "bc"));
    EXPECT_NE(of("", "a"), of("a", ""));
}

}  // namespace
}  // namespace keepsake
