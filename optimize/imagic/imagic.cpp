#include "optimize/imagic/imagic.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <utility>

#include "pipeline/compute/free_memory.h"
#include "pipeline/compute/kept_buffers.h"
#include "pipeline/networks/activation_bytes.h"

namespace keepsake::optimize {

namespace {

using pipeline::Activations;
using pipeline::Schedule;
using pipeline::UNet;
using pipeline::Weights;

enum class Stage : std::uint64_t { embedding = 1, finetune = 2 };

// SplitMix64's finaliser (Steele et al., OOPSLA 2014): neighbouring inputs give unrelated seeds.
std::uint64_t mix(std::uint64_t z) {
    z += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

at::Generator step_generator(std::uint64_t seed, Stage stage, std::int64_t step) {
    const std::uint64_t mixed =
        mix(mix(mix(seed) + static_cast<std::uint64_t>(stage)) + static_cast<std::uint64_t>(step));
    return at::detail::createCPUGenerator(mixed);
}

// What one stage trains, and with what.
struct StageRun {
    Stage stage;
    std::string_view name;
    std::int64_t steps, batch_size;
    double learning_rate;
    RateSchedule schedule;
    std::int64_t warmup_steps;
    Draws draws;
    AdamOptions adam;
    TensorMap learns;     // leaf tensors, by name
    std::int64_t* done;   // in the Tuning
    StageLosses* losses;  // likewise
};

// The learning rate of a step.
double rate_at(const StageRun& run, std::int64_t step) {
    const double part = static_cast<double>(step) / static_cast<double>(run.steps);
    double rate = run.learning_rate;
    if (run.schedule == RateSchedule::linear) rate *= 1 - part;
    if (run.schedule == RateSchedule::cosine) rate *= 0.5 * (1 + std::cos(M_PI * part));
    if (step < run.warmup_steps)
        rate *= static_cast<double>(step + 1) / static_cast<double>(run.warmup_steps + 1);
    return rate;
}

struct Draw {
    Tensor timesteps;  // (B) int64
    Tensor noise;      // (B, C, h, w) float32
};

// Timesteps of the pairs of one step, of which the stage has seen step * batch before.
Tensor stratified_timesteps(std::uint64_t seed, Stage stage, std::int64_t step, std::int64_t batch,
                            std::int64_t total) {
    constexpr double golden =
        0.6180339887498949;  // its multiples modulo 1 keep far from each other
    const double start =
        at::rand({1}, step_generator(seed, stage, -1), at::TensorOptions().dtype(at::kDouble))
            .item<double>();
    std::vector<std::int64_t> timesteps;
    for (std::int64_t i = 0; i < batch; ++i) {
        const double turns = start + golden * static_cast<double>(step * batch + i);
        const double phase = turns - std::floor(turns);
        timesteps.push_back(static_cast<std::int64_t>(phase * static_cast<double>(total)));
    }
    return at::tensor(timesteps, at::TensorOptions().dtype(at::kLong));
}

// Timesteps and normal noise, drawn on CPU so that every device trains on the same numbers.
Draw draw(const TuningTask& task, const StageRun& run, std::int64_t step) {
    const std::int64_t batch = run.batch_size;
    at::Generator generator = step_generator(task.seed, run.stage, step);
    const std::int64_t total = task.schedule.config.num_train_timesteps;
    std::vector<std::int64_t> shape = task.latents.sizes().vec();
    shape[0] = batch;
    const auto floats = at::TensorOptions().dtype(at::kFloat);
    Draw pairs;
    if (run.draws == Draws::independent) {
        pairs.timesteps =
            at::randint(total, {batch}, generator, at::TensorOptions().dtype(at::kLong));
        pairs.noise = at::randn(shape, generator, floats);
    } else {
        pairs.timesteps = stratified_timesteps(task.seed, run.stage, step, batch, total);
        if (batch % 2 == 0) shape[0] = batch / 2;
        pairs.noise = at::randn(shape, generator, floats);
        if (batch % 2 == 0) pairs.noise = at::cat({pairs.noise, -pairs.noise});
    }
    return {pairs.timesteps.to(task.latents.device()), pairs.noise.to(task.latents.device())};
}

// Equation 2: || target - f(x_t, t, e) ||^2, the mean over elements, for given (timestep, noise).
Tensor loss_of(const UNet& unet, const Schedule& schedule, const Tensor& latents,
               const Tensor& embedding, const Draw& at_,
               Activations activations = Activations::kept) {
    const std::int64_t batch = at_.timesteps.size(0);
    const Tensor x0 = latents.expand({batch, -1, -1, -1});
    const Tensor noisy = schedule.add_noise(x0, at_.noise, at_.timesteps);
    const Tensor context = embedding.expand({batch, -1, -1});
    const Tensor prediction = unet(noisy, at_.timesteps.to(at::kFloat), context, activations);
    return at::mse_loss(prediction.to(at::kFloat), schedule.target(x0, at_.noise, at_.timesteps));
}

// Makes `tensors` learn while it lives. Afterwards they are plain tensors again, whatever happened.
class Learning {
  public:
    explicit Learning(const TensorMap& tensors) : tensors_(tensors) { set(true); }
    ~Learning() { set(false); }
    Learning(const Learning&) = delete;
    Learning& operator=(const Learning&) = delete;

  private:
    void set(bool learns) {
        for (auto& [name, tensor] : tensors_) {
            tensor.set_requires_grad(learns);
            if (!learns) tensor.mutable_grad() = Tensor();
        }
    }
    TensorMap tensors_;
};

std::string report(std::string_view stage, const StageLosses& losses) {
    char text[64];
    std::snprintf(text, sizeof text, " loss %.4f", losses.average());
    return std::string(stage) + text;
}

void check_finite(double loss, std::string_view stage, std::int64_t step) {
    if (std::isfinite(loss)) return;
    throw Error(stage, "the loss is not a number at step " + std::to_string(step + 1) +
                           "; try a smaller learning rate");
}

// The pairs whose activations are in memory at once: many for small latents, one for those of 512
// pixels and up. A step of several pairs then takes no more memory than a step of one.
std::int64_t pairs_at_once(const Tensor& latents) {
    constexpr std::int64_t most = 4096;  // latent pixels
    return std::max<std::int64_t>(1, most / (latents.size(2) * latents.size(3)));
}

Draw part_of(const Draw& pairs, std::int64_t begin, std::int64_t count) {
    const std::int64_t end = std::min(begin + count, pairs.timesteps.size(0));
    return {pairs.timesteps.slice(0, begin, end), pairs.noise.slice(0, begin, end)};
}

// The mean loss over the pairs, and its gradient.
double backward(const TuningTask& task, const Draw& pairs, const UNet& unet,
                const Tensor& embedding, Activations activations) {
    const std::int64_t all = pairs.timesteps.size(0), count = pairs_at_once(task.latents);
    double sum = 0;
    for (std::int64_t i = 0; i < all; i += count) {
        const Draw part = part_of(pairs, i, count);
        const double share = static_cast<double>(part.timesteps.size(0)) / static_cast<double>(all);
        Tensor loss = loss_of(unet, task.schedule, task.latents, embedding, part, activations);
        sum += share * loss.item<double>();
        (share == 1 ? loss : loss * share).backward();
    }
    return sum;
}

// What a step keeps of its forward passes, by the memory that is free now: the optimiser's state is
// there already, and what is about to come is gradients and activations.
Activations plan_activations(const TuningTask& task, const StageRun& run, const UNet& unet,
                             const StageControls& controls) {
    if (controls.checkpointing != Checkpointing::automatic)
        return choose_activations(controls.checkpointing, {}, {});
    const std::int64_t batch = std::min(run.batch_size, pairs_at_once(task.latents));
    StepMemory step;
    step.activations =
        pipeline::activation_bytes(unet, batch, task.latents.size(2), task.latents.size(3));
    for (const auto& [name, tensor] : run.learns)
        step.gradients += static_cast<std::int64_t>(tensor.nbytes());
    pipeline::give_back_buffers();  // else they would count as used
    const auto free = pipeline::free_memory(task.latents.device());
    const Activations chosen = choose_activations(controls.checkpointing, free, step);
    if (chosen == Activations::recomputed && controls.warn)
        controls.warn(describe_recomputing(*free, step));
    return chosen;
}

// Both stages are the same loop: draw, loss, backward, Adam.
void run_stage(const TuningTask& task, const StageRun& run, const UNet& unet,
               const Tensor& embedding, Tuning& tuning, const StageControls& controls) {
    if (!run.losses->before) {
        run.losses->before = evaluation_loss(unet, task.schedule, task.latents, embedding);
    }
    if (*run.done < run.steps) {
        Adam adam(run.learns, run.adam);
        if (!tuning.adam.empty()) adam.load_state(tuning.adam);
        tuning.adam = adam.state();  // handles, not copies: they follow the optimiser
        const Activations activations = plan_activations(task, run, unet, controls);
        const Learning learning(run.learns);
        while (*run.done < run.steps) {
            const Draw pairs = draw(task, run, *run.done);
            const double value = backward(task, pairs, unet, embedding, activations);
            check_finite(value, run.name, *run.done);
            adam.step(rate_at(run, *run.done));
            run.losses->training.push_back(value);
            // With its last step a stage hands over no optimiser state: what is saved from here on
            // belongs to the next one.
            if (++*run.done == run.steps) tuning.adam.clear();
            if (controls.after_step) controls.after_step(tuning);
            if (controls.monitor) {
                controls.monitor->step(*run.done, run.steps, report(run.name, *run.losses));
            }
        }
    }
    if (!run.losses->after) {
        run.losses->after = run.steps == 0
                                ? *run.losses->before
                                : evaluation_loss(unet, task.schedule, task.latents, embedding);
    }
}

}  // namespace

double StageLosses::average(std::size_t window) const {
    const std::size_t n = std::min(window, training.size());
    if (n == 0) return 0;
    return std::accumulate(training.end() - static_cast<std::ptrdiff_t>(n), training.end(), 0.0) /
           static_cast<double>(n);
}

void optimise_embedding(const TuningTask& task, const EmbeddingOptions& options, Tuning& tuning,
                        const StageControls& controls) {
    if (!tuning.optimised_embedding.defined()) {
        tuning.optimised_embedding = tuning.target_embedding.detach().clone();
    }
    const Tensor embedding = tuning.optimised_embedding;
    const StageRun run{Stage::embedding,
                       "embedding",
                       options.steps,
                       options.batch_size,
                       options.learning_rate,
                       options.schedule,
                       options.warmup_steps,
                       options.draws,
                       options.adam,
                       {{"embedding", embedding}},
                       &tuning.embedding_steps,
                       &tuning.embedding_losses};
    run_stage(task, run, task.unet, embedding, tuning, controls);
}

void fine_tune(const TuningTask& task, const FineTuneOptions& options, Tuning& tuning,
               const StageControls& controls) {
    if (!tuning.optimised_embedding.defined()) {
        throw Error("fine-tuning", "needs the optimised embedding of stage A first");
    }
    TensorMap learns;
    if (options.rank > 0) {
        if (tuning.loras.empty()) {
            tuning.loras = pipeline::make_loras(task.unet, options.rank,
                                                step_generator(task.seed, Stage::finetune, -2));
        }
        tuning.unet = pipeline::with_loras(task.unet, tuning.loras);
        learns = pipeline::lora_tensors(tuning.loras);
    } else {
        if (!tuning.unet) tuning.unet = task.unet.clone();
        learns = tuning.unet->parameters();
    }
    const StageRun run{
        Stage::finetune,       "finetune",       options.steps,          options.batch_size,
        options.learning_rate, options.schedule, options.warmup_steps,   options.draws,
        options.adam,          learns,           &tuning.finetune_steps, &tuning.finetune_losses};
    // The network and the embedding are still those that stage A ended with.
    if (tuning.finetune_steps == 0 && !tuning.finetune_losses.before)
        tuning.finetune_losses.before = tuning.embedding_losses.after;
    run_stage(task, run, *tuning.unet, tuning.optimised_embedding, tuning, controls);
    if (options.rank > 0) tuning.unet = pipeline::apply_loras(task.unet, tuning.loras);
}

Tensor interpolate(const Tensor& target, const Tensor& optimised, double eta) {
    return eta * target + (1.0 - eta) * optimised;
}

double evaluation_loss(const UNet& unet, const Schedule& schedule, const Tensor& latents,
                       const Tensor& embedding) {
    constexpr std::int64_t pairs = 16;
    constexpr std::uint64_t noise_seed = 20220927;  // any constant: it makes runs comparable
    const at::NoGradGuard no_grad;
    std::vector<std::int64_t> shape = latents.sizes().vec();
    shape[0] = pairs;
    const Tensor noise = at::randn(shape, at::detail::createCPUGenerator(noise_seed),
                                   at::TensorOptions().dtype(at::kFloat))
                             .to(latents.device());
    // The middles of equal parts of [0, num_train_timesteps).
    const Tensor timesteps =
        ((at::arange(pairs, at::TensorOptions().dtype(at::kDouble)) + 0.5) *
         static_cast<double>(schedule.config.num_train_timesteps) / static_cast<double>(pairs))
            .to(at::kLong)
            .to(latents.device());
    const std::int64_t count = pairs_at_once(latents);
    double sum = 0;
    for (std::int64_t i = 0; i < pairs; i += count) {
        const Draw part = part_of({timesteps, noise}, i, count);
        sum += loss_of(unet, schedule, latents, embedding, part).item<double>() *
               static_cast<double>(part.timesteps.size(0));
    }
    return sum / static_cast<double>(pairs);
}

}  // namespace keepsake::optimize
