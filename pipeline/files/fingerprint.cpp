#include "pipeline/files/fingerprint.h"

#include <array>
#include <cstdio>

namespace keepsake {
namespace {

constexpr std::uint64_t prime = 0x100000001b3;

}  // namespace

void Fingerprint::add(std::string_view bytes) {
    for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * prime;
}

void Fingerprint::end_part() {
    hash = (hash ^ 0x100) * prime;
}

std::string Fingerprint::text() const {
    std::array<char, 17> digits{};
    std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
    return digits.data();
}

std::string fingerprint_of(std::string_view bytes) {
    Fingerprint fingerprint;
    fingerprint.add(bytes);
    return fingerprint.text();
}

}  // namespace keepsake
