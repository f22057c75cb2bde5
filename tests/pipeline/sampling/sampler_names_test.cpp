#include "pipeline/sampling/sampler_names.h"

#include <gtest/gtest.h>

namespace keepsake::pipeline {
namespace {

TEST(SamplerNames, OfEveryProgram) {
    for (const char* name : {"dpmpp_2m", "DPM++ 2M", "DPM++ 2M Karras", "dpmpp_2m_k", "dpm++ 2m",
                             "DPMSolverMultistepScheduler"})
        EXPECT_EQ(sampler_by_any_name(name), Sampler::dpmpp_2m) << name;
    for (const char* name : {"euler", "Euler", "k_euler", "EulerDiscreteScheduler", "euler_k"})
        EXPECT_EQ(sampler_by_any_name(name), Sampler::euler) << name;
    EXPECT_EQ(sampler_by_any_name("PLMS"), Sampler::pndm);
    EXPECT_EQ(sampler_by_any_name("LMS Karras"), Sampler::lms);
    for (const char* name : {"", "k", "Euler a", "DPM++ 2M SDE", "DPM adaptive", "Karras"})
        EXPECT_FALSE(sampler_by_any_name(name)) << name;
}

TEST(SamplerNames, ThereAndBack) {
    for (const Sampler sampler : all_samplers()) {
        ASSERT_FALSE(a1111_sampler_name(sampler).empty()) << sampler_name(sampler);
        EXPECT_EQ(sampler_by_any_name(a1111_sampler_name(sampler)), sampler);
        EXPECT_EQ(sampler_by_any_name(sampler_name(sampler)), sampler);
    }
}

}  // namespace
}  // namespace keepsake::pipeline
