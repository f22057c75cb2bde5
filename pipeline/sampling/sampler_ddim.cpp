// DDIM: Song, Meng, Ermon, "Denoising Diffusion Implicit Models", arXiv 2010.02502.
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable ddim_timetable(const Schedule& schedule, int num_inference_steps) {
    Timetable table{.sampler = Sampler::ddim, .num_inference_steps = num_inference_steps};
    table.timesteps =
        whole_timesteps(schedule.config, TimestepSpacing::leading, num_inference_steps);
    if (schedule.config.prediction_type == PredictionType::epsilon &&
        schedule.config.rescale_betas_zero_snr &&
        table.timesteps.front() == static_cast<double>(schedule.config.num_train_timesteps - 1)) {
        throw Error(
            "scheduler_config.json, rescale_betas_zero_snr",
            "the last timestep is all noise, where prediction_type \"epsilon\" tells nothing "
            "about the picture");
    }
    return table;
}

namespace {

// z of eq. 12, (B, C, h, w) as `like`.
Tensor draw_noise(const std::vector<at::Generator>& generators, const Tensor& like) {
    const auto on_cpu = at::TensorOptions(at::kCPU).dtype(like.scalar_type());
    if (generators.size() == 1) return at::randn(like.sizes(), generators[0], on_cpu);
    std::vector<std::int64_t> shape = like.sizes().vec();
    shape[0] = 1;
    std::vector<Tensor> pictures;
    for (const at::Generator& generator : generators)
        pictures.push_back(at::randn(shape, generator, on_cpu));
    return at::cat(pictures);
}

void check_generators(const std::vector<at::Generator>& generators, std::int64_t batch) {
    const auto count = static_cast<std::int64_t>(generators.size());
    if (count == 1 || count == batch) return;
    throw Error("generators", "ddim_eta above 0 draws noise from one, or from one per picture (" +
                                  std::to_string(batch) + "); there are " + std::to_string(count));
}

}  // namespace

// Eq. 12 with sigma of eq. 16: x_{t-1} = sqrt(a_prev) x0 + sqrt(1 - a_prev - sigma^2) noise + sigma
// z.
Tensor sample_ddim(const SamplerRun& run, Tensor x) {
    const ScheduleConfig& config = run.schedule.config;
    const double ddim_eta = run.controls.ddim_eta;
    if (ddim_eta > 0) check_generators(run.controls.generators, x.size(0));
    const std::vector<double> alphas = alphas_cumprod_of(Sampler::ddim, run.schedule);
    const double final_alpha = config.set_alpha_to_one.value_or(true) ? 1.0 : alphas.front();
    const auto stride = config.num_train_timesteps / run.timetable.num_inference_steps;

    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const auto t = static_cast<std::int64_t>(run.timetable.timesteps[i]);
        const double a = alphas[static_cast<std::size_t>(t)];
        // The reference steps by the stride of `leading` whatever the spacing.
        const double a_prev =
            t >= stride ? alphas[static_cast<std::size_t>(t - stride)] : final_alpha;

        const Tensor output = call_model(run, x, i);
        const Prediction p =
            read_prediction(config.prediction_type, output, x, std::sqrt(a), std::sqrt(1 - a));
        const double variance = (1 - a_prev) / (1 - a) * (1 - a / a_prev);
        const double sigma = ddim_eta * std::sqrt(std::max(variance, 0.0));
        const double direction = std::sqrt(std::max(1 - a_prev - sigma * sigma, 0.0));
        x = p.x0 * std::sqrt(a_prev) + p.noise * direction;
        if (ddim_eta > 0) {
            const Tensor z = draw_noise(run.controls.generators, output);
            x = x + z.to(output.device()) * sigma;
        }
        report_step(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
