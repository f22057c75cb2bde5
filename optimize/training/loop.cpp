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
    throw NotFinite(name, "the loss is not a number at step " + std::to_string(step + 1) +
                              "; try a smaller learning rate");
}

// What the samples of this rank add to the mean loss over all, and to its gradient.
double backward(const TrainingRecipe& recipe, const StepSamples& samples, const Ranks& ranks,
                Activations activations) {
    const Part mine = part_of(ranks, samples.count);
    if (samples.together) {
        const Tensor loss = samples.loss(mine.begin, mine.end, activations);
        if (loss.requires_grad()) loss.backward();
        return is_first(ranks) ? loss.item<double>() : 0;
    }
    double sum = 0;
    for (std::int64_t i = mine.begin; i < mine.end; i += recipe.samples_at_once) {
        const std::int64_t end = std::min(i + recipe.samples_at_once, mine.end);
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
    const std::int64_t batch =
        (options.batch_size + controls.ranks.count - 1) / controls.ranks.count;
    step.activations = recipe.activation_bytes(std::min(batch, recipe.samples_at_once));
    for (const auto& [name, tensor] : recipe.learns)
        step.gradients += static_cast<std::int64_t>(tensor.nbytes());
    pipeline::give_back_buffers();  // else they would count as used
    const auto free = pipeline::free_memory(recipe.device);
    const Activations chosen = choose_activations(controls.checkpointing, free, step);
    if (chosen == Activations::recomputed && controls.warn)
        controls.warn(describe_recomputing(*free, step));
    return chosen;
}

// Processors of different kinds round differently: so often, in steps, all go on from rank 0's.
constexpr std::int64_t together_every = 100;

void run_steps(const TrainingRecipe& recipe, const StageOptions& options, TrainingState& state,
               const TrainingControls& controls) {
    const Ranks& ranks = controls.ranks;
    Adam adam(recipe.learns, options.adam);
    if (!state.optimiser.empty()) adam.load_state(state.optimiser);
    state.optimiser = adam.state();
    broadcast(ranks, state.optimiser);
    const Activations activations = plan_activations(recipe, options, controls);
    const Learning learning(recipe.learns);
    TensorMap decaying = recipe.learns;
    if (recipe.decays)
        std::erase_if(decaying, [&](const auto& one) { return !recipe.decays(one.first); });
    while (state.steps < options.steps) {
        const double mine = [&] {
            const pipeline::LearnIn multiplying(options.arithmetic);
            return backward(recipe, recipe.draw(state.steps), ranks, activations);
        }();
        sum_gradients(ranks, recipe.learns);
        const std::vector<double> all = sums(ranks, {mine, ranks.stop.stop_requested() ? 1.0 : 0});
        const double loss = all[0];
        check_finite(loss, recipe.name, state.steps);
        if (recipe.max_gradient_norm > 0) clip_gradients(recipe.learns, recipe.max_gradient_norm);
        const double rate = recipe.rate ? recipe.rate(state.steps) : rate_at(options, state.steps);
        if (recipe.weight_decay > 0) decay_weights(decaying, rate * recipe.weight_decay);
        adam.step(rate);
        if ((state.steps + 1) % together_every == 0) broadcast(ranks, recipe.learns);
        state.losses.training.push_back(loss);
        // With its last step a stage hands over no optimiser state: what is saved from here on
        // belongs to the next one.
        if (++state.steps == options.steps) state.optimiser.clear();
        if (controls.after_step) controls.after_step();
        if (controls.monitor)
            controls.monitor->step(state.steps, options.steps, report(recipe.name, state.losses));
        if (all[1] > 0) throw Cancelled();
    }
}

}  // namespace

void train(const TrainingRecipe& recipe, const StageOptions& options, TrainingState state,
           const TrainingControls& controls) {
    StageLosses& losses = state.losses;
    broadcast(controls.ranks, state.steps);
    broadcast(controls.ranks, recipe.learns);
    const bool evaluates = recipe.evaluate && is_first(controls.ranks);
    if (evaluates && !losses.before) losses.before = recipe.evaluate();
    if (state.steps < options.steps) run_steps(recipe, options, state, controls);
    if (evaluates && !losses.after)
        losses.after = options.steps == 0 ? *losses.before : recipe.evaluate();
}

}  // namespace keepsake::optimize
