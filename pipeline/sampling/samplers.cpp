#include "pipeline/sampling/samplers.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "pipeline/sampling/philox.h"
#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

// How a sampler holds a noised latent: alpha x0 + sigma noise, or x0 + sigma noise.
enum class LatentScale { variance_preserving, variance_exploding };

// Whether it draws noise on the way; by_eta: above 0 of the sampler's own eta.
enum class StepNoise { none, always, by_eta };

// All that the rest of the program knows about a sampler.
struct SamplerRow {
    Sampler sampler;
    std::string_view name;
    LatentScale scale;
    // Null: distilled_timetable.
    Timetable (*timetable)(const Schedule& schedule, int num_inference_steps);
    Tensor (*run)(const SamplerRun& run, Tensor latents);
    int calls = 1;  // of the model in a step, but for the last one
    StepNoise noise = StepNoise::none;
};
constexpr LatentScale preserving = LatentScale::variance_preserving;
constexpr LatentScale exploding = LatentScale::variance_exploding;
constexpr SamplerRow rows[] = {
    {Sampler::ddim, "ddim", preserving, ddim_timetable, sample_ddim, 1, StepNoise::by_eta},
    {Sampler::pndm, "pndm", preserving, pndm_timetable, sample_pndm},
    {Sampler::lms, "lms", exploding, lms_timetable, sample_lms},
    {Sampler::euler, "euler", exploding, euler_timetable, sample_euler},
    {Sampler::dpmpp_2m, "dpmpp_2m", preserving, dpmpp_2m_timetable, sample_dpmpp_2m},
    {Sampler::lcm, "lcm", preserving, nullptr, sample_lcm, 1, StepNoise::always},
    {Sampler::tcd, "tcd", preserving, nullptr, sample_tcd, 1, StepNoise::by_eta},
    {Sampler::euler_a, "euler_a", exploding, euler_a_timetable, sample_euler_a, 1,
     StepNoise::always},
    {Sampler::heun, "heun", exploding, heun_timetable, sample_heun, 2},
    {Sampler::dpm2, "dpm2", exploding, dpm2_timetable, sample_dpm2, 2},
    {Sampler::dpmpp_2m_sde, "dpmpp_2m_sde", preserving, dpmpp_2m_sde_timetable, sample_dpmpp_2m_sde,
     1, StepNoise::always},
    {Sampler::dpmpp_sde, "dpmpp_sde", exploding, dpmpp_sde_timetable, sample_dpmpp_sde, 2,
     StepNoise::always},
    {Sampler::dpmpp_3m_sde, "dpmpp_3m_sde", exploding, dpmpp_3m_sde_timetable, sample_dpmpp_3m_sde,
     1, StepNoise::always},
    {Sampler::unipc, "unipc", preserving, unipc_timetable, sample_unipc},
    {Sampler::dpm2_a, "dpm2_a", exploding, dpm2_a_timetable, sample_dpm2_a, 2, StepNoise::always},
    {Sampler::dpmpp_2s_a, "dpmpp_2s_a", exploding, dpmpp_2s_a_timetable, sample_dpmpp_2s_a, 2,
     StepNoise::always},
};

const SamplerRow& row_of(Sampler sampler) {
    return *std::ranges::find(rows, sampler, &SamplerRow::sampler);
}

[[noreturn]] void refuse_steps(int steps, const std::string& why) {
    throw Error("num_inference_steps", std::to_string(steps) + " " + why);
}

void check_strength(double strength) {
    if (!(strength >= 0 && strength <= 1)) {
        throw Error("strength", std::to_string(strength) + " is not between 0 and 1");
    }
}

void check_begin(const Timetable& timetable, std::size_t begin) {
    if (begin > timetable.timesteps.size()) {
        throw Error("begin", std::to_string(begin) + " is beyond the " +
                                 std::to_string(timetable.timesteps.size()) + " timesteps");
    }
}

}  // namespace

