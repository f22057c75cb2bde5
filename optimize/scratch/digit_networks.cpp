#include "optimize/scratch/digit_networks.h"

#include <ATen/core/grad_mode.h>

#include <functional>
#include <utility>

#include "optimize/scratch/fresh_weights.h"

namespace keepsake::optimize {

namespace {

// Who draws (optimize/training/draws.h).
constexpr auto judge_stream = static_cast<Stream>(61);
constexpr auto amount_stream = static_cast<Stream>(62);
constexpr auto reader_stream = static_cast<Stream>(63);

constexpr std::int64_t first_channels = 24, second_channels = 48, hidden = 64;

at::TensorOptions floats() {
    return at::TensorOptions().dtype(at::kFloat);
}

// The loss of a step's pictures, drawn by `generator`.
using StepLoss =
    std::function<Tensor(const DigitNetwork&, const Digits& batch, const at::Generator& generator)>;

struct Lesson {
    std::string name;
    Stream stream;
    std::int64_t outputs;
    StepLoss loss;
};

TrainedDigitNetwork learn(const DigitTask& task, const StageOptions& options,
                          const Lesson& lesson) {
    TrainedDigitNetwork trained{
        DigitNetwork(lesson.outputs, task.seed + static_cast<std::uint64_t>(lesson.stream)), {}};
    TrainingRecipe recipe;
    recipe.name = lesson.name;
    recipe.learns = trained.network.weights;
    recipe.samples_at_once = options.batch_size;
    recipe.draw = [&](std::int64_t step) {
        const at::Generator generator = step_generator(task.seed, lesson.stream, step);
        const Tensor which = at::randint(task.digits.size(), {options.batch_size}, generator,
                                         at::TensorOptions().dtype(at::kLong));
        const Digits batch{task.digits.pictures.index_select(0, which),
                           task.digits.labels.index_select(0, which)};
        return StepSamples{options.batch_size, [&, batch, generator](auto...) {
                               return lesson.loss(trained.network, batch, generator);
                           }};
    };
    std::int64_t steps = 0;
    TensorMap optimiser;
    TrainingControls controls;
    controls.monitor = task.monitor;
    train(recipe, options, {steps, optimiser, trained.losses}, controls);
    return trained;
}

// Strengths (B, 1, 1, 1): as many weak ones as strong ones.
Tensor draw_strengths(std::int64_t count, const at::Generator& generator) {
    const Tensor place = at::rand({count, 1, 1, 1}, generator, floats());
    return least_strength * at::pow(most_strength / least_strength, place);
}

Tensor noise_like(const Tensor& pictures, const at::Generator& generator) {
    return at::randn(pictures.sizes(), generator, floats());
}

Tensor judge_loss(const DigitNetwork& judge, const Digits& batch, const at::Generator& generator) {
    const std::int64_t half = batch.size() / 2;
    const Tensor real = batch.pictures.slice(0, 0, half);
    Tensor noisy = batch.pictures.slice(0, half);
    const Tensor strength = draw_strengths(noisy.size(0), generator);
    noisy = noisy + strength * noise_like(noisy, generator);
    const Tensor odds = judge(at::cat({real, noisy})).squeeze(1);
    const Tensor is_digit = at::cat({at::ones({half}), at::zeros({noisy.size(0)})});
    return at::binary_cross_entropy_with_logits(odds, is_digit);
}

Tensor amount_loss(const DigitNetwork& amount, const Digits& batch,
                   const at::Generator& generator) {
    const Tensor strength = draw_strengths(batch.size(), generator);
    const Tensor noisy = batch.pictures + strength * noise_like(batch.pictures, generator);
    return at::mse_loss(amount(noisy), strength.flatten(1));
}

Tensor reader_loss(const DigitNetwork& reader, const Digits& batch,
                   const at::Generator& generator) {
    const Tensor moves = at::randint(-1, 2, {2}, generator, at::TensorOptions().dtype(at::kLong));
    // Moved over paper: what leaves on one side does not come back on the other.
    const Tensor wide = at::constant_pad_nd(batch.pictures, {1, 1, 1, 1}, -1);
    const Tensor moved = wide.slice(2, 1 + moves[0].item<std::int64_t>())
                             .slice(2, 0, digit_side)
                             .slice(3, 1 + moves[1].item<std::int64_t>())
                             .slice(3, 0, digit_side);
    const Tensor noise = 0.2 * noise_like(moved, generator);
    return at::cross_entropy_loss(reader(moved + noise), batch.labels);
}

}  // namespace

DigitNetwork::DigitNetwork(std::int64_t outputs, std::uint64_t seed) {
    const auto fresh = fresh_weights(seed);
    const auto take = [&](const std::string& layer, at::IntArrayRef shape) {
        weights[layer + ".weight"] = fresh(layer + ".weight", shape);
        weights[layer + ".bias"] = fresh(layer + ".bias", shape.slice(0, 1));
    };
    constexpr std::int64_t quarter = (digit_side / 2) * (digit_side / 2);
    take("conv1", {first_channels, 1, 3, 3});
    take("conv2", {second_channels, first_channels, 3, 3});
    take("hidden", {hidden, second_channels * quarter});
    take("output", {outputs, hidden});
}

Tensor DigitNetwork::operator()(const Tensor& pictures) const {
    const auto of = [this](const char* name) { return weights.at(name); };
    Tensor x = at::silu(
        at::conv2d(pictures, of("conv1.weight"), of("conv1.bias"), /*stride=*/1, /*padding=*/1));
    x = at::silu(at::conv2d(x, of("conv2.weight"), of("conv2.bias"), /*stride=*/2, /*padding=*/1));
    x = at::silu(at::linear(x.flatten(1), of("hidden.weight"), of("hidden.bias")));
    return at::linear(x, of("output.weight"), of("output.bias"));
}

DigitNetwork DigitNetwork::to(at::ScalarType dtype) const {
    DigitNetwork other = *this;
    for (auto& [name, weight] : other.weights) weight = weight.to(dtype);
    return other;
}

StageOptions judge_options() {
    StageOptions options;
    options.steps = 500;
    options.learning_rate = 2e-3;
    options.batch_size = 64;
    options.schedule = RateSchedule::cosine;
    return options;
}

StageOptions amount_options() {
    return judge_options();
}

StageOptions reader_options() {
    StageOptions options = judge_options();
    options.steps = 1200;
    return options;
}

TrainedDigitNetwork train_judge(const DigitTask& task, const StageOptions& options) {
    return learn(task, options, {"judge", judge_stream, 1, judge_loss});
}

TrainedDigitNetwork train_amount(const DigitTask& task, const StageOptions& options) {
    return learn(task, options, {"amount", amount_stream, 1, amount_loss});
}

TrainedDigitNetwork train_reader(const DigitTask& task, const StageOptions& options) {
    return learn(task, options, {"reader", reader_stream, digit_classes, reader_loss});
}

Reading read_digits(const DigitNetwork& reader, const Tensor& pictures) {
    const at::NoGradGuard no_grad;
    const auto [confidence, classes] = at::softmax(reader(pictures), 1).max(1);
    return {classes, confidence};
}

double share_read(const DigitNetwork& reader, const Digits& digits) {
    return (read_digits(reader, digits.pictures).classes == digits.labels)
        .to(at::kDouble)
        .mean()
        .item<double>();
}

}  // namespace keepsake::optimize
