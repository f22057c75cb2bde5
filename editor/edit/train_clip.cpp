#include "editor/edit/train_clip.h"

#include <ATen/core/grad_mode.h>

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "editor/edit/learn_settings.h"
#include "editor/edit/learning_model.h"
#include "editor/edit/network_configs.h"
#include "editor/edit/train_pictures.h"
#include "editor/edit/train_run.h"
#include "editor/session/bundled_model.h"
#include "editor/session/recipe.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/model/clip.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using at::Tensor;
using nlohmann::json;
using nlohmann::ordered_json;
using pipeline::ClipConfig;
using pipeline::ClipNetwork;
using pipeline::Tokenizer;

// Where a training begins: its build as transformers has it, and the files of the tokenizer.
struct Beginning {
    json config;
    fs::path tokenizer;
    optimize::LearnedClip learned;
};

ClipNetwork moved(const ClipNetwork& network, at::Device device) {
    pipeline::TensorMap tensors;
    for (const auto& [name, tensor] : network.parameters())
        tensors[name] = tensor.to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    return {network.config(), std::move(tensors)};
}

Beginning begin(const TrainClipRequest& request) {
    const at::Device device = request.compute.device;
    if (request.from && request.config)
        throw Error("--config", "is that of --from, where both are given");
    if (request.from) {
        const pipeline::ClipFiles from = pipeline::read_clip(*request.from);
        return {from.config,
                clip_tokenizer_of(*request.from, bundled_tokenizer(), from.network.config()),
                {moved(from.network, device), 0, {}, {}}};
    }
    const json config =
        request.config ? read_network_config(*request.config, "clip") : small_clip_config();
    const std::string noun = request.config ? request.config->string() : "CLIP";
    const bool own_words = request.config && pipeline::has_tokenizer(*request.config);
    try {
        const ClipConfig build = ClipConfig::from_json(config);
        return {config,
                own_words ? *request.config : default_model() / "tokenizer",
                {moved(optimize::fresh_clip(build, request.seed), device), 0, {}, {}}};
    } catch (const Error& error) {
        throw Error(noun, error.what());
    }
}

// The same captions are other ids with another tokenizer.
std::string fingerprint_of_tokenizer(const fs::path& folder) {
    Fingerprint all;
    for (const char* name : {"tokenizer.json", "vocab.json", "merges.txt"}) {
        if (is_there(folder / name)) all.add(read_file(folder / name));
        all.end_part();
    }
    return all.text();
}

RunRecipe recipe_of(const TrainClipRequest& request, const PictureSet& set, const json& config) {
    const optimize::ClipOptions& options = request.options;
    RunRecipe recipe;
    recipe.what = "train clip";
    ordered_json& s = recipe.settings;
    s["pictures"] = fingerprint_of_set(set);
    s["config"] = config;
    if (request.config && pipeline::has_tokenizer(*request.config))
        s["tokenizer"] = fingerprint_of_tokenizer(*request.config);
    s["from"] = request.from ? checked_utf8(request.from->string()) : "";
    s["held_out"] = request.held_out;
    s["seed"] = request.seed;
    s["steps"] = options.stage.steps;
    s["batch"] = options.stage.batch_size;
    s["learning_rate"] = options.schedule.rate;
    s["schedule"] = static_cast<int>(options.schedule.kind);
    s["warmup"] = options.schedule.warmup_steps;
    s["weight_decay"] = options.weight_decay;
    s["gradient_norm"] = options.max_gradient_norm;
    recipe.hints["name"] = request.name;
    recipe.hints["precision"] = precision_name(request.options.stage.arithmetic);
    return recipe;
}