Sampler parse_sampler(std::string_view name) {
    for (const SamplerRow& row : rows) {
        if (row.name == name) return row.sampler;
    }
    throw Error("sampler \"" + std::string(name) + "\"",
                "unknown (known: " + sampler_names(", ") + ")");
}

std::string sampler_names(std::string_view between) {
    std::string names;
    for (const SamplerRow& row : rows) {
        if (!names.empty()) names += between;
        names += row.name;
    }
    return names;
}

std::string_view sampler_name(Sampler sampler) {
    return row_of(sampler).name;
}

std::vector<Sampler> all_samplers() {
    std::vector<Sampler> samplers;
    for (const SamplerRow& row : rows) samplers.push_back(row.sampler);
    return samplers;
}

bool draws_noise(Sampler sampler, double ddim_eta, double tcd_eta) {
    const StepNoise noise = row_of(sampler).noise;
    if (noise == StepNoise::by_eta) return (sampler == Sampler::tcd ? tcd_eta : ddim_eta) > 0;
    return noise == StepNoise::always;
}

bool has_sigmas(Sampler sampler) {
    return sampler != Sampler::ddim && sampler != Sampler::pndm && sampler != Sampler::lcm &&
           sampler != Sampler::tcd;
}

bool fits(NoiseSchedule schedule, Sampler sampler) {
    return has_sigmas(sampler) ||
           with_schedule({}, schedule).sigma_spacing == SigmaSpacing::timesteps;
}

int calls_per_step(Sampler sampler) {
    return row_of(sampler).calls;
}

Timetable make_timetable(Sampler sampler, const Schedule& schedule, int num_inference_steps,
                         double strength) {
    check_strength(strength);
    const std::int64_t range = schedule.config.num_train_timesteps;
    if (num_inference_steps < 1 || num_inference_steps > range) {
        refuse_steps(num_inference_steps, "is not between 1 and the model's " +
                                              std::to_string(range) + " num_train_timesteps");
    }
    const SamplerRow& row = row_of(sampler);
    const SigmaSpacing spacing = schedule.config.sigma_spacing.value_or(SigmaSpacing::timesteps);
    if (spacing != SigmaSpacing::timesteps && !has_sigmas(sampler))
        throw Error("schedule", std::string(row.name) + " has no sigmas that it could lay out");
    Timetable table = row.timetable
                          ? row.timetable(schedule, num_inference_steps)
                          : distilled_timetable(sampler, schedule, num_inference_steps, strength);
    for (const double t : table.timesteps) {
        if (t < 0 || t > static_cast<double>(range - 1)) {
            refuse_steps(num_inference_steps,
                         "are too many: timestep " + std::to_string(std::lround(t)) +
                             " is outside the trained " + std::to_string(range) +
                             " (steps_offset is " + std::to_string(schedule.config.steps_offset) +
                             ")");
        }
    }
    // Multistep samplers divide by the distance of sigmas. The last one may be reached twice.
    const auto calls = static_cast<std::size_t>(calls_per_step(sampler));
    for (std::size_t i = 0; i + calls + 1 < table.sigmas.size(); i += calls) {
        if (table.sigmas[i] <= table.sigmas[i + calls]) {
            refuse_steps(num_inference_steps, "are too many for " +
                                                  std::string(sampler_name(sampler)) +
                                                  ": two of them have the same sigma");
        }
    }
    return table;
}

std::size_t start_index(const Timetable& timetable, double strength) {
    check_strength(strength);
    if (timetable.strength < 1 && timetable.strength == strength) return 0;
    const int n = timetable.num_inference_steps;
    const int kept = std::min(static_cast<int>(n * strength), n);
    if (kept == 0) return timetable.timesteps.size();
    return static_cast<std::size_t>((n - kept) * calls_per_step(timetable.sampler));
}

