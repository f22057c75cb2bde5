#include "pipeline/compute/control_groups.h"

#include <fstream>

namespace keepsake::pipeline {

namespace fs = std::filesystem;

std::vector<fs::path> control_group_folders(const std::string& controller, const fs::path& root) {
    const fs::path mounts = root / "sys/fs/cgroup";
    std::vector<fs::path> folders;
    const auto add = [&](const fs::path& mount, const std::string& group) {
        for (fs::path at = fs::path(group).relative_path(); !at.empty(); at = at.parent_path())
            folders.push_back(mount / at);
        folders.push_back(mount);
    };
    std::ifstream file(root / "proc/self/cgroup");
    std::string line;  // "0::/group" (version 2), "4:cpu,cpuacct:/group" (version 1)
    while (std::getline(file, line)) {
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == line.npos || second == line.npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string group = line.substr(second + 1);
        if (controllers.empty()) {  // beside version 1 it is mounted one below
            add(mounts, group);
            add(mounts / "unified", group);
        } else if (("," + controllers + ",").find("," + controller + ",") != line.npos) {
            add(mounts / controller, group);
            if (controllers != controller) add(mounts / controllers, group);
        }
    }
    return folders;
}

}  // namespace keepsake::pipeline
