// Settings of pictures as other programs write them: their own examples, and what strangers may do.
#include "editor/photo/generation_text.h"

#include <gtest/gtest.h>

namespace keepsake::editor {
namespace {

// stable-diffusion-webui's wiki and its infotext_utils.py.
constexpr const char* a1111 =
    "a photo of a (red:1.2) rose,\nin a vase <lora:roses:0.8>\n"
    "Negative prompt: blurry, \nlow quality\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 4294967295, "
    "Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, VAE hash: 735e4c3a44, VAE: "
    "vae-ft-mse-840000.safetensors, Denoising strength: 0.7, Clip skip: 2, RNG: CPU, Lora hashes: "
    "\"roses: 12ab, b: 34cd\", Hires upscale: 2, Version: v1.9.4";

TEST(GenerationText, A1111) {
    const GenerationSettings read = read_a1111_parameters(a1111);
    EXPECT_EQ(read.prompt, "a photo of a (red:1.2) rose,\nin a vase <lora:roses:0.8>");
    EXPECT_EQ(read.negative_prompt, "blurry,\nlow quality");
    EXPECT_EQ(read.steps, 20);
    EXPECT_EQ(read.sampler, "DPM++ 2M");
    EXPECT_EQ(read.schedule, "Karras");
    EXPECT_EQ(read.cfg_scale, 7.5);
    EXPECT_EQ(read.seed, 4294967295u);
    EXPECT_EQ(read.width, 512);
    EXPECT_EQ(read.height, 768);
    EXPECT_EQ(read.model_hash, "6ce0161689");
    EXPECT_EQ(read.vae, "vae-ft-mse-840000.safetensors");
    EXPECT_EQ(read.denoising_strength, 0.7);
    EXPECT_EQ(read.clip_skip, 2);
    EXPECT_EQ(read.rng, "CPU");
    EXPECT_EQ(read.version, "v1.9.4");
    const std::vector<std::pair<std::string, std::string>> others = {
        {"Lora hashes", "roses: 12ab, b: 34cd"}, {"Hires upscale", "2"}};
    EXPECT_EQ(read.others, others);
}

TEST(GenerationText, A1111WrittenAndReadAgain) {
    const GenerationSettings read = read_a1111_parameters(a1111);
    const std::string written = a1111_parameters(read);
    const GenerationSettings again = read_a1111_parameters(written);
    EXPECT_EQ(a1111_parameters(again), written);
    EXPECT_EQ(again.others, read.others);
    EXPECT_EQ(again.prompt, read.prompt);
    EXPECT_TRUE(written.starts_with(read.prompt + "\nNegative prompt: " + read.negative_prompt +
                                    "\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG "
                                    "scale: 7.5, Seed: 4294967295, Size: 512x768, Model hash: "))
        << written;
}

TEST(GenerationText, OldNamesHoldTheSchedule) {
    const GenerationSettings read =
        read_a1111_parameters("x\nSteps: 5, Sampler: DPM++ SDE Karras, Seed: 1");
    EXPECT_EQ(read.sampler, "DPM++ SDE");
    EXPECT_EQ(read.schedule, "Karras");
}

TEST(GenerationText, WhatHasNoSettingsIsPrompt) {
    EXPECT_EQ(read_a1111_parameters("a cat, b: c\nd: e").prompt, "a cat, b: c\nd: e");
    EXPECT_EQ(read_a1111_parameters("").prompt, "");
    const GenerationSettings bare = read_a1111_parameters("Steps: 1, Seed: 2, Sampler: Euler a");
    EXPECT_EQ(bare.prompt, "");
    EXPECT_EQ(bare.sampler, "Euler a");
}

// A number that is none has no counterpart and is told; nothing throws.
TEST(GenerationText, MalformedNumbers) {
    const GenerationSettings read = read_a1111_parameters(
        "x\nSteps: many, CFG scale: 1e, Seed: -1, Size: 10x, Model: \"a\\\"b, c\", Clip skip: 2 ");
    EXPECT_FALSE(read.steps || read.cfg_scale || read.seed || read.width);
    EXPECT_EQ(read.others.size(), 4u);
    EXPECT_EQ(read.model, "a\"b, c");
    EXPECT_EQ(read.clip_skip, 2);
    for (const char* none : {"inf", "nan", "-Infinity"}) {
        const auto endless = read_a1111_parameters("x\nSteps: 1, CFG scale: " + std::string(none) +
                                                   ", Seed: 2, Denoising strength: " + none);
        EXPECT_FALSE(endless.cfg_scale || endless.denoising_strength) << none;
    }
    read_a1111_parameters(std::string(100'000, '"') + ": , \"\\");
    read_a1111_parameters("a: \"" + std::string(100'000, '\\'));
}

constexpr const char* graph = R"({
  "3": {"class_type": "KSampler", "inputs": {"seed": 156680208700286, "steps": 20, "cfg": 8,
        "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 0.87, "model": ["10", 0],
        "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
  "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\v1-5.safetensors"}},
  "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 640,
        "batch_size": 1}},
  "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["12", 0], "clip": ["9", 0]}},
  "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["9", 0]}},
  "8": {"class_type": "VAELoader", "inputs": {"vae_name": "vae-ft.safetensors"}},
  "9": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["4", 1]}},
  "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "roses.safetensors",
         "strength_model": 0.8, "strength_clip": 1, "model": ["4", 0], "clip": ["9", 0]}},
  "12": {"class_type": "PrimitiveString", "inputs": {"value": "a glass bottle"}}})";