Tensor add_noise_at(const Timetable& timetable, const Schedule& schedule, const Tensor& x0,
                    const Tensor& noise, std::size_t begin) {
    check_begin(timetable, begin);
    if (begin == timetable.timesteps.size()) return x0;
    if (row_of(timetable.sampler).scale == exploding) return x0 + noise * timetable.sigmas[begin];
    if (!timetable.sigmas.empty()) {
        const double sigma = timetable.sigmas[begin];
        return x0 * alpha_of_sigma(sigma) + noise * (sigma * alpha_of_sigma(sigma));
    }
    const auto t = static_cast<std::size_t>(timetable.timesteps[begin]);
    const double a = alphas_cumprod_of(timetable.sampler, schedule)[t];
    return x0 * std::sqrt(a) + noise * std::sqrt(1 - a);
}

Tensor to_sampler_scale(const Timetable& timetable, const Tensor& latents) {
    if (row_of(timetable.sampler).scale == preserving) return latents;
    return latents / alpha_of_sigma(timetable.sigmas.front());
}

Tensor sample(const Denoiser& denoise, const Schedule& schedule, const Timetable& timetable,
              Tensor latents, const SamplerControls& controls) {
    if (!latents.defined() || latents.dim() < 1 || latents.scalar_type() != at::kFloat) {
        throw Error("latents", "expected a float32 tensor (B, C, h, w)");
    }
    check_begin(timetable, controls.begin);
    for (const auto& [name, eta] :
         {std::pair("ddim_eta", controls.ddim_eta), std::pair("tcd_eta", controls.tcd_eta)}) {
        if (!(eta >= 0 && eta <= 1)) {
            throw Error(name, std::to_string(eta) + " is not between 0 and 1");
        }
    }
    const at::NoGradGuard no_grad;
    const SamplerRun run{denoise, schedule, timetable, controls};
    if (run.begin() == run.end()) return latents;
    if (draws_noise(timetable.sampler, controls.ddim_eta, controls.tcd_eta)) {
        check_generators(run, latents);
    }
    return row_of(timetable.sampler).run(run, std::move(latents));
}

Tensor call_model(const SamplerRun& run, const Tensor& x, std::size_t index) {
    Tensor output = run.denoise(x, run.timetable.timesteps[index]);
    if (output.sizes() != x.sizes()) {
        throw Error("the denoiser's prediction",
                    "expected " + c10::str(x.sizes()) + ", found " + c10::str(output.sizes()));
    }
    return output;
}

Tensor end_call(const SamplerRun& run, std::size_t index, const Tensor& latents) {
    const SamplerControls& controls = run.controls;
    Tensor after = controls.after_call ? controls.after_call(index + 1, latents) : latents;
    if (controls.on_step) controls.on_step(index, after);
    if (controls.monitor)
        controls.monitor->step(static_cast<std::int64_t>(index + 1 - run.begin()),
                               static_cast<std::int64_t>(run.end() - run.begin()), "render");
    return after;
}

void check_generators(const SamplerRun& run, const Tensor& latents) {
    const std::size_t count = run.controls.philox_seeds.empty() ? run.controls.generators.size()
                                                                : run.controls.philox_seeds.size();
    const std::int64_t batch = latents.size(0);
    if (count == 1 || static_cast<std::int64_t>(count) == batch) return;
    throw Error("generators", std::string(sampler_name(run.timetable.sampler)) +
                                  " draws noise from one, or from one per picture (" +
                                  std::to_string(batch) + "); there are " + std::to_string(count));
}

namespace {

Tensor card_noise(const SamplerRun& run, const Tensor& like, std::uint32_t draw) {
    const std::vector<std::uint64_t>& seeds = run.controls.philox_seeds;
    std::vector<std::int64_t> shape = like.sizes().vec();
    if (seeds.size() > 1) shape[0] = 1;
    std::vector<Tensor> pictures;
    for (const std::uint64_t seed : seeds) pictures.push_back(philox_randn(shape, seed, draw));
    return at::cat(pictures).to(like.options());
}

}  // namespace

