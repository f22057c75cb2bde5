#include "optimize/distil/students.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "optimize/training/denoising.h"
#include "pipeline/error.h"
#include "pipeline/networks/activation_bytes.h"
#include "pipeline/networks/lora_start.h"

namespace keepsake::optimize {
namespace {

using pipeline::Activations;
using pipeline::UNet;

// Who draws (optimize/training/draws.h).
constexpr auto progressive_stream = static_cast<Stream>(40);
constexpr auto guidance_stream = static_cast<Stream>(41);
constexpr auto consistency_stream = static_cast<Stream>(42);

constexpr std::int64_t evaluation = -3;  // the step of the draws that are never learned from
constexpr std::int64_t evaluation_samples = 16;

// Samples of a step.
struct Samples {
    Tensor latents, cond;  // of the pictures drawn
    Tensor index;          // (B) int64: of a level of the grid
    Tensor w;              // (B) float32
    Tensor noise;

    std::int64_t size() const { return index.size(0); }
    Samples part(std::int64_t begin, std::int64_t end) const {
        const auto cut = [&](const Tensor& all) { return all.slice(0, begin, end); };
        return {cut(latents), cut(cond), cut(index), cut(w), cut(noise)};
    }
};

struct Drawing {
    Stream stream;
    std::int64_t levels;  // of the grid
    std::int64_t batch_size;
};

Samples draw(const DistilTask& task, const Drawing& drawing, std::int64_t step) {
    const std::int64_t batch = step == evaluation ? evaluation_samples : drawing.batch_size;
    at::Generator generator = step_generator(task.seed + static_cast<std::uint64_t>(drawing.levels),
                                             drawing.stream, step);
    const at::TensorOptions whole(at::kLong), real(at::kFloat);
    const at::Device device = task.set.latents.device();
    const DistilSet& set = task.set;
    const std::int64_t all = set.pairs.defined() ? set.pairs.size(0) : set.latents.size(0);
    const Tensor drawn = at::randint(all, {batch}, generator, whole).to(device);
    Tensor pictures = drawn, texts = drawn;
    if (set.pairs.defined()) {
        const Tensor pairs = set.pairs.index_select(0, drawn);
        pictures = pairs.select(1, 0);
        texts = pairs.select(1, 1);
    }
    Samples samples;
    samples.index = at::randint(drawing.levels, {batch}, generator, whole).to(device);
    const auto [low, high] = task.guidance;
    samples.w = (at::rand({batch}, generator, real) * (high - low) + (low - 1)).to(device);
    samples.latents = set.latents.index_select(0, pictures);
    samples.cond = set.embeddings.index_select(0, texts);
    samples.noise = at::randn(samples.latents.sizes(), generator, real).to(device);
    return samples;
}

using SamplesLoss = std::function<Tensor(const Samples&, Activations)>;

TrainingRecipe recipe_of(const DistilTask& task, const UNet& student, const Drawing& drawing,
                         SamplesLoss loss) {
    if (task.set.latents.size(0) == 0) throw Error("pictures", "there are none to learn from");
    TrainingRecipe recipe;
    recipe.draw = [task, drawing, loss](std::int64_t step) {
        const Samples samples = draw(task, drawing, step);
        return StepSamples{samples.size(), [samples, loss](std::int64_t begin, std::int64_t end,
                                                           Activations activations) {
                               return loss(samples.part(begin, end), activations);
                           }};
    };
    recipe.samples_at_once = samples_at_once(task.set.latents);
    recipe.activation_bytes = [&student, task](std::int64_t samples) {
        const Tensor& latents = task.set.latents;
        return pipeline::activation_bytes(student, samples, latents.size(2), latents.size(3));
    };
    recipe.max_gradient_norm = 1;  // all three papers'
    recipe.device = task.set.latents.device();
    recipe.evaluate = [task, drawing, loss, at_once = recipe.samples_at_once] {
        const at::NoGradGuard no_grad;
        const Samples samples = draw(task, drawing, evaluation);
        double sum = 0;
        for (std::int64_t i = 0; i < samples.size(); i += at_once) {
            const Samples part = samples.part(i, std::min(i + at_once, samples.size()));
            sum += loss(part, Activations::kept).item<double>() * static_cast<double>(part.size());
        }
        return sum / static_cast<double>(samples.size());
    };
    return recipe;
}

Tensor noised(const Samples& samples, const NoiseLevel& level) {
    return level.alpha * samples.latents + level.sigma * samples.noise;
}

// The student's one call.
Reading student_reading(const DistilTask& task, const UNet& student, const Tensor& z,
                        const Tensor& timesteps, const Samples& samples, Activations activations) {
    const UNet told = student.takes_guidance() ? student.guided_by(samples.w) : student;
    const Tensor output = told(z, timesteps.to(at::kFloat), samples.cond, activations);
    return read_output(task.schedule.config.prediction_type, output.to(at::kFloat), z,
                       level_at(task.schedule, timesteps));
}

Predictor teacher_of(const DistilTask& task, const Samples& samples) {
    return [task, samples](const Tensor& z, const Tensor& timesteps) {
        return guided_output(task.teacher, z, timesteps, samples.cond, task.set.uncond, samples.w);
    };
}

// Who learns, and whose prediction at the neighbour is the target.
struct ConsistentPair {
    const UNet &student, &target;
};

TrainingRecipe consistency_of(const DistilTask& task, const ConsistentPair& networks,
                              const StageOptions& options, const ConsistencyOptions& lcm) {
    const auto loss = [task, networks, lcm](const Samples& samples, Activations activations) {
        const Neighbours at = neighbours(task.schedule, lcm, samples.index);
        const NoiseLevel from = level_at(task.schedule, at.from);
        const Tensor z = noised(samples, from);
        const auto seen = [&](const UNet& unet, const Tensor& x, const Tensor& t,
                              Activations kept) {
            const Reading reading = student_reading(task, unet, x, t, samples, kept);
            return consistency(reading.x, x, t, lcm);
        };
        Tensor target;
        {
            const at::NoGradGuard no_grad;
            const Reading teacher = read_output(task.schedule.config.prediction_type,
                                                teacher_of(task, samples)(z, at.from), z, from);
            target = seen(networks.target, ddim_step(teacher, level_at(task.schedule, at.landing)),
                          at.to, Activations::kept);
        }
        return pseudo_huber(seen(networks.student, z, at.from, activations), target, lcm.huber);
    };
    TrainingRecipe recipe =
        recipe_of(task, networks.student, {consistency_stream, lcm.grid, options.batch_size}, loss);
    recipe.name = "consistency";
    return recipe;
}

}  // namespace

StageOptions progressive_options() {
    StageOptions options;
    options.steps = 2000;
    options.learning_rate = 1e-4;
    options.batch_size = 16;
    options.schedule = RateSchedule::linear;
    return options;
}

StageOptions guidance_options() {
    return progressive_options();
}

StageOptions consistency_options() {
    StageOptions options;
    options.steps = 1000;
    options.learning_rate = 1e-4;
    options.batch_size = 12;
    options.rank = 64;
    return options;
}

UNet with_guidance_input(const UNet& unet, std::int64_t dim) {
    const UNet copy = unet.clone();
    if (copy.takes_guidance()) return copy;
    pipeline::UNetConfig config = copy.config();
    config.time_cond_proj_dim = dim;
    pipeline::TensorMap tensors = copy.parameters();
    const Tensor& any = tensors.at("time_embedding.linear_1.bias");
    tensors["time_embedding.cond_proj.weight"] =
        at::zeros({config.block_out_channels.front(), dim}, any.options());
    pipeline::Weights weights = pipeline::Weights::from_tensors(std::move(tensors), "U-Net");
    weights.set_target(any.scalar_type(), any.device());
    weights.set_arithmetic(copy.arithmetic());
    return UNet(config, std::move(weights));
}

namespace {

std::vector<std::string> timestep_layers(const UNet& unet) {
    const std::string_view suffix = ".time_emb_proj.weight";
    std::vector<std::string> layers;
    for (const auto& [name, tensor] : unet.parameters())
        if (name.ends_with(suffix))
            layers.push_back(name.substr(0, name.size() - std::string_view(".weight").size()));
    return layers;
}

}  // namespace

std::vector<std::string> consistency_layers(const UNet& unet) {
    std::vector<std::string> layers = pipeline::lora_layers(unet);
    for (const std::string& layer : timestep_layers(unet)) layers.push_back(layer);
    return layers;
}

pipeline::LoraSet start_consistency_loras(const UNet& unet, std::int64_t rank,
                                          at::Generator generator) {
    pipeline::LoraOptions options;
    options.rank = rank;
    options.targets = pipeline::LoraTargets::all;
    pipeline::LoraSet loras = pipeline::start_loras(unet, options, generator);
    const at::TensorOptions floats(at::kFloat);
    for (const std::string& layer : timestep_layers(unet)) {
        const Tensor& weight = unet.parameters().at(layer + ".weight");
        const std::int64_t out = weight.size(0), in = weight.size(1);
        const std::int64_t most = std::min({rank, out, in});
        const Tensor uniform = at::rand({most, in}, generator, floats) * 2 - 1;
        loras[layer].down = (uniform / std::sqrt(static_cast<double>(in))).to(weight.device());
        loras[layer].up = at::zeros({out, most}, floats.device(weight.device()));
    }
    return loras;
}

Tensor guided_output(const UNet& unet, const Tensor& z, const Tensor& timesteps, const Tensor& cond,
                     const Tensor& uncond, const Tensor& w) {
    const at::NoGradGuard no_grad;
    const Tensor t = timesteps.to(at::kFloat);
    if (unet.takes_guidance()) return unet.guided_by(w)(z, t, cond).to(at::kFloat);
    if (w.count_nonzero().item<std::int64_t>() == 0) return unet(z, t, cond).to(at::kFloat);
    const Tensor texts = at::cat({cond, uncond.expand_as(cond)});
    const auto halves = unet(at::cat({z, z}), at::cat({t, t}), texts).to(at::kFloat).chunk(2);
    return halves[0] + w.view({-1, 1, 1, 1}) * (halves[0] - halves[1]);
}

TrainingRecipe progressive_recipe(const DistilTask& task, const UNet& student, std::int64_t steps,
                                  const StageOptions& options, DistilWeight weight) {
    const pipeline::Schedule& schedule = task.schedule;
    step_times(schedule, steps, at::zeros({1}, at::TensorOptions(at::kLong)));  // or throws
    const auto loss = [task, &student, steps, weight](const Samples& samples,
                                                      Activations activations) {
        const StepTimes times = step_times(task.schedule, steps, samples.index);
        const NoiseLevel from = level_at(task.schedule, times.from);
        const Tensor z = noised(samples, from);
        const Tensor landed = two_steps(task.schedule, teacher_of(task, samples), z, times);
        const Tensor target = target_picture(z, landed, from, level_at(task.schedule, times.to));
        return distil_loss(weight,
                           student_reading(task, student, z, times.from, samples, activations),
                           target, z, from);
    };
    TrainingRecipe recipe =
        recipe_of(task, student, {progressive_stream, steps, options.batch_size}, loss);
    recipe.name = "steps-" + std::to_string(steps);
    recipe.learns = student.parameters();
    return recipe;
}

TrainingRecipe guidance_recipe(const DistilTask& task, const UNet& student,
                               const StageOptions& options, DistilWeight weight) {
    if (!student.takes_guidance()) {
        throw Error("student", "has no input for guidance (time_cond_proj_dim)");
    }
    const auto loss = [task, &student, weight](const Samples& samples, Activations activations) {
        const NoiseLevel level = level_at(task.schedule, samples.index);
        const Tensor z = noised(samples, level);
        const Reading teacher = read_output(task.schedule.config.prediction_type,
                                            teacher_of(task, samples)(z, samples.index), z, level);
        return distil_loss(weight,
                           student_reading(task, student, z, samples.index, samples, activations),
                           teacher.x, z, level);
    };
    TrainingRecipe recipe = recipe_of(
        task, student,
        {guidance_stream, task.schedule.config.num_train_timesteps, options.batch_size}, loss);
    recipe.name = "guidance";
    recipe.learns = student.parameters();
    return recipe;
}

TrainingRecipe consistency_recipe(const DistilTask& task, const UNet& student,
                                  const pipeline::LoraSet& loras, const StageOptions& options,
                                  const ConsistencyOptions& lcm) {
    TrainingRecipe recipe = consistency_of(task, {student, student}, options, lcm);
    recipe.learns = pipeline::lora_tensors(loras);
    return recipe;
}

TrainingRecipe consistency_recipe(const DistilTask& task, const UNet& student, const UNet& average,
                                  const StageOptions& options, const ConsistencyOptions& lcm) {
    TrainingRecipe recipe = consistency_of(task, {student, average}, options, lcm);
    recipe.learns = student.parameters();
    return recipe;
}

}  // namespace keepsake::optimize
