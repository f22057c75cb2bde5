// How many threads: what the system says, what is measured, and what is made of the times.
#include "pipeline/model/threads.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "pipeline/model/generate.h"
#include "pipeline/model/model.h"
#include "tests/pipeline/networks/network_golden.h"
#include "tests/pipeline/system_files.h"

namespace keepsake::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::SystemFiles;

void put_siblings(const SystemFiles& system, int cpu, const std::string& siblings) {
    const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu);
    system.write(folder + "/topology/thread_siblings_list", siblings + "\n");
}

using Numbers = std::vector<int>;

TEST(Threads, CpuLists) {
    EXPECT_EQ(parse_cpu_list("0-3,8,10-11\n"), (Numbers{0, 1, 2, 3, 8, 10, 11}));
    EXPECT_EQ(parse_cpu_list("5\n"), Numbers{5});
    for (const char* malformed : {"", "\n", "a", "3-", "-3", "3-1", "1,,2", "0-99999999999"})
        EXPECT_EQ(parse_cpu_list(malformed), Numbers{}) << malformed;
}

TEST(Threads, Quotas) {
    EXPECT_EQ(parse_cpu_max("150000 100000\n"), 1.5);
    EXPECT_EQ(parse_cpu_max("20000 50000"), 0.4);
    for (const char* none : {"max 100000\n", "", "150000", "0 100000", "100000 0", "1 2 3", "x y"})
        EXPECT_EQ(parse_cpu_max(none), std::nullopt) << none;
    EXPECT_EQ(parse_cfs_quota("400000\n", "100000\n"), 4);
    EXPECT_EQ(parse_cfs_quota("-1\n", "100000\n"), std::nullopt);
    EXPECT_EQ(parse_cfs_quota("", ""), std::nullopt);
}

// The tightest of the group's own quota and those around it.
TEST(Threads, QuotaOfTheGroupsAround) {
    const SystemFiles system;
    const fs::path groups = "sys/fs/cgroup";
    EXPECT_EQ(cgroup_quota(system.root), std::nullopt);
    system.write("proc/self/cgroup", "0::/user.slice/app.scope\n");
    system.write(groups / "user.slice/app.scope/cpu.max", "max 100000\n");
    EXPECT_EQ(cgroup_quota(system.root), std::nullopt);
    system.write(groups / "user.slice/cpu.max", "300000 100000\n");
    EXPECT_EQ(cgroup_quota(system.root), 3);
    system.write(groups / "user.slice/app.scope/cpu.max", "50000 100000\n");
    EXPECT_EQ(cgroup_quota(system.root), 0.5);
}

