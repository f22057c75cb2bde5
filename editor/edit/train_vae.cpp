#include "editor/edit/train_vae.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "editor/edit/learn_settings.h"
#include "editor/edit/learning_model.h"
#include "editor/edit/network_configs.h"
#include "editor/edit/train_pictures.h"
#include "editor/edit/train_run.h"
#include "editor/photo/image_file.h"
#include "editor/session/bundled_model.h"
#include "editor/session/recipe.h"
#include "optimize/scratch/fresh_weights.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/model/model_files.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using at::Tensor;
using nlohmann::ordered_json;
using optimize::VaeQuality;
using pipeline::Vae;
using pipeline::VaeConfig;

constexpr const char* qualities_file = "quality.jsonl";

VaeConfig config_of(const TrainVaeRequest& request) {
    const fs::path path = request.config.value_or(default_model());
    try {
        return VaeConfig::from_json(read_network_config(path, "vae"));
    } catch (const Error& error) {
        throw Error(path.string(), error.what());
    }
}

Vae moved(const Vae& vae, at::Device device) {
    pipeline::TensorMap tensors;
    for (const auto& [name, tensor] : vae.parameters())
        tensors[name] = tensor.to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    pipeline::Weights weights = pipeline::Weights::from_tensors(std::move(tensors));
    weights.set_target(at::kFloat, device);
    return Vae(vae.config(), std::move(weights));
}

Vae begin(const TrainVaeRequest& request) {
    const at::Device device = request.compute.device;
    if (!request.from) return moved(optimize::fresh_vae(config_of(request), request.seed), device);
    if (request.config) throw Error("--config", "is that of --from, where both are given");
    return moved(read_vae(*request.from, device), device);
}

// A line a measurement.
void write_qualities(const fs::path& folder, const std::vector<VaeQuality>& all) {
    std::string text;
    for (const VaeQuality& one : all) {
        ordered_json line = {
            {"step", one.step}, {"psnr", one.psnr}, {"ssim", one.ssim}, {"absolute", one.absolute}};
        text += line.dump() + "\n";
    }
    write_file_atomically(own_file(folder, qualities_file), text);
}

// Those up to `steps`. What cannot be read is measured anew in its time.
std::vector<VaeQuality> read_qualities(const fs::path& folder, std::int64_t steps) {
    std::vector<VaeQuality> all;
    const fs::path file = own_file(folder, qualities_file);
    if (!is_there(file)) return all;
    std::istringstream lines(read_file(file));
    for (std::string text; std::getline(lines, text);) {
        const nlohmann::json line = parse_json(text, file.string());
        const auto number = [&](const char* key) {
            return line.is_object() && line.contains(key) && line[key].is_number()
                       ? line[key].get<double>()
                       : 0.0;
        };
        const VaeQuality one{static_cast<std::int64_t>(number("step")), number("psnr"),
                             number("ssim"), number("absolute")};
        if (one.step > 0 && one.step <= steps) all.push_back(one);
    }
    return all;
}

RunRecipe recipe_of(const TrainVaeRequest& request, const PictureSet& set, const Vae& vae) {
    const optimize::VaeOptions& options = request.options;
    RunRecipe recipe;
    recipe.what = "train vae";
    ordered_json& s = recipe.settings;
    s["pictures"] = fingerprint_of_set(set);
    s["config"] = config_json(vae.config(), request.size);
    s["from"] = request.from ? checked_utf8(request.from->string()) : "";
    s["size"] = request.size;
    s["held_out"] = request.held_out;
    s["mirror"] = request.mirror;
    s["seed"] = request.seed;
    s["steps"] = options.stage.steps;
    s["batch"] = options.stage.batch_size;
    s["learning_rate"] = options.schedule.rate;
    s["schedule"] = static_cast<int>(options.schedule.kind);
    s["warmup"] = options.schedule.warmup_steps;
    s["weight_decay"] = options.weight_decay;
    s["gradient_norm"] = options.max_gradient_norm;
    s["structure"] = options.structure;
    s["kl"] = options.kl;
    if (options.adversarial.weight > 0) {
        s["discriminator"] = options.adversarial.weight;
        s["discriminator_from"] = options.adversarial.begins;
    }
    s["ema"] = options.ema ? options.ema->decay : 0.0;
    recipe.hints["name"] = request.name;
    recipe.hints["precision"] = precision_name(options.stage.arithmetic);
    return recipe;
}

void check(const TrainVaeRequest& request, const Vae& vae) {
    const std::int64_t unit = vae.config().downscale();
    if (request.size % unit != 0)
        throw Error("--size", std::to_string(request.size) + " is no multiple of " +
                                  std::to_string(unit) + ", to which this autoencoder halves");
    if (vae.config().tiny)
        throw Error(request.from ? "--from" : "--config",
                    "is a tiny autoencoder (TAESD), which is not made to learn");
    if (vae.config().in_channels != 3 || vae.config().out_channels != 3)
        throw Error("--config", "is of an autoencoder whose pictures have not 3 channels");
}

