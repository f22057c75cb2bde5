#include "pipeline/sampling/sampler_names.h"

#include <gtest/gtest.h>

namespace keepsake::pipeline {
namespace {

TEST(SamplerNames, OfEveryProgram) {
    const auto expect = [](Sampler sampler, std::initializer_list<const char*> names) {
        for (const char* name : names) EXPECT_EQ(sampler_by_any_name(name), sampler) << name;
    };
    expect(Sampler::dpmpp_2m, {"dpmpp_2m", "DPM++ 2M", "DPM++ 2M Karras", "dpmpp_2m_k", "dpm++ 2m",
                               "DPMSolverMultistepScheduler"});
    expect(Sampler::euler,
           {"euler", "Euler", "k_euler", "EulerDiscreteScheduler", "euler_k", "Euler SGM Uniform"});
    expect(Sampler::pndm, {"PLMS"});
    expect(Sampler::lms, {"LMS Karras"});
    expect(Sampler::euler_a, {"euler_a", "Euler a", "k_euler_a", "euler_ancestral",
                              "EulerAncestralDiscreteScheduler"});
    expect(Sampler::heun, {"heun", "Heun", "heun_k", "HeunDiscreteScheduler"});
    expect(Sampler::dpm2,
           {"dpm2", "DPM2", "DPM2 Karras", "dpm_2", "kdpm_2", "KDPM2DiscreteScheduler"});
    expect(Sampler::dpmpp_2m_sde, {"dpmpp_2m_sde", "DPM++ 2M SDE", "DPM++ 2M SDE Exponential",
                                   "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_k"});
    expect(Sampler::dpmpp_sde, {"DPM++ SDE", "DPM++ SDE Karras", "dpmpp_sde", "dpmpp_sde_gpu",
                                "DPMSolverSDEScheduler"});
    expect(Sampler::dpmpp_3m_sde, {"DPM++ 3M SDE", "DPM++ 3M SDE Karras", "dpmpp_3m_sde"});
    expect(Sampler::dpm2_a, {"dpm2_a", "DPM2 a", "DPM2 a Karras", "dpm_2_ancestral", "k_dpm_2_a",
                             "KDPM2AncestralDiscreteScheduler"});
    expect(Sampler::dpmpp_2s_a,
           {"dpmpp_2s_a", "DPM++ 2S a", "DPM++ 2S a Karras", "dpmpp_2s_ancestral", "k_dpmpp_2s_a"});
    expect(Sampler::unipc, {"UniPC", "uni_pc", "uni_pc_bh2", "UniPCMultistepScheduler"});
    for (const char* name : {"", "k", "DPM fast", "DPM adaptive", "Karras", "normal", "dpmpp_2s"})
        EXPECT_FALSE(sampler_by_any_name(name)) << name;
}

TEST(SamplerNames, SchedulesOfEveryProgram) {
    EXPECT_EQ(schedule_by_any_name("Karras"), NoiseSchedule::karras);
    EXPECT_EQ(schedule_by_any_name("SGM Uniform"), NoiseSchedule::sgm_uniform);
    EXPECT_EQ(schedule_by_any_name("sgm_uniform"), NoiseSchedule::sgm_uniform);
    EXPECT_EQ(schedule_by_any_name("simple"), NoiseSchedule::sgm_uniform);
    EXPECT_EQ(schedule_by_any_name("Align Your Steps"), NoiseSchedule::ays);
    EXPECT_EQ(schedule_by_any_name("ddim_uniform"), NoiseSchedule::ddim_uniform);
    EXPECT_EQ(schedule_by_any_name("Beta"), NoiseSchedule::beta);
    for (const char* name : {"", "Automatic", "Polyexponential", "linear_quadratic"})
        EXPECT_FALSE(schedule_by_any_name(name)) << name;
    EXPECT_EQ(schedule_in_name("DPM++ 2M Karras"), NoiseSchedule::karras);
    EXPECT_EQ(schedule_in_name("dpmpp_2m_k"), NoiseSchedule::karras);
    EXPECT_EQ(schedule_in_name("Euler SGM Uniform"), NoiseSchedule::sgm_uniform);
    EXPECT_EQ(schedule_in_name("Euler"), std::nullopt);
    EXPECT_EQ(schedule_in_name("magic karras"), std::nullopt);
}

TEST(SamplerNames, ThereAndBack) {
    for (const Sampler sampler : all_samplers()) {
        ASSERT_FALSE(a1111_sampler_name(sampler).empty()) << sampler_name(sampler);
        EXPECT_EQ(sampler_by_any_name(a1111_sampler_name(sampler)), sampler);
        EXPECT_EQ(sampler_by_any_name(sampler_name(sampler)), sampler);
    }
    for (const NoiseSchedule schedule : all_schedules()) {
        EXPECT_EQ(schedule_by_any_name(a1111_schedule_name(schedule)), schedule);
        EXPECT_EQ(schedule_by_any_name(schedule_name(schedule)), schedule);
    }
}

}  // namespace
}  // namespace keepsake::pipeline
