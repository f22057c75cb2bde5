// How much of the processor this process may use. Linux.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

// At least 1 of each, physical <= logical.
struct UsableCores {
    int logical = 1;   // what the kernel calls CPUs: with hyperthreads, two a core
    int physical = 1;  // the cores they belong to
};

// The CPUs that the calling thread may run on (sched_getaffinity, which containers' cpusets and
// taskset narrow), no more than the quota of its control groups, rounded down: a thread beyond it
// takes its share from the others, and where threads wait for each other all of them are held up.
UsableCores usable_cores();

// The same of given CPUs, and of the files in /proc and /sys under `root`. What cannot be read
// there does not limit, and a CPU whose siblings are not known is a core of its own.
UsableCores usable_cores(const std::vector<int>& cpus, const std::filesystem::path& root);

// How many cores' worth of time the control groups of this process and those around it leave it;
// none: no limit. cgroup v2's cpu.max, v1's cpu.cfs_quota_us over cpu.cfs_period_us.
std::optional<double> cgroup_quota(const std::filesystem::path& root);

// The formats. CPUs as in thread_siblings_list: "0-3,8"; empty where malformed.
std::vector<int> parse_cpu_list(std::string_view text);
// cpu.max: "QUOTA PERIOD" in microseconds -> cores; none for "max" and where malformed.
std::optional<double> parse_cpu_max(std::string_view text);
// v1's two files; none for a quota of -1 and where malformed.
std::optional<double> parse_cfs_quota(std::string_view quota, std::string_view period);

}  // namespace keepsake::pipeline
