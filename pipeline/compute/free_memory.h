// How much memory is left.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace keepsake::pipeline {

// Bytes that this process can still take: for the CPU free_system_memory(), for another device what
// its driver calls free. None where that cannot be told.
std::optional<std::int64_t> free_memory(c10::Device device);

// The least of what the system has (MemAvailable of /proc/meminfo) and what the limits of this
// process's control groups leave (Linux's cgroup-v2 and cgroup-v1/memory documents). Files in the
// page cache that were not used lately count as free, as they do in MemAvailable. root: where /proc
// and /sys are found.
std::optional<std::int64_t> free_system_memory(const std::filesystem::path& root = "/");

}  // namespace keepsake::pipeline