TEST(Threads, QuotaOfVersion1AndOfAContainerThatSeesItsOwnGroupOnly) {
    const SystemFiles system;
    const fs::path groups = "sys/fs/cgroup";
    system.write("proc/self/cgroup", "7:cpuset:/a\n4:cpu,cpuacct:/docker/0123\n0::/\n");
    system.write(groups / "cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    system.write(groups / "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    EXPECT_EQ(cgroup_quota(system.root), std::nullopt);
    system.write(groups / "cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
    EXPECT_EQ(cgroup_quota(system.root), 2.5);
    system.write("proc/self/cgroup", "0::/../outside\n");
    system.write(groups / "cpu.max", "700000 100000\n");
    EXPECT_EQ(cgroup_quota(system.root), 7);
}

TEST(Threads, CoresAreCountedOnce) {
    const SystemFiles system;
    const Numbers all = {0, 1, 2, 3};
    const auto expect = [&](const Numbers& cpus, int logical, int physical) {
        const UsableCores cores = usable_cores(cpus, system.root);
        EXPECT_EQ(cores.logical, logical);
        EXPECT_EQ(cores.physical, physical);
    };
    expect(all, 4, 4);  // nothing is known of them
    for (const int cpu : all) put_siblings(system, cpu, cpu % 2 ? "1,3" : "0,2");
    expect(all, 4, 2);
    expect({0, 2}, 2, 1);
    expect({2, 3}, 2, 2);
    expect({3}, 1, 1);
    expect({}, 1, 1);
    system.write("proc/self/cgroup", "0::/\n");
    system.write("sys/fs/cgroup/cpu.max", "390000 100000\n");
    expect(all, 3, 2);
    system.write("sys/fs/cgroup/cpu.max", "100000 100000\n");
    expect(all, 1, 1);
    system.write("sys/fs/cgroup/cpu.max", "1000 100000\n");
    expect(all, 1, 1);
}

TEST(Threads, Candidates) {
    const auto small = [](UsableCores cores, std::optional<int> allowed = std::nullopt) {
        return thread_candidates(cores, allowed, false);
    };
    EXPECT_EQ(small({1, 1}), Numbers{1});
    EXPECT_EQ(small({2, 2}), (Numbers{1, 2}));
    EXPECT_EQ(small({2, 1}), (Numbers{1, 2}));
    EXPECT_EQ(small({12, 6}), (Numbers{1, 3, 6, 12}));
    EXPECT_EQ(small({16, 16}), (Numbers{1, 2, 4, 8, 16}));
    EXPECT_EQ(small({16, 8}, 4), (Numbers{1, 2, 4}));
    EXPECT_EQ(small({16, 8}, 3), (Numbers{1, 2, 3}));
    EXPECT_EQ(small({2, 2}, 64), (Numbers{1, 2}));
    EXPECT_EQ(thread_candidates({16, 8}, std::nullopt, true), (Numbers{8, 16}));
    EXPECT_EQ(thread_candidates({16, 8}, 8, true), Numbers{8});
    EXPECT_EQ(thread_candidates({16, 16}, std::nullopt, true), Numbers{16});
}

TEST(Threads, WhatTheUserAllows) {
    EXPECT_EQ(parse_omp_num_threads("4"), 4);
    EXPECT_EQ(parse_omp_num_threads(" 4,2"), 4);
    EXPECT_EQ(parse_omp_num_threads("3 "), 3);
    EXPECT_EQ(parse_omp_num_threads(nullptr), std::nullopt);
    for (const char* malformed : {"", " ", "0", "-2", "x", "4x", "99999999999"})
        EXPECT_EQ(parse_omp_num_threads(malformed), std::nullopt) << malformed;
}

// With times that n threads take.
int choose(const Numbers& candidates, const std::function<double(int)>& seconds) {
    return choose_threads(candidates, [&](int fewer, int more) {
        return Race{seconds(fewer), seconds(more)};
    });
}

TEST(Threads, TheFastestWinsAndATieGoesToTheFewer) {
    const Numbers candidates = {1, 2, 4, 8, 16};
    const auto amdahl = [](int n) { return 1 + 9.0 / n; };
    EXPECT_EQ(choose(candidates, amdahl), 16);
    EXPECT_EQ(choose({1}, [](int) -> double { throw Error("race", "of one"); }), 1);
    // Waiting for each other costs more with each.
    EXPECT_EQ(choose(candidates, [&](int n) { return amdahl(n) + 0.2 * n; }), 8);
    EXPECT_EQ(choose(candidates, [](int n) { return 1.0 + n; }), 1);
    EXPECT_EQ(choose({1, 2}, [](int n) { return n == 1 ? 1.0 : 0.98; }), 1);
    EXPECT_EQ(choose({1, 2}, [](int n) { return n == 1 ? 1.0 : 0.96; }), 2);
}

TEST(Threads, TooManyAreNeverTried) {
    int most = 0;
    choose({1, 2, 4, 64, 128}, [&](int n) {
        most = std::max(most, n);
        return n <= 2 ? 1.0 / n : 0.5;
    });
    EXPECT_EQ(most, 4);
}

TEST(Threads, MeasuredOnTheBundledModel) {
    const Model model = load_model(fs::path(KEEPSAKE_ASSETS) / "models/flowers");
    const at::NoGradGuard no_grad;
    const int before = at::get_num_threads();
    const Tensor sample = randn({1, model.unet.config().in_channels, 16, 16}, make_generator(1));
    const Tensor timestep = at::full({1}, 500.0);
    const Tensor context =
        randn({1, 77, model.unet.config().cross_attention_dim}, make_generator(2));
    at::set_num_threads(1);
    const Tensor expected = model.unet(sample, timestep, context);
    const int most = usable_cores().logical;
    const int threads = measure_threads(model.unet, 16, 16);
    EXPECT_GE(threads, 1);
    EXPECT_LE(threads, most);
    EXPECT_EQ(at::get_num_threads(), threads);
    EXPECT_TRUE(at::equal(model.unet(sample, timestep, context), expected));
    EXPECT_EQ(measure_threads(model.unet, 16, 16, {1, 1}), 1);
    EXPECT_EQ(at::get_num_threads(), 1);
    at::set_num_threads(before);
}

// Of networks too large for whole passes: with and without attention on the first level.
TEST(Threads, MeasuredOnTheFirstLevel) {
    const int before = at::get_num_threads();
    for (const char* style : {"unet_sd1", "unet_bundled"}) {
        const NetworkGolden golden(style);
        const UNet unet(UNetConfig::from_json(golden.config),
                        Weights::from_tensors(golden.weights));
        const int threads = measure_threads(unet, 1024, 1024, {2, 1});
        EXPECT_TRUE(threads == 1 || threads == 2) << threads;
        EXPECT_EQ(at::get_num_threads(), threads);
    }
    at::set_num_threads(before);
}

}  // namespace
}  // namespace keepsake::pipeline