TEST(GenerationText, ComfyUI) {
    const auto read = read_comfyui_graph(graph);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->prompt, "a glass bottle");
    EXPECT_EQ(read->negative_prompt, "text, watermark");
    EXPECT_EQ(read->seed, 156680208700286u);
    EXPECT_EQ(read->steps, 20);
    EXPECT_EQ(read->cfg_scale, 8);
    EXPECT_EQ(read->sampler, "dpmpp_2m");
    EXPECT_EQ(read->schedule, "karras");
    EXPECT_EQ(read->denoising_strength, 0.87);
    EXPECT_EQ(read->width, 512);
    EXPECT_EQ(read->height, 640);
    EXPECT_EQ(read->model, "v1-5");
    EXPECT_EQ(read->vae, "vae-ft");
    EXPECT_EQ(read->clip_skip, 2);
    const std::vector<std::pair<std::string, std::string>> others = {{"lora", "roses:0.8"}};
    EXPECT_EQ(read->others, others);
}

TEST(GenerationText, ComfyUIOfStrangers) {
    EXPECT_FALSE(read_comfyui_graph("{"));
    EXPECT_FALSE(read_comfyui_graph("[]"));
    EXPECT_FALSE(read_comfyui_graph(R"({"1": {"class_type": "KSampler"}})"));
    // A model and a text in a circle.
    const auto circle = read_comfyui_graph(
        R"({"1": {"class_type": "KSampler", "inputs": {"sampler_name": "euler", "model": ["2", 0],
            "positive": ["3", 0], "seed": -5, "steps": 1e9, "cfg": "x"}},
            "2": {"class_type": "X", "inputs": {"model": ["2", 0]}},
            "3": {"class_type": "Y", "inputs": {"text": ["3", 0], "conditioning": ["3", 0]}}})");
    ASSERT_TRUE(circle);
    EXPECT_FALSE(circle->seed || circle->steps || circle->cfg_scale);
}

TEST(GenerationText, InvokeAI) {
    const auto read = read_invokeai_metadata(
        R"({"app_version": "4.2.0", "positive_prompt": "a rose", "negative_prompt": "blur",
            "width": 512, "height": 768, "seed": 7, "cfg_scale": 7.5, "steps": 30, "clip_skip": 1,
            "scheduler": "dpmpp_2m_k", "model": {"name": "sd-1.5", "hash": "x"},
            "loras": [{"model": {"name": "b"}, "weight": 0.75}]})");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->prompt, "a rose");
    EXPECT_EQ(read->steps, 30);
    EXPECT_EQ(read->cfg_scale, 7.5);
    EXPECT_EQ(read->seed, 7u);
    EXPECT_EQ(read->height, 768);
    EXPECT_EQ(read->sampler, "dpmpp_2m_k");
    EXPECT_EQ(read->model, "sd-1.5");
    EXPECT_EQ(read->clip_skip, 2);
    EXPECT_EQ(read->others.size(), 1u);
    EXPECT_FALSE(read_invokeai_metadata("7"));
    EXPECT_FALSE(read_invokeai_metadata("{}"));
}

}  // namespace
}  // namespace keepsake::editor
