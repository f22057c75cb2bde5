#include "optimize/training/loop.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "optimize/training/clipping.h"
#include "pipeline/compute/free_memory.h"
#include "pipeline/compute/kept_buffers.h"

namespace keepsake::optimize {

namespace {

using pipeline::Activations;

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

std::string report(std::string_view name, const StageLosses& losses) {
    char text[64];
    std::snprintf(text, sizeof text, " loss %.4f", losses.average());
    return std::string(name) + text;
}

void check_finite(double loss, std::string_view name, std::int64_t step) {
    if (std::isfinite(loss)) return;
    throw Error(name, "the loss is not a number at step " + std::to_string(step + 1) +
                          "; try a smaller learning rate");
}

// The mean loss over the samples, and its gradient.
double backward(const TrainingRecipe& recipe, const StepSamples& samples, Activations activations) {
    double sum = 0;
    for (std::int64_t i = 0; i < samples.count; i += recipe.samples_at_once) {
        const std::int64_t end = std::min(i + recipe.samples_at_once, samples.count);
        const double share = static_cast<double>(end - i) / static_cast<double>(samples.count);
        Tensor loss = samples.loss(i, end, activations);
        sum += share * loss.item<double>();
        (share == 1 ? loss : loss * share).backward();
    }
    return sum;
}

// What a step keeps of its forward passes, by the memory that is free now: the optimiser's state is
// there already, and what is about to come is gradients and activations.
Activations plan_activations(const TrainingRecipe& recipe, const StageOptions& options,
                             const TrainingControls& controls) {
    if (controls.checkpointing != Checkpointing::automatic || !recipe.activation_bytes)
        return choose_activations(controls.checkpointing, {}, {});
    StepMemory step;
    step.activations =
        recipe.activation_bytes(std::min(options.batch_size, recipe.samples_at_once));
    for (const auto& [name, tensor] : recipe.learns)
        step.gradients += static_cast<std::int64_t>(tensor.nbytes());
    pipeline::give_back_buffers();  // else they would count as used
    const auto free = pipeline::free_memory(recipe.device);
    const Activations chosen = choose_activations(controls.checkpointing, free, step);
    if (chosen == Activations::recomputed && controls.warn)
        controls.warn(describe_recomputing(*free, step));
    return chosen;
}

void run_steps(const TrainingRecipe& recipe, const StageOptions& options, TrainingState& state,
               const TrainingControls& controls) {
    Adam adam(recipe.learns, options.adam);
    if (!state.optimiser.empty()) adam.load_state(state.optimiser);
    state.optimiser = adam.state();
    const Activations activations = plan_activations(recipe, options, controls);
    const Learning learning(recipe.learns);
    TensorMap decaying = recipe.learns;
    if (recipe.decays)
        std::erase_if(decaying, [&](const auto& one) { return !recipe.decays(one.first); });
    while (state.steps < options.steps) {
        const double loss = backward(recipe, recipe.draw(state.steps), activations);
        check_finite(loss, recipe.name, state.steps);
        if (recipe.max_gradient_norm > 0) clip_gradients(recipe.learns, recipe.max_gradient_norm);
        const double rate = recipe.rate ? recipe.rate(state.steps) : rate_at(options, state.steps);
        if (recipe.weight_decay > 0) decay_weights(decaying, rate * recipe.weight_decay);
        adam.step(rate);
        state.losses.training.push_back(loss);
        // With its last step a stage hands over no optimiser state: what is saved from here on
        // belongs to the next one.
        if (++state.steps == options.steps) state.optimiser.clear();
        if (controls.after_step) controls.after_step();
        if (controls.monitor)
            controls.monitor->step(state.steps, options.steps, report(recipe.name, state.losses));
    }
}

}  // namespace

void train(const TrainingRecipe& recipe, const StageOptions& options, TrainingState state,
           const TrainingControls& controls) {
    StageLosses& losses = state.losses;
    if (recipe.evaluate && !losses.before) losses.before = recipe.evaluate();
    if (state.steps < options.steps) run_steps(recipe, options, state, controls);
    if (recipe.evaluate && !losses.after)
        losses.after = options.steps == 0 ? *losses.before : recipe.evaluate();
}

}  // namespace keepsake::optimize
