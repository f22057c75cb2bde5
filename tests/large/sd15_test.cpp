// A model of Stable Diffusion 1.5's full size, with random weights, through the whole pipeline.
// Run with: ctest --test-dir build/release -L large -V. Needs 2.2 GB of disk and 6 GB
// of memory.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "pipeline/model/generate.h"
#include "tests/pipeline/compute/memory_use.h"
#include "tests/pipeline/model/model_on_disk.h"

namespace keepsake::pipeline {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Random weights that keep activations near one through all layers: norms as they are at the start
// of training, the rest by fan-in.
Tensor random_weights(const std::vector<std::int64_t>& shape, const std::string& name) {
    const bool norm = name.find("norm") != std::string::npos;
    if (shape.size() == 1) return at::full(shape, norm && name.ends_with("weight") ? 1.0 : 0.0);
    std::int64_t fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    return at::randn(shape) / std::sqrt(static_cast<double>(fan_in));
}

TEST(FullSize, StableDiffusion15LoadsAndSamplesTwoSteps) {
    const testing::TemporaryFolder folder;
    at::manual_seed(1);
    testing::write_model_folder(folder.path, "layout_sd15", random_weights);
    std::size_t stored = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path))
        if (entry.is_regular_file()) stored += entry.file_size();
    EXPECT_GT(stored, 2'000'000'000u);

    ASSERT_TRUE(testing::reset_peak_memory());
    const auto before = testing::memory_use("VmRSS");
    auto start = std::chrono::steady_clock::now();
    const auto model = load_model(folder.path);
    const double load_seconds = seconds_since(start);
    const auto load_peak = testing::memory_use("VmHWM") - before;
    std::size_t weights = 0;
    for (const auto* part :
         {&model.text_encoder.parameters(), &model.vae.parameters(), &model.unet.parameters()})
        for (const auto& [name, tensor] : *part) weights += tensor.nbytes();
    EXPECT_EQ(model.native_size(), 512);
    EXPECT_GT(weights, 2'000'000'000u);  // as they are stored: in half precision
    EXPECT_LT(static_cast<double>(load_peak), 1.3 * static_cast<double>(weights));

    start = std::chrono::steady_clock::now();
    const auto generator = make_generator(1);
    GenerateInput input;
    input.noise = initial_noise(model, 512, 512, generator);
    input.cond = encode_text(model, "a photo of a yellow sunflower");
    input.uncond = encode_text(model, "");
    input.generators = {generator};
    Monitor monitor;
    const SampleOptions options{.sampler = Sampler::ddim, .steps = 2, .guidance_scale = 7.5};
    const Tensor latents = generate_latents(model, input, options, monitor);
    const double sample_seconds = seconds_since(start);
    start = std::chrono::steady_clock::now();
    const Tensor image = decode_latents(model, latents);
    const double decode_seconds = seconds_since(start);

    EXPECT_EQ(latents.sizes(), (std::vector<std::int64_t>{1, 4, 64, 64}));
    EXPECT_EQ(image.sizes(), (std::vector<std::int64_t>{1, 3, 512, 512}));
    EXPECT_TRUE(at::isfinite(latents).all().item<bool>());
    EXPECT_GT(image.std().item<double>(), 0.01) << "the picture is flat";

    std::printf("stored %.2f GB, weights %.2f GB in memory\n", static_cast<double>(stored) / 1e9,
                static_cast<double>(weights) / 1e9);
    std::printf("load %.1f s, peak %.2f GB (%.2f of the weights)\n", load_seconds,
                static_cast<double>(load_peak) / 1e9,
                static_cast<double>(load_peak) / static_cast<double>(weights));
    std::printf("two steps %.1f s, decode %.1f s, peak RSS %.2f GB\n", sample_seconds,
                decode_seconds, static_cast<double>(testing::memory_use("VmHWM")) / 1e9);
}

}  // namespace
}  // namespace keepsake::pipeline
