#include "tests/bench/dump.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <string>

#include "optimize/imagic/imagic.h"
#include "pipeline/error.h"
#include "pipeline/model/generate.h"

namespace keepsake::bench {
namespace {

using at::Tensor;
using pipeline::Model;
using pipeline::TensorMap;

const Tensor& input(const TensorMap& inputs, const std::string& name) {
    const auto found = inputs.find(name);
    if (found == inputs.end()) throw Error(name, "is missing in the inputs");
    return found->second;
}

void dump_forward(const Model& model, const TensorMap& inputs, TensorMap& outputs) {
    const at::NoGradGuard no_grad;
    outputs["unet"] =
        model.unet(input(inputs, "sample"), input(inputs, "timestep"), input(inputs, "context"));
    outputs["encoded"] = pipeline::encode_image(model, input(inputs, "image"));
    outputs["decoded"] = pipeline::decode_latents(model, input(inputs, "latents"));
    outputs["text"] = pipeline::encode_text(model, "a photo of a red daisy");
    pipeline::GenerateInput task;
    task.noise = input(inputs, "noise");
    task.cond = input(inputs, "cond");
    task.uncond = input(inputs, "uncond");
    Monitor monitor;
    const pipeline::SampleOptions options{
        .sampler = pipeline::Sampler::dpmpp_2m, .steps = 20, .guidance_scale = 3};
    outputs["picture"] =
        pipeline::decode_latents(model, pipeline::generate_latents(model, task, options, monitor));
}

Tensor losses_tensor(const optimize::StageLosses& losses) {
    return at::tensor(losses.training, at::TensorOptions().dtype(at::kDouble));
}

void dump_training(const Model& model, const TensorMap& inputs, TensorMap& outputs) {
    const optimize::TuningTask task{model.unet, model.schedule, input(inputs, "latents"), 42};
    optimize::Tuning tuning;
    tuning.target_embedding = input(inputs, "cond").clone();
    optimize::StageOptions stage_a;
    stage_a.steps = 4;
    stage_a.learning_rate = 5e-3;
    stage_a.batch_size = 2;
    optimize::optimise_embedding(task, stage_a, tuning);
    outputs["embedding_losses"] = losses_tensor(tuning.embedding_losses);
    outputs["embedding"] = tuning.optimised_embedding;

    optimize::Tuning with_lora = tuning;
    optimize::StageOptions stage_b;
    stage_b.steps = 4;
    stage_b.learning_rate = 1e-4;
    optimize::fine_tune(task, stage_b, tuning);
    outputs["finetune_losses"] = losses_tensor(tuning.finetune_losses);

    const std::string prefix = "lora/";
    TensorMap tensors;
    for (const auto& [name, tensor] : inputs) {
        if (!name.starts_with(prefix)) continue;
        // The format that make_loras gives and that the layers' gradients are written in.
        tensors[name.substr(prefix.size())] = tensor.clone();
    }
    with_lora.loras = pipeline::loras_from_tensors(tensors, "inputs");
    stage_b.rank = 4;
    stage_b.learning_rate = 1e-3;
    optimize::fine_tune(task, stage_b, with_lora);
    outputs["lora_losses"] = losses_tensor(with_lora.finetune_losses);
}

}  // namespace

TensorMap dump(const Model& model, const TensorMap& inputs) {
    TensorMap outputs;
    dump_forward(model, inputs, outputs);
    dump_training(model, inputs, outputs);
    for (auto& [name, tensor] : outputs) tensor = tensor.detach().contiguous();
    return outputs;
}

}  // namespace keepsake::bench