// Those that have a caption; the others are told.
PictureSet with_captions(PictureSet set, const std::vector<fs::path>& places,
                         const std::function<void(const std::string&)>& warn) {
    if (const std::int64_t without = set.without_caption(); without > 0) {
        if (without == static_cast<std::int64_t>(set.pictures.size()))
            throw Error(places.front().string(),
                        "none of its pictures has a caption: put a .txt beside each, or a "
                        "metadata.jsonl in the folder");
        warn(std::to_string(without) + " pictures without a caption are left out");
        std::erase_if(set.pictures, [](const SetPicture& one) { return one.captions.empty(); });
    }
    return set;
}

Tensor ids_of(const Tokenizer& tokenizer, const std::string& caption) {
    return at::tensor(tokenizer(caption).ids).unsqueeze(0);
}

// Whether the nearest of all captions is the picture's own, of pictures whose caption is their own.
std::optional<double> share_found(const ClipNetwork& network, const Tokenizer& tokenizer,
                                  const optimize::ClipTask& task, const PictureSet& set,
                                  const Tensor& rows) {
    const at::NoGradGuard no_grad;
    std::map<std::string, std::vector<std::int64_t>> by_caption;
    for (std::int64_t i = 0; i < rows.numel(); ++i) {
        const auto row = rows[i].item<std::int64_t>();
        by_caption[set.pictures[static_cast<std::size_t>(row)].captions.front()].push_back(row);
    }
    std::vector<Tensor> images, texts;
    for (const auto& [caption, pictures] : by_caption) {
        if (pictures.size() != 1) continue;
        const Tensor picture = task.pictures.slice(0, pictures[0], pictures[0] + 1);
        const Tensor values = optimize::clip_values(picture, task.preprocessing);
        images.push_back(pipeline::normalised(
            network.image_features(values.to(network.logit_scale().device()))));
        texts.push_back(pipeline::normalised(network.text_features(ids_of(tokenizer, caption))));
    }
    if (images.size() < 2) return std::nullopt;
    const Tensor nearest = at::matmul(at::cat(images), at::cat(texts).t()).argmax(1).cpu();
    return (nearest == at::arange(nearest.numel())).to(at::kDouble).mean().item<double>();
}

void write_clip(const fs::path& folder, const Beginning& beginning, const ClipNetwork& network,
                const pipeline::ClipPreprocessing& how) {
    pipeline::TensorMap tensors;
    for (const auto& [name, tensor] : network.parameters())
        tensors[name] = tensor.detach().to(at::kCPU).contiguous();
    pipeline::write_safetensors(own_file(folder, "model.safetensors"), tensors, {{"format", "pt"}});
    write_file_atomically(own_file(folder, "config.json"), beginning.config.dump(2) + "\n");
    const ordered_json preprocessing = {{"image_processor_type", "CLIPImageProcessor"},
                                        {"do_resize", true},
                                        {"size", {{"shortest_edge", how.shortest_side}}},
                                        {"resample", 3},
                                        {"do_center_crop", true},
                                        {"crop_size", {{"height", how.crop}, {"width", how.crop}}},
                                        {"do_rescale", true},
                                        {"do_normalize", true},
                                        {"do_convert_rgb", true},
                                        {"image_mean", how.mean},
                                        {"image_std", how.deviation}};
    write_file_atomically(own_file(folder, "preprocessor_config.json"),
                          preprocessing.dump(2) + "\n");
    for (const char* name : {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json",
                             "special_tokens_map.json", "added_tokens.json"})
        if (is_there(beginning.tokenizer / name))
            write_file_atomically(own_file(folder, name), read_file(beginning.tokenizer / name));
}

}  // namespace

