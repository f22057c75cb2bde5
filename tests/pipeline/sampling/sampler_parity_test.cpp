// Timetables and every intermediate latent against diffusers
// (tests/goldens/make_sampler_goldens.py).
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "pipeline/files/json_file.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/sampling/samplers.h"
#include "tests/pipeline/sampling/toy_denoiser.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;

json read_json(const std::string& name) {
    return read_json_file(std::string(KEEPSAKE_GOLDENS "/") + name);
}

const TensorMap& goldens() {
    static const TensorMap tensors = read_safetensors(KEEPSAKE_GOLDENS "/samplers.safetensors");
    return tensors;
}

Tensor randn(std::uint64_t seed) {
    return at::randn({1, 4, 2, 4}, seeded(seed), at::TensorOptions(at::kFloat));
}

std::vector<double> doubles(const Tensor& tensor) {
    const Tensor flat = tensor.to(at::kDouble).contiguous();
    return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

void expect_table(const json& test, const Timetable& table) {
    const std::string name = test["name"];
    const std::vector<double> timesteps = doubles(goldens().at(name + ".timesteps"));
    if (test["config"].value("use_karras_sigmas", false) && !table.sigmas.empty()) {
        // Found through a float32 logarithm, where numpy and the C library differ by a rounding.
        ASSERT_EQ(table.timesteps.size(), timesteps.size());
        for (std::size_t i = 0; i < timesteps.size(); ++i) {
            EXPECT_NEAR(table.timesteps[i], timesteps[i], 2e-4) << "timestep " << i;
        }
    } else {
        EXPECT_EQ(table.timesteps, timesteps);
    }
    const double sigma = goldens().at(name + ".init_noise_sigma").item<double>();
    EXPECT_NEAR(table.init_noise_sigma, sigma, 1e-6 * sigma);
    const bool has_sigmas = goldens().contains(name + ".sigmas");
    ASSERT_EQ(has_sigmas, !table.sigmas.empty());
    if (!has_sigmas) return;
    const std::vector<double> sigmas = doubles(goldens().at(name + ".sigmas"));
    ASSERT_EQ(table.sigmas.size(), sigmas.size());
    for (std::size_t i = 0; i < sigmas.size(); ++i) {
        EXPECT_NEAR(table.sigmas[i], sigmas[i], 1e-6 * std::max(1e-3, sigmas[i])) << "sigma " << i;
    }
}

// Runs one case and returns its worst error over all steps.
double run_case(const json& test) {
    const Schedule schedule(ScheduleConfig::from_json(test["config"]));
    const Sampler sampler = parse_sampler(test["sampler"].get<std::string>());
    const double strength = test.value("strength", 1.0);
    const Timetable table = make_timetable(sampler, schedule, test["steps"], strength);
    expect_table(test, table);

    const Tensor expected = goldens().at(test["name"].get<std::string>() + ".latents");
    SamplerControls controls;
    Tensor latents = randn(7) * table.init_noise_sigma;
    if (test.contains("strength")) {
        controls.begin = start_index(table, strength);
        latents = add_noise_at(table, schedule, randn(8), randn(7), controls.begin);
    }
    controls.ddim_eta = test.value("ddim_eta", 0.0);
    controls.tcd_eta = test.value("tcd_eta", 0.0);
    if (draws_noise(sampler, controls.ddim_eta, controls.tcd_eta)) {
        controls.generators = {seeded(9)};
    }

    double worst = relative_error(latents, expected.slice(0, 0, 1));
    std::size_t calls = 0;
    controls.on_step = [&](std::size_t index, const Tensor& x) {
        EXPECT_EQ(index, controls.begin + calls);
        const auto row = static_cast<std::int64_t>(++calls);
        ASSERT_LT(row, expected.size(0));
        worst = std::max(worst, relative_error(x, expected.slice(0, row, row + 1)));
    };
    const Tensor final = sample(toy_denoiser, schedule, table, latents, controls);
    EXPECT_EQ(static_cast<std::int64_t>(calls) + 1, expected.size(0));
    return std::max(worst, relative_error(final, expected.slice(0, -1)));
}

class SamplerParity : public testing::TestWithParam<const char*> {};

TEST_P(SamplerParity, EveryLatentIsTheReferences) {
    double worst = 0;
    int cases = 0;
    for (const json& test : read_json("samplers.json")) {
        if (test["sampler"] != GetParam()) continue;
        const std::string name = test["name"];
        SCOPED_TRACE(name);
        const double error = run_case(test);
        // The cosine schedule begins at a sigma of 20,000, against which euler and lms take the
        // picture as a difference: there float32's last digits, which differ between processors
        // (4.9e-4 with ATen's plain code), weigh so much more.
        EXPECT_LE(error, name.ends_with("cosine") ? 1e-3 : 1e-4);
        worst = std::max(worst, error);
        ++cases;
    }
    EXPECT_GE(cases, 100);
    RecordProperty("worst_relative_error", std::to_string(worst));
    std::printf("%s: %d cases, worst relative error %.2g\n", GetParam(), cases, worst);
}
INSTANTIATE_TEST_SUITE_P(All, SamplerParity,
                         testing::Values("ddim", "pndm", "lms", "euler", "dpmpp_2m", "lcm", "tcd"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace keepsake::pipeline
