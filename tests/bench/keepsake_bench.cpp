// Times the parts of Keepsake one by one, for tests/bench/compare.py, which drives this program and
// its peers (peer.py, openvino_peer.py: the same parts elsewhere) by turns.
// Usage: keepsake_bench MODEL THREADS
//        keepsake_bench MODEL THREADS --dump INPUTS OUTPUTS   (for --quick; see dump.h)
//
// Each line on stdin is "PART ITERATIONS"; the answer is one line on stdout: the seconds that one
// iteration took. The model is loaded at the first part that needs it. Progress does not exist
// here: the parts are called through the same public functions that the program calls.
// PART-bfloat16 is the part in bfloat16 arithmetic, with a model loaded anew.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "optimize/imagic/imagic.h"
#include "pipeline/model/generate.h"
#include "pipeline/model/model.h"
#include "tests/bench/dump.h"
#include "tests/bench/learn_parts.h"
#include "tests/bench/step_clock.h"

namespace {

using namespace keepsake;
using at::Tensor;
using optimize::Checkpointing;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// Mean seconds of one call.
double time_calls(int iterations, const std::function<void()>& call) {
    const auto start = Clock::now();
    for (int i = 0; i < iterations; ++i) call();
    return seconds_since(start) / iterations;
}

// What the parts work on: values do not matter for their time, shapes do.
struct Inputs {
    Tensor image;      // (1, 3, S, S) float32 in [-1, 1]
    Tensor latents;    // (1, C, S/8, S/8) float32
    Tensor embedding;  // (1, 77, D) float32
};

const char* const text = "a photo of a red daisy";

Inputs make_inputs(const pipeline::Model& model) {
    const std::int64_t size = model.native_size();
    const at::Generator generator = pipeline::make_generator(1);
    return {pipeline::randn({1, 3, size, size}, generator).clamp(-1, 1),
            pipeline::initial_noise(model, size, size, generator),
            pipeline::encode_text(model, text)};
}

double time_unet(const pipeline::Model& model, const Inputs& inputs, std::int64_t batch,
                 int iterations) {
    const at::NoGradGuard no_grad;
    const Tensor sample = inputs.latents.expand({batch, -1, -1, -1}).contiguous();
    const Tensor context = inputs.embedding.expand({batch, -1, -1}).contiguous();
    const Tensor timestep = at::full({1}, 500.0, at::kFloat);
    return time_calls(iterations, [&] { model.unet(sample, timestep, context); });
}

optimize::StageControls timed(bench::StepClock& clock, Checkpointing checkpointing) {
    optimize::StageControls controls;
    controls.checkpointing = checkpointing;
    controls.after_step = [&clock](const optimize::Tuning&) { clock.tick(); };
    return controls;
}

optimize::Tuning make_tuning(const Inputs& inputs) {
    optimize::Tuning tuning;
    tuning.target_embedding = inputs.embedding.clone();
    tuning.optimised_embedding = inputs.embedding.clone();
    return tuning;
}

double time_embedding_step(const pipeline::Model& model, const Inputs& inputs,
                           Checkpointing checkpointing, int iterations) {
    bench::StepClock clock;
    optimize::StageOptions options = optimize::paper_embedding_options();
    options.steps = iterations + 1;
    optimize::Tuning tuning = make_tuning(inputs);
    optimize::optimise_embedding({model.unet, model.schedule, inputs.latents, 0}, options, tuning,
                                 timed(clock, checkpointing));
    return clock.per_step(iterations);
}

// As peer.py trains it; the bundled model's fast mode does too.
const optimize::StageOptions lora_options{.learning_rate = 5e-7, .batch_size = 4, .rank = 16};

double time_weights_step(const pipeline::Model& model, const Inputs& inputs,
                         optimize::StageOptions options, Checkpointing checkpointing,
                         int iterations) {
    bench::StepClock clock;
    options.steps = iterations + 1;
    optimize::Tuning tuning = make_tuning(inputs);
    optimize::fine_tune({model.unet, model.schedule, inputs.latents, 0}, options, tuning,
                        timed(clock, checkpointing));
    return clock.per_step(iterations);
}

// 20 steps with guidance and the model's own sampler.
pipeline::SampleOptions many_steps() {
    pipeline::SampleOptions options;
    options.steps = 20;
    return options;
}

// As a model for few steps is drawn with.
pipeline::SampleOptions few_steps() {
    pipeline::SampleOptions options;
    options.sampler = pipeline::Sampler::lcm;
    options.steps = 4;
    options.guidance_scale = 1;
    return options;
}

// Text to pixels: the pictures of as many seeds, in the batches that the program makes of them.
void generate(const pipeline::Model& model, const pipeline::SampleOptions& options,
              std::size_t pictures) {
    const at::NoGradGuard no_grad;
    const std::int64_t size = model.native_size();
    const std::size_t most = pipeline::pictures_at_once(model, options, size, size);
    pipeline::GenerateInput input;
    input.cond = pipeline::encode_text(model, text);
    if (options.guidance_scale > 1)
        input.uncond = pipeline::encode_text(model, options.negative_prompt);
    Monitor monitor;
    const std::size_t batches = (pictures + most - 1) / most;
    for (std::size_t i = 0; i < batches; ++i) {
        std::vector<Tensor> noise;
        input.generators.clear();
        for (std::size_t k = pictures * i / batches; k < pictures * (i + 1) / batches; ++k) {
            input.generators.push_back(pipeline::make_generator(k));
            noise.push_back(pipeline::initial_noise(model, size, size, input.generators.back()));
        }
        input.noise = at::cat(noise);
        pipeline::decode_latents(model, pipeline::generate_latents(model, input, options, monitor));
    }
}

class Bench {
  public:
    explicit Bench(std::string model_path) : model_path_(std::move(model_path)) {}

