// Runs work in a child process in which writing fails, as on a full disk or without permission.
#pragma once

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
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
    no_fchmod,    // fchmod is refused, as by a mount that has no permissions of its own
};

// From now on fchmod fails with EPERM in this process. False where the kernel cannot do that.
inline bool refuse_fchmod() {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchmod, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{sizeof filter / sizeof filter[0], filter};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

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
        if (kind == Child::no_fchmod && !refuse_fchmod()) message = "no seccomp";
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
