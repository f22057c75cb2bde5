#include "pipeline/compute/kept_buffers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/pipeline/compute/memory_use.h"

namespace keepsake::pipeline {
namespace {

at::Tensor floats(std::int64_t mebibytes) {
    return at::empty({mebibytes << 18}, at::TensorOptions().dtype(at::kFloat));
}

// Where a tensor lay that is gone.
const void* address_of_one(std::int64_t mebibytes) {
    return floats(mebibytes).const_data_ptr();
}

// The flags of the mapping that holds an address (proc_pid_smaps(5)); empty where there are none.
std::string flags_of_memory_at(const void* address) {
    std::ifstream maps("/proc/self/smaps");
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        std::istringstream range(line);
        std::uintptr_t begin = 0, end = 0;
        char dash = 0;
        if (range >> std::hex >> begin >> dash >> end && dash == '-')
            inside = begin <= wanted && wanted < end;
        if (inside && line.rfind("VmFlags:", 0) == 0) return line + ' ';
    }
    return {};
}

TEST(KeptBuffers, ATensorOfAboutTheSizeGetsTheBuffer) {
    keep_large_buffers();
    give_back_buffers();
    const void* first = address_of_one(40);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0u);
    {
        const at::Tensor small = floats(8);  // would waste most of it
        EXPECT_NE(small.const_data_ptr(), first);
        const at::Tensor fits = floats(32);
        EXPECT_EQ(fits.const_data_ptr(), first);
    }
    EXPECT_EQ(address_of_one(40), first) << "a buffer forgot how large it is";
}

TEST(KeptBuffers, ALargeOneIsInLargePagesWhereTheSystemHasThem) {
    if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled"))
        GTEST_SKIP() << "this system has no large pages";
    keep_large_buffers();
    give_back_buffers();
    const at::Tensor buffer = floats(63);
    const std::string flags = flags_of_memory_at(buffer.const_data_ptr());
    if (flags.empty()) GTEST_SKIP() << "this system does not say";
    EXPECT_NE(flags.find(" hg "), std::string::npos) << flags;
}

TEST(KeptBuffers, NoMoreThanItSaysIsKept) {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "AddressSanitizer keeps freed memory";
#endif
    keep_large_buffers();
    give_back_buffers();
    const auto before = testing::memory_use("VmRSS");
    {
        const at::Tensor a = at::ones({500 << 18}), b = at::ones({501 << 18});
        EXPECT_GT(testing::memory_use("VmRSS"), before + (990u << 20));
    }
    EXPECT_LT(testing::memory_use("VmRSS"), before + (530u << 20));
    EXPECT_GT(testing::memory_use("VmRSS"), before + (490u << 20));
    give_back_buffers();
    EXPECT_LT(testing::memory_use("VmRSS"), before + (20u << 20));
}

}  // namespace
}  // namespace keepsake::pipeline
