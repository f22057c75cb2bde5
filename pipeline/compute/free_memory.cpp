#include "pipeline/compute/free_memory.h"

#include <ATen/DeviceAccelerator.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "pipeline/compute/control_groups.h"

namespace keepsake::pipeline {

namespace {

namespace fs = std::filesystem;
using Bytes = std::optional<std::int64_t>;

// A file of one number; none where it is missing or says "max".
Bytes read_number(const fs::path& path) {
    std::ifstream file(path);
    std::int64_t number = 0;
    return file >> number ? Bytes(number) : std::nullopt;
}

// The number after `key` in a file of lines "key number ...".
Bytes read_entry(const fs::path& path, const std::string& key) {
    std::ifstream file(path);
    std::string line, word;
    std::int64_t number = 0;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        if (words >> word >> number && word == key) return number;
    }
    return std::nullopt;
}

struct GroupFiles {
    const char *limit, *used, *inactive;  // inactive: the key in memory.stat
};
constexpr GroupFiles v2{"memory.max", "memory.current", "inactive_file"};
constexpr GroupFiles v1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};

// What the limit of one group leaves, whichever version it is of.
Bytes left_in(const fs::path& group) {
    for (const GroupFiles& files : {v2, v1}) {
        const Bytes limit = read_number(group / files.limit);
        const Bytes used = read_number(group / files.used);
        if (!limit || !used) continue;
        const Bytes files_in_cache = read_entry(group / "memory.stat", files.inactive);
        return std::max<std::int64_t>(*limit - *used + files_in_cache.value_or(0), 0);
    }
    return std::nullopt;
}

}  // namespace

Bytes free_system_memory(const fs::path& root) {
    Bytes least = read_entry(root / "proc/meminfo", "MemAvailable:");
    if (least) *least *= 1024;
    for (const fs::path& group : control_group_folders("memory", root))
        if (const Bytes left = left_in(group)) least = std::min(least.value_or(*left), *left);
    return least;
}

Bytes free_memory(c10::Device device) {
    if (device.is_cpu()) return free_system_memory();
    try {
        const auto [free, total] =
            at::accelerator::getMemoryInfo(device.has_index() ? device.index() : 0);
        return static_cast<std::int64_t>(free);
    } catch (const c10::Error&) {
        return std::nullopt;  // a device whose allocator does not say
    }
}

}  // namespace keepsake::pipeline
