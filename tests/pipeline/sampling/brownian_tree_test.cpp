// Beside torchsde and numpy (make_brownian_goldens.py).
#include "pipeline/sampling/brownian_tree.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/sampling/philox.h"
#include "pipeline/sampling/samplers.h"
#include "tests/pipeline/sampling/toy_denoiser.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;

json goldens() {
    return json::parse(std::ifstream(KEEPSAKE_GOLDENS "/brownian.json"));
}

at::Tensor on_cpu(std::uint64_t seed) {
    return at::randn({2, 3}, seeded(seed), at::TensorOptions(at::kFloat));
}

TEST(BrownianTree, SeedsAreNumpys) {
    const json all = goldens();
    ASSERT_EQ(all.at("seeds").size(), 6u);
    for (const json& one : all.at("seeds")) {
        const auto key = one.at("spawn_key").get<std::vector<std::uint64_t>>();
        const auto state = one.at("state").get<std::array<std::uint32_t, 4>>();
        EXPECT_EQ(seed_sequence(one.at("entropy").get<std::uint64_t>(), key), state) << one;
    }
}

TEST(BrownianTree, GoldenOfTorchsde) {
    int compared = 0;
    const json all = goldens();
    for (const json& one : all.at("trees")) {
        BrownianTree tree(one.at("t0"), one.at("t1"), one.at("entropy").get<std::uint64_t>(),
                          on_cpu);
        for (const json& part : one.at("increments")) {
            const auto expected = part.at("w").get<std::vector<float>>();
            const at::Tensor w = tree.increment(part.at("from"), part.at("to")).contiguous();
            for (std::size_t i = 0; i < expected.size(); ++i)
                EXPECT_NEAR(w.data_ptr<float>()[i], expected[i], 2e-6) << part << one.at("t0");
            ++compared;
        }
    }
    EXPECT_EQ(compared, 36);
}

// In whatever order it is asked for.
TEST(BrownianTree, IsOnePath) {
    BrownianTree a(0.03, 14.6, 7, on_cpu), b(0.03, 14.6, 7, on_cpu);
    const at::Tensor sum = a.increment(0.5, 2) + a.increment(2, 9.25);
    EXPECT_LE((sum - b.increment(0.5, 9.25)).abs().max().item<float>(), 1e-5F);
    EXPECT_TRUE(at::equal(a.increment(0.5, 9.25), b.increment(0.5, 9.25)));
}

// The step's noise, of a model whose x0 is x: DPM++ 3M SDE's first step is noise alone.
TEST(BrownianTree, IsTheSdeSamplersNoiseOfAGraphicsCard) {
    const Schedule schedule(ScheduleConfig::stable_diffusion(PredictionType::epsilon));
    const Timetable table = make_timetable(Sampler::dpmpp_3m_sde, schedule, 4);
    const auto still = [](const Tensor& x, double) { return at::zeros_like(x); };
    const Tensor start = at::ones({2, 4, 1, 2}) * table.init_noise_sigma;
    SamplerControls controls;
    controls.philox_seeds = {5, 6};
    std::vector<Tensor> steps;
    controls.on_step = [&](std::size_t, const Tensor& x) { steps.push_back(x); };
    sample(still, schedule, table, start, controls);
    const auto as_float = [](double sigma) { return double(float(sigma)); };
    const double high = as_float(table.sigmas[0]), next = as_float(table.sigmas[1]),
                 low = as_float(table.sigmas[table.sigmas.size() - 2]);
    std::vector<Tensor> noise;
    for (const std::uint64_t seed : controls.philox_seeds) {
        BrownianTree tree(low, high, seed, [](std::uint64_t part) {
            return philox_randn({1, 4, 1, 2}, part);
        });
        noise.push_back(tree.increment(next, high) / -std::sqrt(high - next));
    }
    const double up = next * std::sqrt(1 - next * next / (high * high));
    EXPECT_LE((steps.front() - start - at::cat(noise) * up).abs().max().item<float>(), 1e-4F);
    // One picture is what it is among others.
    const Tensor both = steps.back();
    controls.philox_seeds = {6};
    steps.clear();
    sample(still, schedule, table, start.slice(0, 1, 2), controls);
    EXPECT_TRUE(at::equal(steps.back(), both.slice(0, 1, 2)));
}

}  // namespace
}  // namespace keepsake::pipeline
