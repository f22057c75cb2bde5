#include "optimize/imagic/rate_trial.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "optimize/training/loop.h"

namespace keepsake::optimize {

namespace {

double two_digits(double value) {
    const double unit = std::pow(10.0, std::floor(std::log10(value)) - 1);
    // Divided by its inverse where the unit is a fraction, so that 0.0023 is the double of
    // "2.3e-3".
    return unit < 1 ? std::round(value / unit) / std::round(1 / unit)
                    : std::round(value / unit) * unit;
}

StageOptions trial_options(StageOptions options, double rate) {
    options.warmup_steps =
        options.steps > 0 ? options.warmup_steps * rate_trial_steps / options.steps : 0;
    options.steps = rate_trial_steps;
    options.learning_rate = rate;
    return options;
}

// What a trial may change is copied; what it only reads is shared.
Tuning fresh_start(const Tuning& tuning) {
    Tuning start;
    start.target_embedding = tuning.target_embedding;
    start.optimised_embedding = tuning.optimised_embedding;
    start.embedding_losses.after = tuning.embedding_losses.after;  // saves its computation
    if (tuning.unet && tuning.loras.empty()) start.unet = tuning.unet->clone();
    TensorMap matrices = pipeline::lora_tensors(tuning.loras);
    for (auto& [name, tensor] : matrices) tensor = tensor.detach().clone();
    start.loras = pipeline::loras_from_tensors(matrices, "the LoRA of a trial");
    return start;
}

class Trials {
  public:
    Trials(const TuningTask& task, const StageOptions& options, const Tuning& tuning,
           const StageControls& controls)
        : task_(task), options_(options), tuning_(tuning), controls_(controls) {}

    double loss(double rate) {
        Monitor monitor([&](const Progress& progress) {
            if (controls_.monitor)
                controls_.monitor->step(done_ + progress.done, most_rates_tried * rate_trial_steps,
                                        "rate");
        });
        StageControls controls;
        controls.monitor = &monitor;
        controls.checkpointing = controls_.checkpointing;
        if (done_ == 0) controls.warn = controls_.warn;
        Tuning trial = fresh_start(tuning_);
        double loss = std::numeric_limits<double>::infinity();
        try {
            fine_tune(task_, trial_options(options_, rate), trial, controls);
            if (std::isfinite(*trial.finetune_losses.after)) loss = *trial.finetune_losses.after;
        } catch (const NotFinite&) {  // is what a rate that is too high does
        }
        done_ += rate_trial_steps;
        return loss;
    }

  private:
    const TuningTask& task_;
    const StageOptions& options_;
    const Tuning& tuning_;
    const StageControls& controls_;
    std::int64_t done_ = 0;
};

}  // namespace

double best_rate(std::vector<TriedRate> tried) {
    std::ranges::sort(tried, {}, &TriedRate::rate);
    const auto best = std::ranges::min_element(tried, {}, &TriedRate::loss);
    if (best == tried.end() || !std::isfinite(best->loss))
        throw Error("finetune", "no learning rate that was tried gives a loss that is a number");
    if (best == tried.begin() || best + 1 == tried.end() || !std::isfinite((best + 1)->loss))
        return two_digits(best->rate);
    // The parabola through three points (x, y), x being the log of the rate.
    const double left = std::log(best->rate / (best - 1)->rate);
    const double right = std::log((best + 1)->rate / best->rate);
    const double falls = ((best - 1)->loss - best->loss) / left;  // both are 0 or more
    const double rises = ((best + 1)->loss - best->loss) / right;
    if (falls + rises == 0) return two_digits(best->rate);
    const double shift = (right * falls - left * rises) / (2 * (falls + rises));
    return two_digits(best->rate * std::exp(shift));
}

double find_finetune_rate(const TuningTask& task, const StageOptions& options, const Tuning& tuning,
                          const StageControls& controls) {
    Trials trials(task, options, tuning, controls);
    std::vector<TriedRate> tried;  // from low to high, each twice the one before
    const auto try_rate = [&](double rate) { return TriedRate{rate, trials.loss(rate)}; };
    tried.push_back(try_rate(first_rate_tried));
    tried.push_back(try_rate(2 * first_rate_tried));
    while (static_cast<int>(tried.size()) < most_rates_tried) {
        const auto best = std::ranges::min_element(tried, {}, &TriedRate::loss);
        if (best == tried.begin()) {
            tried.insert(tried.begin(), try_rate(tried.front().rate / 2));
        } else if (best + 1 == tried.end()) {
            tried.push_back(try_rate(2 * tried.back().rate));
        } else {
            break;
        }
    }
    const double rate = best_rate(std::move(tried));
    if (controls.monitor) {
        constexpr std::int64_t all = most_rates_tried * rate_trial_steps;
        char text[32];
        std::snprintf(text, sizeof text, "rate %g", rate);
        controls.monitor->step(all, all, text);
    }
    return rate;
}

}  // namespace keepsake::optimize
