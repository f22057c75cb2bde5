// The samplers of k-diffusion's names and the schedules of every one against diffusers and
// k-diffusion's rules (tests/goldens/make_named_sampler_goldens.py).
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/files/json_file.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/sampling/philox.h"
#include "pipeline/sampling/samplers.h"
#include "pipeline/sampling/timetable.h"
#include "tests/pipeline/sampling/toy_denoiser.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;

const TensorMap& goldens() {
    static const TensorMap tensors =
        read_safetensors(KEEPSAKE_GOLDENS "/named_samplers.safetensors");
    return tensors;
}

Tensor randn(std::uint64_t seed, std::int64_t batch = 1) {
    return at::randn({batch, 4, 1, 2}, seeded(seed), at::TensorOptions(at::kFloat));
}

// Throws nothing that a golden's case should not.
void expect_near(const std::vector<double>& found, const Tensor& expected, double tolerance,
                 const char* what) {
    ASSERT_EQ(static_cast<std::int64_t>(found.size()), expected.numel()) << what;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const double wanted = expected[static_cast<std::int64_t>(i)].item<double>();
        EXPECT_NEAR(found[i], wanted, tolerance * std::max(1e-3, wanted)) << what << " " << i;
    }
}

// Runs one case and returns its worst error over all calls.
double run_case(const json& test) {
    const std::string name = test["name"];
    ScheduleConfig config = ScheduleConfig::from_json(test["config"]);
    if (test.contains("schedule"))
        config = with_schedule(config, parse_schedule(test["schedule"].get<std::string>()));
    const Schedule schedule(config);
    const Sampler sampler = parse_sampler(test["sampler"].get<std::string>());
    const double strength = test.value("strength", 1.0);
    const Timetable table = make_timetable(sampler, schedule, test["steps"], strength);
    SamplerControls controls;
    controls.begin = start_index(table, strength);
    const auto begin = static_cast<std::ptrdiff_t>(controls.begin);
    // Between two timesteps they are found through a float32 logarithm.
    expect_near(table.timesteps, goldens().at(name + ".timesteps"), 2e-5, "timestep");
    expect_near({table.sigmas.begin() + begin, table.sigmas.end()}, goldens().at(name + ".sigmas"),
                2e-6, "sigma");
    const double sigma = goldens().at(name + ".init_noise_sigma").item<double>();
    EXPECT_NEAR(table.init_noise_sigma, sigma, 2e-6 * sigma);

    const Tensor expected = goldens().at(name + ".latents");
    Tensor latents = randn(7) * table.init_noise_sigma;
    if (test.contains("strength"))
        latents = add_noise_at(table, schedule, randn(8), randn(7), controls.begin);
    controls.generators = {seeded(9)};
    double worst = relative_error(latents, expected.slice(0, 0, 1));
    std::int64_t row = 0;
    controls.on_step = [&](std::size_t index, const Tensor& x) {
        EXPECT_EQ(index, controls.begin + static_cast<std::size_t>(row));
        ASSERT_LT(++row, expected.size(0));
        worst = std::max(worst, relative_error(x, expected.slice(0, row, row + 1)));
    };
    const Tensor last = sample(toy_denoiser, schedule, table, latents, controls);
    EXPECT_EQ(row + 1, expected.size(0));
    return std::max(worst, relative_error(last, expected.slice(0, -1)));
}

class NamedSamplerParity : public testing::TestWithParam<const char*> {};

TEST_P(NamedSamplerParity, EveryLatentIsTheReferences) {
    double worst = 0;
    int cases = 0;
    for (const json& test : read_json_file(KEEPSAKE_GOLDENS "/named_samplers.json")) {
        if (test["sampler"] != GetParam()) continue;
        SCOPED_TRACE(test["name"].get<std::string>());
        const double error = run_case(test);
        EXPECT_LE(error, 1e-4);
        worst = std::max(worst, error);
        ++cases;
    }
    EXPECT_GE(cases, 9);
    std::printf("%s: %d cases, worst relative error %.2g\n", GetParam(), cases, worst);
}
INSTANTIATE_TEST_SUITE_P(All, NamedSamplerParity,
                         testing::Values("euler_a", "heun", "dpm2", "dpmpp_2m_sde", "dpmpp_sde",
                                         "dpmpp_3m_sde", "unipc", "dpm2_a", "dpmpp_2s_a", "euler",
                                         "lms", "dpmpp_2m"),
                         [](const auto& info) { return std::string(info.param); });

