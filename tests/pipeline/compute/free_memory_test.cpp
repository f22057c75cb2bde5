#include "pipeline/compute/free_memory.h"

#include <gtest/gtest.h>

#include "tests/pipeline/system_files.h"

namespace keepsake::pipeline {
namespace {

struct System : testing::SystemFiles {
    std::optional<std::int64_t> free() const { return free_system_memory(root); }
};

constexpr const char* meminfo =
    "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n";
constexpr std::int64_t available = std::int64_t{8000000} * 1024;

TEST(FreeMemory, WhatTheSystemHas) {
    const System system;
    EXPECT_FALSE(system.free().has_value());
    system.write("proc/meminfo", meminfo);
    EXPECT_EQ(system.free(), available);
    // A group without limits.
    system.write("proc/self/cgroup", "0::/user/app\n");
    system.write("sys/fs/cgroup/user/app/memory.max", "max\n");
    system.write("sys/fs/cgroup/user/app/memory.current", "5000\n");
    EXPECT_EQ(system.free(), available);
}

TEST(FreeMemory, LimitsOfGroupsAndOfThoseAroundThem) {
    const System system;
    system.write("proc/meminfo", meminfo);
    system.write("proc/self/cgroup", "0::/user/app\n");
    system.write("sys/fs/cgroup/user/app/memory.max", "3000000\n");
    system.write("sys/fs/cgroup/user/app/memory.current", "1000000\n");
    EXPECT_EQ(system.free(), 2000000);
    system.write("sys/fs/cgroup/user/app/memory.stat", "anon 700000\ninactive_file 300000\n");
    EXPECT_EQ(system.free(), 2300000);
    system.write("sys/fs/cgroup/user/memory.max", "2000000\n");
    system.write("sys/fs/cgroup/user/memory.current", "1900000\n");
    EXPECT_EQ(system.free(), 100000);
    system.write("sys/fs/cgroup/user/memory.current", "2100000\n");
    EXPECT_EQ(system.free(), 0);
}

TEST(FreeMemory, TheOlderGroups) {
    const System system;
    system.write("proc/meminfo", meminfo);
    // In a container: the path is the host's, the files are at the mount.
    system.write("proc/self/cgroup",
                 "12:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n0::/docker/ab\n");
    system.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "900000\n");
    system.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n");
    system.write("sys/fs/cgroup/memory/memory.stat",
                 "inactive_file 1\ntotal_inactive_file 50000\n");
    EXPECT_EQ(system.free(), 450000);
    // What v1 calls no limit.
    system.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(system.free(), available);
}

TEST(FreeMemory, OfThisMachine) {
    const auto free = free_memory(c10::Device("cpu"));
    ASSERT_TRUE(free.has_value());
    EXPECT_GT(*free, 0);
    EXPECT_EQ(free_memory(c10::Device("meta")), std::nullopt);
}

}  // namespace
}  // namespace keepsake::pipeline
