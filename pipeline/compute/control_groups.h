// The control groups whose limits this process is under. Linux.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace keepsake::pipeline {

// The folders of this process's groups for a controller ("cpu", "memory"), and of those around each
// of them, in cgroup v2 and v1 (Linux's cgroups(7)). Not all need be there: in a container a
// group's path may be the host's, and what is mounted is the container's own group. root: where
// /proc and /sys are found.
std::vector<std::filesystem::path> control_group_folders(const std::string& controller,
                                                         const std::filesystem::path& root);

}  // namespace keepsake::pipeline
