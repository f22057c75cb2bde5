#include "editor/commands/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

namespace keepsake::testing {
namespace {

using editor::Interrupt;

// The exit status of a child that has an Interrupt and is sent SIGTERM.
int status_of_child(bool listens) {
    const auto child = ::fork();
    if (child == 0) {
        const Interrupt interrupt;
        std::stop_token token;
        if (listens) token = interrupt.token();
        ::kill(::getpid(), SIGTERM);
        for (int i = 0; i < 500 && !token.stop_requested(); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        ::_exit(token.stop_requested() ? 1 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

TEST(Interrupt, AsksWhoListensAndEndsWhoDoesNot) {
    EXPECT_EQ(status_of_child(true), 1);
    EXPECT_EQ(status_of_child(false), 128 + SIGTERM);
}

}  // namespace
}  // namespace keepsake::testing
