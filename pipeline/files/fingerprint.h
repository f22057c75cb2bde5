// FNV-1a, 64 bits (Fowler, Noll, Vo): tells things apart by their content, the same on every
// machine. Not for security.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keepsake {

struct Fingerprint {
    std::uint64_t hash = 0xcbf29ce484222325;

    void add(std::string_view bytes);
    // Ends a part of what is added, so that "ab", "c" is not "a", "bc": as a byte that there is
    // not.
    void end_part();
    std::string text() const;  // 16 hex digits
};

std::string fingerprint_of(std::string_view bytes);

}  // namespace keepsake