    double time(std::string part, int iterations) {
        if (part == "load")
            return time_calls(iterations, [&] { pipeline::load_model(model_path_); });
        pipeline::LoadOptions options;
        if (const auto at = part.find(rounded); at != std::string::npos) {
            options.arithmetic = pipeline::Arithmetic::bfloat16;
            part.erase(at);
        }
        if (!model_ || model_->unet.arithmetic() != options.arithmetic) {
            model_.emplace(pipeline::load_model(model_path_, options));
            inputs_ = make_inputs(*model_);
        }
        const pipeline::Model& model = *model_;
        if (part.starts_with("unet-"))
            return time_unet(model, inputs_, std::stoi(part.substr(5)), iterations);
        if (part.starts_with("train-")) return time_step(part, model, iterations);
        if (part.starts_with("learn-") || part.starts_with("scratch-"))
            return bench::time_learning(part, model, inputs_.latents, iterations);
        if (part == "vae-encode") {
            return time_calls(iterations, [&] { pipeline::encode_image(model, inputs_.image); });
        }
        if (part == "vae-decode") {
            return time_calls(iterations,
                              [&] { pipeline::decode_latents(model, inputs_.latents); });
        }
        if (part == "generate")
            return time_calls(iterations, [&] { generate(model, many_steps(), 1); });
        if (part == "generate-few")
            return time_calls(iterations, [&] { generate(model, few_steps(), 1); });
        if (part.starts_with("generate-")) {
            const std::size_t pictures = std::stoul(part.substr(9));
            return time_calls(iterations, [&] { generate(model, many_steps(), pictures); });
        }
        throw Error(part, "no such part");
    }

  private:
    static constexpr const char* rounded = "-bfloat16";

    // "train-all", ...; with activations recomputed where the name ends so.
    double time_step(std::string part, const pipeline::Model& model, int iterations) const {
        const std::string_view ending = "-recomputed";
        const bool recomputed = part.ends_with(ending);
        if (recomputed) part.resize(part.size() - ending.size());
        const Checkpointing checkpointing = recomputed ? Checkpointing::on : Checkpointing::off;
        if (part == "train-all")
            return time_weights_step(model, inputs_, {}, checkpointing, iterations);
        if (part == "train-lora")
            return time_weights_step(model, inputs_, lora_options, checkpointing, iterations);
        if (part == "train-embedding")
            return time_embedding_step(model, inputs_, checkpointing, iterations);
        throw Error(part, "no such part");
    }

    std::string model_path_;
    std::optional<pipeline::Model> model_;  // in the arithmetic of the last part
    Inputs inputs_;
};

}  // namespace

int main(int argc, char** argv) try {
    const bool dump = argc == 6 && std::string(argv[3]) == "--dump";
    if (argc != 3 && !dump) {
        std::cerr << "usage: keepsake_bench MODEL THREADS [--dump INPUTS OUTPUTS]\n";
        return 2;
    }
    at::set_num_threads(std::stoi(argv[2]));
    if (dump) {
        const pipeline::Model model = pipeline::load_model(argv[1]);
        pipeline::write_safetensors(argv[5],
                                    bench::dump(model, pipeline::read_safetensors(argv[4])));
        return 0;
    }
    Bench bench(argv[1]);
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string part;
        int iterations = 0;
        if (!(words >> part >> iterations) || iterations < 1)
            throw Error(line, "not PART ITERATIONS");
        std::printf("%.9f\n", bench.time(part, iterations));
        std::fflush(stdout);
    }
} catch (const std::exception& error) {
    std::cerr << "keepsake_bench: " << error.what() << "\n";
    return 1;
}