// What was held out, above what comes back: samples/step-000500.png.
fs::path write_sheet(const fs::path& folder, const optimize::LearnedVae& learned,
                     const Tensor& pictures) {
    const at::NoGradGuard no_grad;
    constexpr std::int64_t most = 8;
    const std::int64_t count = std::min(most, pictures.size(0));
    const Vae vae = averaged(learned);
    const at::Device device = vae.parameters().begin()->second.device();
    const Tensor were = optimize::picture_values(pictures.slice(0, 0, count)).to(device);
    const Tensor are = vae.decode(vae.encode(were).mean);
    char name[40];
    std::snprintf(name, sizeof name, "step-%06lld.png", static_cast<long long>(learned.steps));
    const fs::path file = own_file(own_folder(folder, "samples"), name);
    write_image(file, picture_wall(at::cat({were, are}), count));
    return file;
}

}  // namespace

Vae read_vae(const fs::path& path, at::Device device) {
    pipeline::ModelFiles files;
    files.path = path;
    if (!is_there(path)) throw Error(path.string(), "is not there");
    pipeline::replace_vae(files, path);
    pipeline::Weights weights = pipeline::lazy_weights(files.vae);
    weights.set_target(at::kFloat, device);
    return Vae(files.vae_config, std::move(weights));
}

void write_vae(const fs::path& folder, const Vae& vae, std::int64_t sample_size) {
    pipeline::TensorMap tensors;
    for (const auto& [name, tensor] : vae.parameters())
        tensors[name] = tensor.detach().to(at::kCPU).contiguous();
    pipeline::write_safetensors(own_file(folder, "diffusion_pytorch_model.safetensors"), tensors,
                                {{"format", "pt"}});
    write_file_atomically(own_file(folder, "config.json"),
                          config_json(vae.config(), sample_size).dump(2) + "\n");
}

TrainVaeResult train_vae_run(const TrainVaeRequest& request, Monitor& monitor,
                             const std::function<void(const std::string&)>& warn,
                             const optimize::Ranks& ranks) {
    optimize::LearnedVae learned{begin(request), 0, {}, {}, {}, {}};
    check(request, learned.vae);
    if (request.options.adversarial.weight > 0)
        learned.discriminator =
            optimize::Discriminator::fresh(request.seed).on(request.compute.device);
    const PictureSet set = read_picture_set(request.pictures, monitor);
    tell(set.remarks, warn);
    std::vector<std::string> remarks;
    const RunFolder folder = open_run(request.out, recipe_of(request, set, learned.vae),
                                      request.restart, remarks, ranks);
    tell(remarks, warn);

    const Tensor pictures = optimize::first_alone(
        ranks, [&] { return square_pictures(set, request.size, folder.folder, monitor); });
    const Tensor apart = held_out(set, request.held_out);
    constexpr std::int64_t measured = 64;  // at most
    const auto rows = [](const Tensor& which) { return which.nonzero().squeeze(1); };
    const optimize::VaeTask task{pictures, rows(~apart),
                                 pictures.index_select(0, rows(apart).slice(0, 0, measured)),
                                 request.mirror, request.seed};
    const TrainingPlace place{learned.steps, optimize::learning(learned), learned.optimiser,
                              learned.averages, learned.losses};
    if (is_first(ranks)) {
        restore(folder, place);
        learned.evaluations = read_qualities(folder.folder, learned.steps);
    }
    RunSaver saver(
        folder, place, request.checkpoint_seconds,
        [&](std::int64_t step) { return optimize::rate_of(request.options, step); }, ranks);
    TrainVaeResult result;
    optimize::VaeControls controls;
    controls.monitor = &monitor;
    controls.ranks = ranks;
    controls.evaluate_every = request.every;
    controls.after_step = [&] { saver.save_if_due(); };
    controls.after_evaluation = [&] {
        write_qualities(folder.folder, learned.evaluations);
        result.sheet = write_sheet(folder.folder, learned, task.held_out);
    };
    const Clock::time_point begin = Clock::now();
    try {
        train_vae(task, request.options, learned, controls);
    } catch (const Cancelled&) {
        saver.save();
        throw;
    }
    saver.save();
    if (!is_first(ranks)) return {};
    result.seconds = seconds_since(begin);
    const Vae finished = averaged(learned);
    result.scale = optimize::latent_scale(finished, task.pictures, request.seed);
    VaeConfig config = finished.config();
    config.scaling_factor = result.scale;
    result.folder = own_folder(folder.folder, request.name);
    write_vae(result.folder, Vae(config, pipeline::Weights::from_tensors(finished.parameters())),
              request.size);
    result.evaluations = learned.evaluations;
    result.steps = learned.steps;
    result.learned_from = task.rows.numel();
    result.held_out = task.held_out.size(0);
    return result;
}

}  // namespace keepsake::editor
