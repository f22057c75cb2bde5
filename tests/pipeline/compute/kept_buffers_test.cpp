#include "pipeline/compute/kept_buffers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

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
