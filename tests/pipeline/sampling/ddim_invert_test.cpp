// DDIM inversion against diffusers (tests/goldens/make_inversion_goldens.py), and there and back.
#include "pipeline/sampling/ddim_invert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pipeline/files/safetensors.h"
#include "pipeline/model/generate.h"

namespace keepsake::pipeline {
namespace {

// The golden script's toy_denoiser.
Tensor toy_denoiser(const Tensor& x, double t) {
    const double s = std::sin(static_cast<float>(t / 1000));
    const double c = std::cos(static_cast<float>(t / 1000));
    return at::tanh(x * 0.7 + x.flip({-1}) * s + 0.3) * c + x.flip({1}) * (0.2 * s);
}

Schedule stable_diffusion(PredictionType type = PredictionType::epsilon, bool to_one = false) {
    ScheduleConfig config = ScheduleConfig::stable_diffusion(type);
    config.set_alpha_to_one = to_one;
    return Schedule(config);
}

// The largest difference over the largest reference value.
double relative_error(const Tensor& found, const Tensor& expected) {
    return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

std::vector<std::int64_t> ascending(const Timetable& timetable) {
    std::vector<std::int64_t> timesteps;
    for (const double t : timetable.timesteps) timesteps.push_back(std::lround(t));
    std::ranges::reverse(timesteps);
    return timesteps;
}

TEST(DdimInvert, EveryLatentIsThatOfDiffusers) {
    const TensorMap goldens = read_safetensors(KEEPSAKE_GOLDENS "/inversion.safetensors");
    for (const int steps : {5, 20, 50}) {
        for (const bool to_one : {false, true}) {
            for (const auto& [name, type] :
                 {std::pair("epsilon", PredictionType::epsilon),
                  std::pair("v_prediction", PredictionType::v_prediction)}) {
                const std::string key =
                    std::to_string(steps) + "-" + name + "-" + std::to_string(to_one);
                SCOPED_TRACE(key);
                const Tensor table = goldens.at(key + ".timesteps");
                std::vector<std::int64_t> timesteps;
                for (std::int64_t i = 0; i < table.numel(); ++i) {
                    timesteps.push_back(table[i].item<std::int64_t>());
                    const Tensor latents =
                        ddim_invert(toy_denoiser, stable_diffusion(type, to_one), timesteps,
                                    goldens.at("latents"), {.rounds = 1, .extrapolate = false});
                    const Tensor expected = goldens.at(key + ".latents")[i].unsqueeze(0);
                    EXPECT_LT(relative_error(latents, expected), 1e-5) << "step " << i;
                }
            }
        }
    }
}

TEST(DdimInvert, AtTheFixedPointDdimComesBackExactly) {
    for (const PredictionType type :
         {PredictionType::epsilon, PredictionType::v_prediction, PredictionType::sample}) {
        const Schedule schedule = stable_diffusion(type);
        const Timetable table = make_timetable(Sampler::ddim, schedule, 20);
        const Tensor x0 = randn({2, 4, 2, 4}, make_generator(8));
        const auto error_with = [&](const InversionOptions& options) {
            const Tensor start = ddim_invert(toy_denoiser, schedule, ascending(table), x0, options);
            return relative_error(sample(toy_denoiser, schedule, table, start), x0);
        };
        EXPECT_LT(error_with({.rounds = 60}), 1e-4) << int(type);
        EXPECT_GT(error_with({.rounds = 1, .extrapolate = false}), 1e-2) << "else nothing is shown";
        EXPECT_LT(error_with({}), error_with({.rounds = 1, .extrapolate = false}));
    }
}

// Whatever way they take, samplers come back to where the inversion began.
TEST(DdimInvert, ItsEndIsTheStartOfEverySampler) {
    for (const bool karras : {false, true}) {
        ScheduleConfig config = ScheduleConfig::stable_diffusion(PredictionType::epsilon);
        config.use_karras_sigmas = karras;
        const Schedule schedule(config);
        const Tensor x0 = randn({1, 4, 2, 4}, make_generator(8));
        for (const Sampler sampler : all_samplers()) {
            // Those of distilled models draw noise, and have no 100 steps.
            if (draws_noise(sampler, 0, 1)) continue;
            const Timetable table = make_timetable(sampler, schedule, 100);
            const Tensor start = ddim_invert(toy_denoiser, schedule,
                                             inversion_timesteps(table, 200), x0, {.rounds = 4});
            const Tensor back =
                sample(toy_denoiser, schedule, table, to_sampler_scale(table, start));
            EXPECT_LT(relative_error(back, x0), 0.05) << sampler_name(sampler) << " " << karras;
        }
    }
}

TEST(DdimInvert, LevelsEndWhereTheSamplerBegins) {
    const Schedule schedule = stable_diffusion();
    for (const Sampler sampler : all_samplers()) {
        const Timetable table = make_timetable(sampler, schedule, 25);
        const auto timesteps = inversion_timesteps(table, 10);
        EXPECT_EQ(timesteps.size(), 10u);
        EXPECT_EQ(static_cast<double>(timesteps.back()), std::round(table.timesteps.front()));
        EXPECT_TRUE(std::ranges::is_sorted(timesteps));
    }
    Timetable whole;
    whole.timesteps = {999};
    EXPECT_EQ(inversion_timesteps(whole, 6),
              (std::vector<std::int64_t>{28, 111, 250, 444, 694, 999}))
        << "few: denser near the picture";
    Timetable early;
    early.timesteps = {3};
    EXPECT_EQ(inversion_timesteps(early, 10), (std::vector<std::int64_t>{0, 1, 2, 3}));
}

// With zero terminal SNR the last level has no signal left to divide by.
TEST(DdimInvert, ReachesPureNoise) {
    ScheduleConfig config = ScheduleConfig::stable_diffusion(PredictionType::v_prediction);
    config.rescale_betas_zero_snr = true;
    config.timestep_spacing = TimestepSpacing::trailing;
    const Schedule schedule(config);
    const Timetable table = make_timetable(Sampler::ddim, schedule, 20);
    ASSERT_EQ(table.timesteps.front(), 999);
    const Tensor x0 = randn({1, 4, 2, 4}, make_generator(8));
    const Tensor end = ddim_invert(toy_denoiser, schedule, inversion_timesteps(table, 25), x0);
    EXPECT_TRUE(end.isfinite().all().item<bool>());
}

TEST(DdimInvert, TimestepsThatDoNotAscendAreNamed) {
    const Tensor x0 = randn({1, 4, 2, 4}, make_generator(8));
    for (const std::vector<std::int64_t>& timesteps :
         {std::vector<std::int64_t>{5, 5}, {7, 3}, {-1}, {999, 1000}}) {
        try {
            ddim_invert(toy_denoiser, stable_diffusion(), timesteps, x0);
            FAIL() << "accepted";
        } catch (const Error& error) {
            EXPECT_EQ(std::string(error.what()).find("timesteps: "), 0u) << error.what();
        }
    }
}

TEST(DdimInvert, ReportsEachCallAndStops) {
    std::stop_source stop;
    std::int64_t reports = 0;
    Monitor monitor(
        [&](const Progress& progress) {
            EXPECT_EQ(progress.done, ++reports);
            EXPECT_EQ(progress.total, 6);
            EXPECT_EQ(progress.note, "inversion");
            if (reports == 4) stop.request_stop();
        },
        stop.get_token());
    EXPECT_THROW(ddim_invert(toy_denoiser, stable_diffusion(), {100, 200, 300},
                             randn({1, 4, 2, 4}, make_generator(8)),
                             {.rounds = 2, .extrapolate = true, .monitor = &monitor}),
                 Cancelled);
    EXPECT_EQ(reports, 4);
}

// The bundled model: a picture that it made comes back from its inverted latents.
const Model& flowers() {
    static const Model model = load_model(KEEPSAKE_ASSETS "/models/flowers");
    return model;
}

TEST(Inversion, ThePictureComesBackByEverySampler) {
    const Model& model = flowers();
    GenerateInput input;
    input.cond = encode_text(model, "a photo of a red tulip");
    input.uncond = encode_text(model, "");
    input.noise = initial_noise(model, 128, 128, make_generator(7));
    SampleOptions options{.sampler = Sampler::dpmpp_2m, .steps = 25};
    options.guidance_scale = 1;
    Monitor monitor;
    const Tensor made = generate_latents(model, input, options, monitor);
    input.init_latents = made;
    const Tensor inverted = invert_latents(model, input, options, monitor);
    input.init_latents.reset();
    input.inverted = inverted;
    input.noise = initial_noise(model, 128, 128, make_generator(8));  // not the picture's own
    const Tensor picture = decode_latents(model, made);
    for (const Sampler sampler : all_samplers()) {
        options.sampler = sampler;
        // With noise at each step nothing leads back.
        if (draws_noise(sampler, options.ddim_eta, options.tcd_eta)) continue;
        const auto psnr_with = [&](double share) {
            options.noise_share = share;
            const Tensor back =
                decode_latents(model, generate_latents(model, input, options, monitor));
            return -10 * std::log10((back - picture).square().mean().item<double>());
        };
        RecordProperty(std::string(sampler_name(sampler)), std::to_string(psnr_with(0)));
        // Heun's second order is the farthest from the path of the inversion: 29.95.
        EXPECT_GT(psnr_with(0), 29) << sampler_name(sampler);
        EXPECT_LT(psnr_with(1), psnr_with(0)) << sampler_name(sampler);
    }
}

TEST(Inversion, SharesOfTheNoise) {
    const Model& model = flowers();
    GenerateInput input;
    input.cond = encode_text(model, "a rose");
    input.uncond = encode_text(model, "");
    input.inverted = randn({1, 8, 16, 16}, make_generator(1));
    Monitor monitor;
    const auto picture = [&](double share, std::uint64_t seed) {
        SampleOptions options{.sampler = Sampler::euler, .steps = 5};
        options.noise_share = share;
        input.noise = initial_noise(model, 128, 128, make_generator(seed));
        return generate_latents(model, input, options, monitor);
    };
    EXPECT_TRUE(at::equal(picture(0, 1), picture(0, 2))) << "the picture's alone";
    EXPECT_FALSE(at::equal(picture(0.3, 1), picture(0.3, 2))) << "each seed is one image";
    const Tensor noise_alone = picture(1, 2);
    input.inverted.reset();
    EXPECT_TRUE(at::equal(picture(1, 2), noise_alone));
    EXPECT_THROW(picture(0.5, 2), Error);
    EXPECT_THROW(invert_latents(model, input, {}, monitor), Error);
}

}  // namespace
}  // namespace keepsake::pipeline
