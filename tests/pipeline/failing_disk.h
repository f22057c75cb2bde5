// Runs work in a child process in which writing fails, as on a full disk or without permission.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <string>

#include "pipeline/error.h"

namespace keepsake::testing {

// What the child does before the work.
enum class Child {
    plain,
    small_files,  // no file may grow beyond 64 KiB: writes fail with EFBIG, like those of a full
                  // disk
    nobody,       // no user that permissions do not apply to
};

// Runs `work` in a child of that kind. Returns the message of its Error, "" when it threw none, or
// why the child could not tell.
template <typename Work>
std::string error_in_child(Child kind, Work&& work) {
    int ends[2];
    if (::pipe(ends) != 0) return "no pipe";
    const auto child = ::fork();
    if (child == 0) {
        std::string message;
        if (kind == Child::small_files) {
            const rlimit limit{64 << 10, 64 << 10};
            ::signal(SIGXFSZ, SIG_IGN);
            if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) message = "no RLIMIT_FSIZE";
        }
        if (kind == Child::nobody && ::geteuid() == 0 &&
            (::setgid(65534) != 0 || ::setuid(65534) != 0))
            message = "cannot become nobody";
        try {
            if (message.empty()) work();
        } catch (const Error& error) {
            message = error.what();
        } catch (const std::exception& error) {
            message = std::string("not an Error: ") + error.what();
        }
        const auto written = ::write(ends[1], message.data(), message.size());
        ::_exit(written == static_cast<ssize_t>(message.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    std::string message;
    char buffer[4096];
    for (ssize_t size = 0; (size = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        message.append(buffer, static_cast<std::size_t>(size));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    return status == 0 ? message : "the child ended with status " + std::to_string(status);
}

}  // namespace keepsake::testing
