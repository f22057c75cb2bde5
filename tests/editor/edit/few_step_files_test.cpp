// What files for few steps are made for, by their makers' names.
#include "editor/edit/few_step_files.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "pipeline/files/safetensors.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

using pipeline::Sampler;
using pipeline::TimestepSpacing;

TEST(FewStepFiles, AreKnownByTheirMakersNames) {
    const auto sampler = [](const char* path) {
        const auto file = few_step_file(path);
        return file ? std::optional(file->sampler) : std::nullopt;
    };
    EXPECT_EQ(sampler("lcm-lora-sdv1-5/pytorch_lora_weights.safetensors"), Sampler::lcm);
    EXPECT_EQ(sampler("LCM_LoRA_Weights_SD15.safetensors"), Sampler::lcm);
    EXPECT_EQ(sampler("TCD-SD15-LoRA/pytorch_lora_weights.safetensors"), Sampler::tcd);
    EXPECT_EQ(sampler("dmd2_sdxl_4step_lora.safetensors"), Sampler::lcm);
    EXPECT_EQ(sampler("roses.safetensors"), std::nullopt);
    EXPECT_EQ(sampler("hyperreal.safetensors"), std::nullopt);
    EXPECT_EQ(sampler("lcm/roses.safetensors"), std::nullopt);

    const auto four = few_step_file("Hyper-SD15-4steps-lora.safetensors");
    ASSERT_TRUE(four);
    EXPECT_EQ(four->sampler, Sampler::ddim);
    EXPECT_EQ(four->spacing, TimestepSpacing::trailing);
    EXPECT_EQ(four->least_steps, 4);
    EXPECT_EQ(four->most_steps, 4);
    EXPECT_EQ(four->most_guidance, 1);
    const auto one = few_step_file("Hyper-SD15-1step-lora.safetensors");
    ASSERT_TRUE(one);
    EXPECT_EQ(one->sampler, Sampler::tcd);
    EXPECT_EQ(one->tcd_eta, 1);
    const auto guided = few_step_file("Hyper-SD15-8steps-CFG-lora.safetensors");
    ASSERT_TRUE(guided);
    EXPECT_EQ(guided->least_steps, 8);
    EXPECT_EQ(guided->least_guidance, 5);
}

TEST(FewStepFiles, OursAreKnownByTheirMetadata) {
    const testing::TemporaryFolder folder;
    const auto path = folder.path / "quick.safetensors";
    pipeline::write_safetensors(path, {{"a", at::zeros({1})}}, {{"keepsake_sampler", "lcm"}});
    ASSERT_TRUE(few_step_file(path));
    EXPECT_EQ(few_step_file(path)->sampler, Sampler::lcm);
    testing::write_bytes(path, "damaged");
    EXPECT_FALSE(few_step_file(path));
}

TEST(FewStepFiles, WhatDoesNotSuitThemIsTold) {
    pipeline::SampleOptions sample;
    const std::vector<pipeline::AdapterFile> files = {{"roses.safetensors"}, {"lcm.safetensors"}};
    EXPECT_EQ(few_step_remarks(files, sample),
              std::vector<std::string>{"lcm.safetensors: a file for few steps (LCM), made for "
                                       "--sampler lcm --steps 2 to 8 --guidance 1 to 2"});
    sample.sampler = Sampler::lcm;
    sample.steps = 4;
    sample.guidance_scale = 0;  // none, as 1
    EXPECT_TRUE(few_step_remarks(files, sample).empty());
    sample.guidance_scale = 7.5;
    EXPECT_EQ(few_step_remarks(files, sample).size(), 1u);

    const std::vector<pipeline::AdapterFile> hyper = {{"Hyper-SD15-2steps-lora.safetensors"}};
    sample.sampler = Sampler::ddim;
    sample.steps = 2;
    sample.guidance_scale = 1;
    EXPECT_EQ(few_step_remarks(hyper, sample),
              std::vector<std::string>{
                  "Hyper-SD15-2steps-lora.safetensors: a file for few steps (Hyper-SD), made for "
                  "--sampler ddim --spacing trailing --steps 2 --guidance 1"});
    sample.spacing = TimestepSpacing::trailing;
    EXPECT_TRUE(few_step_remarks(hyper, sample).empty());
}

}  // namespace
}  // namespace keepsake::editor