json small_clip_config() {
    json text = read_json_file(default_model() / "text_encoder" / "config.json");
    const pipeline::TextEncoderConfig build = pipeline::TextEncoderConfig::from_json(text);
    const json kept = {
        {"model_type", "clip_text_model"},
        {"vocab_size", build.vocab_size},
        {"hidden_size", build.hidden_size},
        {"intermediate_size", build.intermediate_size},
        {"num_hidden_layers", build.num_hidden_layers},
        {"num_attention_heads", build.num_attention_heads},
        {"max_position_embeddings", build.max_position_embeddings},
        {"layer_norm_eps", build.layer_norm_eps},
        {"hidden_act", build.hidden_act},
        {"eos_token_id", pipeline::Tokenizer(default_model() / "tokenizer").end_id()}};
    const json vision = {{"model_type", "clip_vision_model"},
                         {"image_size", 96},
                         {"patch_size", 8},
                         {"num_channels", 3},
                         {"hidden_size", 192},
                         {"intermediate_size", 768},
                         {"num_hidden_layers", 6},
                         {"num_attention_heads", 3},
                         {"hidden_act", build.hidden_act}};
    return {{"model_type", "clip"},  {"architectures", {"CLIPModel"}},
            {"projection_dim", 192}, {"logit_scale_init_value", 2.6592},
            {"text_config", kept},   {"vision_config", vision}};
}

TrainClipResult train_clip_run(const TrainClipRequest& request, Monitor& monitor,
                               const std::function<void(const std::string&)>& warn,
                               const optimize::Ranks& ranks) {
    Beginning beginning = begin(request);
    optimize::LearnedClip& learned = beginning.learned;
    const Tokenizer tokenizer(beginning.tokenizer);
    if (tokenizer.next_id() > learned.network.config().text.vocab_size)
        throw Error("--config", "its text encoder has fewer tokens than the tokenizer's " +
                                    std::to_string(tokenizer.next_id()));
    const PictureSet all = read_picture_set(request.pictures, monitor);
    tell(all.remarks, warn);
    const PictureSet set = with_captions(all, request.pictures, warn);
    std::vector<std::string> remarks;
    const RunFolder folder = open_run(request.out, recipe_of(request, set, beginning.config),
                                      request.restart, remarks, ranks);
    tell(remarks, warn);

    const Tensor apart = held_out(set, request.held_out);
    optimize::ClipTask task;
    task.seed = request.seed;
    task.preprocessing.shortest_side = task.preprocessing.crop =
        learned.network.config().image.image_size;
    task.pictures = optimize::first_alone(ranks, [&] {
        return square_pictures(set, learned.network.config().image.image_size, folder.folder,
                               monitor);
    });
    task.rows = (~apart).nonzero().squeeze(1);
    for (const SetPicture& picture : set.pictures) {
        task.tokens.emplace_back();
        for (const std::string& caption : picture.captions)
            task.tokens.back().push_back(ids_of(tokenizer, caption));
    }
    pipeline::TensorMap none;
    const TrainingPlace place{learned.steps, learned.network.parameters(), learned.optimiser, none,
                              learned.losses};
    if (is_first(ranks)) restore(folder, place);
    RunSaver saver(
        folder, place, request.checkpoint_seconds,
        [&](std::int64_t step) { return optimize::rate_of(request.options, step); }, ranks);
    optimize::ClipControls controls;
    controls.monitor = &monitor;
    controls.ranks = ranks;
    controls.after_step = [&] { saver.save_if_due(); };
    const Clock::time_point begun = Clock::now();
    try {
        train_clip(task, request.options, learned, controls);
    } catch (const Cancelled&) {
        saver.save();
        throw;
    }
    saver.save();
    if (!is_first(ranks)) return {};
    TrainClipResult result;
    result.seconds = seconds_since(begun);
    result.folder = own_folder(folder.folder, request.name);
    write_clip(result.folder, beginning, learned.network, task.preprocessing);
    result.steps = learned.steps;
    result.learned_from = task.rows.numel();
    const Tensor measured = apart.nonzero().squeeze(1);
    result.held_out = measured.numel();
    result.found = share_found(learned.network, tokenizer, task, set, measured);
    result.loss = learned.losses.average();
    result.scale = learned.network.logit_scale().exp().item<double>();
    return result;
}

}  // namespace keepsake::editor
