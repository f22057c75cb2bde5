// How much memory this process uses and has used, from /proc. Linux only, like the test program.
#pragma once

#include <malloc.h>

#include <fstream>
#include <string>

namespace keepsake::testing {

// A line of /proc/self/status in bytes: "VmRSS" (now) or "VmHWM" (the most so far).
inline std::size_t memory_use(const std::string& key) {
    std::ifstream status("/proc/self/status");
    std::string word;
    std::size_t kilobytes = 0;
    while (status >> word)
        if (word == key + ":" && status >> kilobytes) return kilobytes * 1024;
    return 0;
}

// Gives freed memory back to the kernel, so that using it again counts, and makes VmHWM start again
// from what is used now. False where the kernel does not allow it.
inline bool reset_peak_memory() {
    ::malloc_trim(0);
    std::ofstream file("/proc/self/clear_refs");
    file << "5" << std::flush;
    return static_cast<bool>(file);
}

}  // namespace keepsake::testing
