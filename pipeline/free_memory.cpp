#include "pipeline/free_memory.h"

#include <ATen/DeviceAccelerator.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

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
    const char *mount, *limit, *used, *inactive;  // inactive: the key in memory.stat
};
constexpr GroupFiles v2{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};
constexpr GroupFiles v1{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                        "total_inactive_file"};

// What the limits of a group and of those around it leave. In a container the group's path may be
// the host's, which is not there; the container's own is then the mount itself.
Bytes left_in_group(const fs::path& root, const GroupFiles& files, const std::string& group) {
    const fs::path mount = root / files.mount;
    Bytes least;
    for (fs::path at = fs::path(group).relative_path();; at = at.parent_path()) {
        const fs::path folder = mount / at;
        const Bytes limit = read_number(folder / files.limit);
        const Bytes used = read_number(folder / files.used);
        if (limit && used) {
            const Bytes files_in_cache = read_entry(folder / "memory.stat", files.inactive);
            const std::int64_t left = *limit - *used + files_in_cache.value_or(0);
            least = std::min(least.value_or(left), std::max<std::int64_t>(left, 0));
        }
        if (at.empty()) return least;
    }
}

// Lines of /proc/self/cgroup: "0::/group" (v2), "4:cpu,memory:/group" (v1).
Bytes left_in_groups(const fs::path& root) {
    std::ifstream file(root / "proc/self/cgroup");
    std::string line;
    Bytes least;
    while (std::getline(file, line)) {
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == line.npos || second == line.npos) continue;
        const std::string kinds = "," + line.substr(first + 1, second - first - 1) + ",";
        Bytes left;
        if (kinds == ",,") left = left_in_group(root, v2, line.substr(second + 1));
        if (kinds.find(",memory,") != kinds.npos)
            left = left_in_group(root, v1, line.substr(second + 1));
        if (left) least = std::min(least.value_or(*left), *left);
    }
    return least;
}

}  // namespace

Bytes free_system_memory(const fs::path& root) {
    const Bytes kibibytes = read_entry(root / "proc/meminfo", "MemAvailable:");
    const Bytes left = left_in_groups(root);
    if (!kibibytes) return left;
    const std::int64_t available = *kibibytes * 1024;
    return std::min(available, left.value_or(available));
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