Tensor step_noise(const SamplerRun& run, const Tensor& like) {
    const std::uint32_t draw = ++run.draws;
    if (!run.controls.philox_seeds.empty()) return card_noise(run, like, draw);
    const std::vector<at::Generator>& generators = run.controls.generators;
    const auto on_cpu = at::TensorOptions(at::kCPU).dtype(like.scalar_type());
    if (generators.size() == 1) {
        return at::randn(like.sizes(), generators[0], on_cpu).to(like.device());
    }
    std::vector<std::int64_t> shape = like.sizes().vec();
    shape[0] = 1;
    std::vector<Tensor> pictures;
    for (const at::Generator& generator : generators)
        pictures.push_back(at::randn(shape, generator, on_cpu));
    return at::cat(pictures).to(like.device());
}

namespace {

// As k-diffusion's sigmas, which are float32.
double in_float(double sigma) {
    return static_cast<double>(static_cast<float>(sigma));
}

std::vector<BrownianTree> make_paths(const SamplerRun& run, const Tensor& like) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    double lowest = sigmas[run.begin()];
    for (std::size_t i = run.begin(); i < sigmas.size(); ++i)
        if (sigmas[i] > 0) lowest = std::min(lowest, sigmas[i]);
    const std::vector<std::uint64_t>& seeds = run.controls.philox_seeds;
    std::vector<std::int64_t> shape = like.sizes().vec();
    if (seeds.size() > 1) shape[0] = 1;
    std::vector<BrownianTree> paths;
    for (const std::uint64_t seed : seeds)
        paths.emplace_back(in_float(lowest), in_float(sigmas[run.begin()]), seed,
                           [shape](std::uint64_t part) { return philox_randn(shape, part); });
    return paths;
}

}  // namespace

Tensor path_noise(const SamplerRun& run, const Tensor& like, double sigma, double next) {
    if (run.controls.philox_seeds.empty()) return step_noise(run, like);
    if (run.paths.empty()) run.paths = make_paths(run, like);
    const double from = in_float(next), to = in_float(sigma);
    std::vector<Tensor> pictures;
    for (BrownianTree& path : run.paths) pictures.push_back(path.increment(from, to));
    // Down the path, from the higher sigma.
    return at::cat(pictures).to(like.options()) / -std::sqrt(to - from);
}

Tensor call_for_x0(const SamplerRun& run, const Tensor& x, std::size_t index, double sigma) {
    const Tensor output = call_model(run, x / std::sqrt(sigma * sigma + 1), index);
    return read_x0(run.schedule.config.prediction_type, output, x, sigma);
}

AncestralStep ancestral_step(double sigma, double next) {
    const double up =
        std::min(next, std::sqrt(next * next * (sigma * sigma - next * next) / (sigma * sigma)));
    return {std::sqrt(std::max(next * next - up * up, 0.0)), up};
}

Tensor with_x0_held(const Tensor& x, const Tensor& x0, double sigma, double next) {
    const double decay = next / sigma;
    return x * decay - x0 * (decay - 1);
}

bool ends_first_order(const SamplerRun& run) {
    const ScheduleConfig& config = run.schedule.config;
    const bool few = run.end() < 15;  // of the whole table, as the reference counts
    return config.euler_at_final || (config.lower_order_final && few) ||
           run.timetable.sigmas.back() == 0;
}

Prediction read_prediction(PredictionType type, const Tensor& output, const Tensor& x, double alpha,
                           double sigma) {
    switch (type) {
        case PredictionType::epsilon:
            return {(x - output * sigma) / alpha, output};
        case PredictionType::sample:
            return {output, (x - output * alpha) / sigma};
        case PredictionType::v_prediction:
            return {x * alpha - output * sigma, output * alpha + x * sigma};
    }
    throw Error("prediction_type", "unknown");
}

Tensor read_x0(PredictionType type, const Tensor& output, const Tensor& x, double sigma) {
    switch (type) {
        case PredictionType::epsilon:
            return x - output * sigma;
        case PredictionType::sample:
            return output;
        case PredictionType::v_prediction:
            return output * (-sigma * alpha_of_sigma(sigma)) + x / (sigma * sigma + 1);
    }
    throw Error("prediction_type", "unknown");
}

double alpha_of_sigma(double sigma) {
    return 1 / std::sqrt(sigma * sigma + 1);
}

}  // namespace keepsake::pipeline