// Against scipy.stats.beta.ppf.
TEST(SigmaSpacings, QuantilesOfTheBetaDistribution) {
    EXPECT_EQ(beta_quantile(0, 0.6, 0.6), 0);
    EXPECT_EQ(beta_quantile(1, 0.6, 0.6), 1);
    EXPECT_NEAR(beta_quantile(0.5, 0.6, 0.6), 0.5, 1e-12);
    EXPECT_NEAR(beta_quantile(0.001, 0.6, 0.6), 1.855873851745199e-05,
                1.855873851745199e-05 * 1e-10);
    EXPECT_NEAR(beta_quantile(0.1, 0.6, 0.6), 0.03958440558878085, 1e-12);
    EXPECT_NEAR(beta_quantile(0.93, 0.6, 0.6), 0.978056165310785, 1e-12);
    EXPECT_NEAR(beta_quantile(0.3, 2.5, 0.4), 0.8361418841247603, 1e-12);
}

Schedule stable_diffusion() {
    return Schedule(ScheduleConfig::stable_diffusion(PredictionType::epsilon));
}

std::string error_of(const std::function<void()>& run) {
    try {
        run();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

TEST(SigmaSpacings, AskedForWhereThereAreNoSigmasTheyAreRefused) {
    ScheduleConfig config = stable_diffusion().config;
    for (const Sampler sampler : all_samplers()) {
        const Schedule karras(with_schedule(config, NoiseSchedule::karras));
        const std::string error = error_of([&] { make_timetable(sampler, karras, 8); });
        EXPECT_EQ(error.empty(), has_sigmas(sampler)) << sampler_name(sampler) << error;
        if (!has_sigmas(sampler)) {
            EXPECT_EQ(error, "schedule: " + std::string(sampler_name(sampler)) +
                                 " has no sigmas that it could lay out");
        }
        const Schedule plain(with_schedule(config, NoiseSchedule::normal));
        EXPECT_EQ(error_of([&] { make_timetable(sampler, plain, 8); }), "");
    }
    // It is stronger than what the file says.
    config.use_karras_sigmas = true;
    const Schedule asked(with_schedule(config, NoiseSchedule::normal));
    EXPECT_EQ(make_timetable(Sampler::euler, asked, 5).sigmas,
              make_timetable(Sampler::euler, stable_diffusion(), 5).sigmas);
}

TEST(SigmaSpacings, SchedulesHaveTheirNames) {
    for (const NoiseSchedule schedule : all_schedules())
        EXPECT_EQ(parse_schedule(schedule_name(schedule)), schedule);
    EXPECT_EQ(error_of([] { parse_schedule("Karras"); }),
              "schedule \"Karras\": unknown (known: normal, karras, exponential, sgm_uniform, "
              "ddim_uniform, beta, ays)");
    const json both = {{"use_karras_sigmas", true}, {"use_beta_sigmas", true}};
    EXPECT_NE(error_of([&] { ScheduleConfig::from_json(both); }).find("only one of it"),
              std::string::npos);
}

// A graphics card's noise: the draws after the first, for each picture by itself.
TEST(NamedSamplers, PhiloxNoiseIsThatOfTheDrawsAfterTheFirst) {
    const Schedule schedule = stable_diffusion();
    const Timetable table = make_timetable(Sampler::euler_a, schedule, 2);
    SamplerControls controls;
    const Tensor start = randn(7, 2) * table.init_noise_sigma;
    std::vector<Tensor> steps;
    controls.on_step = [&](std::size_t, const Tensor& x) { steps.push_back(x); };
    controls.philox_seeds = {5, 6};
    sample(toy_denoiser, schedule, table, start, controls);
    const Tensor drawn = steps.front();
    const auto still = [](const Tensor& x, double) { return at::zeros_like(x); };
    steps.clear();
    sample(still, schedule, table, start, controls);  // x0 is x: the step is noise alone
    const double s = table.sigmas[0], next = table.sigmas[1];
    const double up = std::sqrt(next * next * (s * s - next * next) / (s * s));
    const Tensor noise =
        at::cat({philox_randn({1, 4, 1, 2}, 5, 1), philox_randn({1, 4, 1, 2}, 6, 1)});
    EXPECT_LE(relative_error(steps.front(), start + noise * up), 1e-6);
    // One picture is what it is among others.
    controls.philox_seeds = {6};
    steps.clear();
    sample(toy_denoiser, schedule, table, start.slice(0, 1, 2), controls);
    EXPECT_TRUE(at::equal(steps.front(), drawn.slice(0, 1, 2)));
    controls.philox_seeds = {1, 2, 3};
    EXPECT_NE(error_of([&] {
                  sample(toy_denoiser, schedule, table, start, controls);
              }).find("there are 3"),
              std::string::npos);
}

}  // namespace
}  // namespace keepsake::pipeline
