// How often a window is told of what changes all the time.
#include "editor/workbench/work_progress.h"

#include <gtest/gtest.h>

#include <thread>

namespace keepsake::testing {
namespace {

TEST(Pace, IsNotFasterThanOneCanLook) {
    editor::Pace pace;
    EXPECT_TRUE(pace.is_time()) << "the first is shown at once";
    int shown = 0, asked = 0;
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(400)) {
        ++asked;
        shown += pace.is_time();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_LE(shown, 3);
    EXPECT_GE(shown, asked > 100 ? 1 : 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(160));
    EXPECT_TRUE(pace.is_time()) << "after a rest at once";
}

}  // namespace
}  // namespace keepsake::testing
