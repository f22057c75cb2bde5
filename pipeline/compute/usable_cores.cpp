#include "pipeline/compute/usable_cores.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "pipeline/compute/control_groups.h"
#include "pipeline/files/text_parts.h"

namespace keepsake::pipeline {

namespace {

namespace fs = std::filesystem;

// Empty where it cannot be read.
std::string text_of(const fs::path& file) {
    std::ifstream stream(file);
    std::ostringstream text;
    text << stream.rdbuf();
    return std::move(text).str();
}

// A whole number from 0 up, and nothing else.
std::optional<std::int64_t> parse_number(std::string_view text) {
    text = trimmed(text);
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
    return number;
}

// What stands before the first `separator`, which is taken from `rest` with it.
std::string_view take_until(std::string_view& rest, char separator) {
    const std::size_t at = rest.find(separator);
    const std::string_view first = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
    return first;
}

std::optional<double> least(std::optional<double> a, std::optional<double> b) {
    if (!a || !b) return a ? a : b;
    return std::min(*a, *b);
}

// Of one control group's folder, whichever version it is of.
std::optional<double> quota_of(const fs::path& group) {
    return least(
        parse_cpu_max(text_of(group / "cpu.max")),
        parse_cfs_quota(text_of(group / "cpu.cfs_quota_us"), text_of(group / "cpu.cfs_period_us")));
}

int physical_cores(const std::vector<int>& cpus, const fs::path& root) {
    std::set<int> cores;  // each by its first CPU
    for (const int cpu : cpus) {
        const fs::path topology =
            root / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) / "topology";
        const std::vector<int> siblings =
            parse_cpu_list(text_of(topology / "thread_siblings_list"));
        cores.insert(siblings.empty() ? cpu : *std::ranges::min_element(siblings));
    }
    return static_cast<int>(cores.size());
}

std::vector<int> allowed_cpus() {
    constexpr int most = 1 << 16;  // the kernel refuses a mask that is too short for it
    for (int count = 1024; count <= most; count *= 2) {
        cpu_set_t* set = CPU_ALLOC(count);
        const std::size_t size = CPU_ALLOC_SIZE(count);
        std::vector<int> cpus;
        const bool known = set && sched_getaffinity(0, size, set) == 0;
        for (int cpu = 0; known && cpu < count; ++cpu)
            if (CPU_ISSET_S(cpu, size, set)) cpus.push_back(cpu);
        CPU_FREE(set);
        if (known) return cpus;
    }
    std::vector<int> cpus(std::max(1U, std::thread::hardware_concurrency()));
    std::iota(cpus.begin(), cpus.end(), 0);
    return cpus;
}

}  // namespace

std::vector<int> parse_cpu_list(std::string_view text) {
    constexpr std::int64_t most = 1 << 16;
    std::vector<int> cpus;
    text = trimmed(text);
    while (!text.empty()) {
        std::string_view range = take_until(text, ',');
        const bool is_one = range.find('-') == std::string_view::npos;
        const auto first = parse_number(take_until(range, '-'));
        const auto last = is_one ? first : parse_number(range);
        if (!first || !last || *first > *last || *last >= most) return {};
        for (std::int64_t cpu = *first; cpu <= *last; ++cpu) cpus.push_back(static_cast<int>(cpu));
    }
    return cpus;
}

std::optional<double> parse_cpu_max(std::string_view text) {
    text = trimmed(text);
    const std::string_view quota = take_until(text, ' ');
    return parse_cfs_quota(quota, text);
}

std::optional<double> parse_cfs_quota(std::string_view quota, std::string_view period) {
    const auto of = parse_number(quota), in = parse_number(period);
    if (!of || !in || *of == 0 || *in == 0) return std::nullopt;
    return static_cast<double>(*of) / static_cast<double>(*in);
}

std::optional<double> cgroup_quota(const fs::path& root) {
    std::optional<double> quota;
    for (const fs::path& group : control_group_folders("cpu", root))
        quota = least(quota, quota_of(group));
    return quota;
}

UsableCores usable_cores(const std::vector<int>& cpus, const fs::path& root) {
    UsableCores cores{static_cast<int>(cpus.size()), physical_cores(cpus, root)};
    if (const std::optional<double> quota = cgroup_quota(root)) {
        const double whole = std::min(std::floor(*quota), static_cast<double>(cores.logical));
        cores.logical = static_cast<int>(whole);
    }
    cores.logical = std::max(cores.logical, 1);
    cores.physical = std::clamp(cores.physical, 1, cores.logical);
    return cores;
}

UsableCores usable_cores() {
    return usable_cores(allowed_cpus(), "/");
}

}  // namespace keepsake::pipeline
