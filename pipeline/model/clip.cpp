#include "pipeline/model/clip.h"

#include <ATen/core/grad_mode.h>

#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/config_fields.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/open_clip_layout.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;
using std::filesystem::path;

TensorMap with_prefix(const TensorMap& tensors, const std::string& prefix) {
    TensorMap part;
    for (const auto& [name, tensor] : tensors)
        if (name.starts_with(prefix)) part[name] = tensor;
    return part;
}

Weights weights_of(const TensorMap& tensors, const std::string& component) {
    Weights weights = Weights::from_tensors(tensors, component);
    const at::Device device = tensors.empty() ? at::kCPU : tensors.begin()->second.device();
    weights.set_target(at::kFloat, device);
    return weights;
}

// What belongs to neither encoder.
struct Projections {
    Linear text, visual;
    Tensor logit_scale;
    TensorMap taken;
};

Projections take_projections(const ClipConfig& config, const TensorMap& tensors,
                             const std::string& component) {
    TensorMap rest;
    for (const auto& [name, tensor] : tensors)
        if (!name.starts_with("text_model.") && !name.starts_with("vision_model."))
            rest[name] = tensor;
    Weights weights = weights_of(rest, component);
    Projections all;
    all.text = Linear(weights, "text_projection", config.text.hidden_size, config.projection_dim,
                      /*with_bias=*/false);
    all.visual = Linear(weights, "visual_projection", config.image.hidden_size,
                        config.projection_dim, /*with_bias=*/false);
    all.logit_scale = weights.take("logit_scale", {});
    weights.finish();
    all.taken = weights.taken();
    return all;
}

json part_of(const json& config, const char* key) {
    return config.is_object() && config.contains(key) && config[key].is_object() ? config[key]
                                                                                 : json::object();
}

// {"shortest_edge": 224}, {"height": 224, "width": 224} or 224.
std::int64_t side_of(const json& config, const char* key, std::int64_t fallback) {
    const json* value = config.contains(key) ? &config[key] : nullptr;
    for (const char* inner : {"shortest_edge", "height"})
        if (value && value->is_object() && value->contains(inner)) value = &(*value)[inner];
    return value && value->is_number_integer() ? value->get<std::int64_t>() : fallback;
}

void read_three(const json& config, const char* key, std::array<double, 3>& into) {
    if (!config.contains(key) || !config[key].is_array() || config[key].size() != 3) return;
    for (std::size_t i = 0; i < 3; ++i)
        if (config[key][i].is_number()) into[i] = config[key][i].get<double>();
}

// What both layouts' preprocessing may not be. noun: the file.
void check(const ClipPreprocessing& how, std::int64_t image_size, const std::string& noun) {
    if (how.crop != image_size || how.shortest_side < how.crop || how.shortest_side > 8192)
        throw Error(noun, "its sizes do not fit the image encoder's " + std::to_string(image_size) +
                              " pixels");
    for (const double deviation : how.deviation)
        if (!(deviation > 0)) throw Error(noun, "the deviations of colours should be above 0");
}

// open_clip's image_transform() for what is not trained: its size is always the image encoder's.
ClipPreprocessing open_clip_preprocessing(const json& config, std::int64_t image_size) {
    ClipPreprocessing how;
    how.shortest_side = how.crop = image_size;
    how.middle_to_even = true;
    const json part = part_of(config, "preprocess_cfg");
    ConfigFields fields(part, "preprocess_cfg");
    fields.only("mode", "RGB");
    fields.only("interpolation", "bicubic");
    fields.only("resize_mode", "shortest");
    fields.finish();
    read_three(part, "mean", how.mean);
    read_three(part, "std", how.deviation);
    check(how, image_size, "preprocess_cfg");
    return how;
}

// What a reader of a configuration throws, with the file before it.
template <class Read>
auto of_file(const path& file, Read read) {
    try {
        return read();
    } catch (const Error& error) {
        throw Error(file.string(), error.what());
    }
}

TensorMap on(TensorMap tensors, at::Device device) {
    for (auto& [name, tensor] : tensors) tensor = tensor.to(device);
    return tensors;
}

ClipFiles read_transformers(const path& folder, at::Device device) {
    const path config_file = folder / "config.json", weights = folder / "model.safetensors";
    json content = read_json_file(config_file);
    const ClipConfig config = of_file(config_file, [&] { return ClipConfig::from_json(content); });
    const SafetensorsFile file(weights);
    TensorMap tensors;
    for (const auto& [name, info] : file.tensors())
        if (!name.ends_with("position_ids")) tensors[name] = file.read(name, at::kFloat);
    return {std::move(content), read_preprocessing(folder, config.image.image_size),
            ClipNetwork(config, on(std::move(tensors), device), weights.string())};
}

ClipFiles read_open_clip_folder(const path& folder, at::Device device) {
    const path config_file = folder / "open_clip_config.json";
    const json written = read_json_file(config_file);
    json content = of_file(config_file, [&] { return config_of_open_clip(written); });
    const ClipConfig config = of_file(config_file, [&] { return ClipConfig::from_json(content); });
    const path own = folder / "open_clip_model.safetensors";
    const path weights = is_there(own) ? own : folder / "model.safetensors";
    ClipPreprocessing how = of_file(
        config_file, [&] { return open_clip_preprocessing(written, config.image.image_size); });
    return {std::move(content), how,
            ClipNetwork(config, on(read_open_clip(SafetensorsFile(weights), at::kFloat), device),
                        weights.string())};
}

// Of the folder; of one that is called "clip", as a model's own is, with what it lies in.
std::string name_of(const path& folder) {
    const path absolute = std::filesystem::absolute(folder).lexically_normal();
    const path last = absolute.has_filename() ? absolute : absolute.parent_path();
    const std::string name = last.filename().string();
    return name == "clip" ? (last.parent_path().filename() / name).string() : name;
}

}  // namespace

ClipPreprocessing read_preprocessing(const path& folder, std::int64_t image_size) {
    ClipPreprocessing how;
    how.shortest_side = how.crop = image_size;
    const path file = folder / "preprocessor_config.json";
    if (!is_there(file)) return how;
    const json config = read_json_file(file);
    if (!config.is_object()) throw Error(file.string(), "is no object");
    how.shortest_side = side_of(config, "size", how.shortest_side);
    how.crop = side_of(config, "crop_size", how.crop);
    read_three(config, "image_mean", how.mean);
    read_three(config, "image_std", how.deviation);
    check(how, image_size, file.string());
    return how;
}

ClipConfig ClipConfig::from_json(const json& config) {
    ConfigFields fields(config, "CLIP config");
    ClipConfig result;
    result.projection_dim = fields.size("projection_dim", result.projection_dim);
    fields.only("model_type", "clip");
    fields.finish();
    const json text = part_of(config, "text_config");
    result.text = TextEncoderConfig::from_json(text);
    result.image = ImageEncoderConfig::from_json(part_of(config, "vision_config"));
    if (text.contains("eos_token_id") && text["eos_token_id"].is_number_integer())
        result.eos_token_id = text["eos_token_id"].get<std::int64_t>();
    return result;
}

ClipNetwork::ClipNetwork(ClipConfig config, TensorMap tensors, const std::string& component)
    : config_(std::move(config)),
      text_(config_.text, weights_of(with_prefix(tensors, "text_model."), component)),
      image_(config_.image, [&] {
          const TensorMap vision = with_prefix(tensors, "vision_model.");
          if (vision.empty()) throw Error(component, "has no image encoder (vision_model)");
          return weights_of(vision, component);
      }()) {
    Projections all = take_projections(config_, tensors, component);
    text_projection_ = std::move(all.text);
    visual_projection_ = std::move(all.visual);
    logit_scale_ = all.logit_scale;
    parameters_ = std::move(all.taken);
    for (const auto& [name, tensor] : text_.parameters())
        parameters_["text_model." + name] = tensor;
    for (const auto& [name, tensor] : image_.parameters())
        parameters_["vision_model." + name] = tensor;
}

Tensor ClipNetwork::text_features(const Tensor& ids) const {
    // transformers' CLIPTextTransformer: the first of equals in both cases.
    const Tensor marks =
        config_.eos_token_id == 2 ? ids : (ids == config_.eos_token_id).to(at::kLong);
    const Tensor place = marks.argmax(1);
    // Each place sees those before it alone: what follows the last end changes nothing.
    const std::int64_t seen = ids.size(0) > 0 ? place.max().item<std::int64_t>() + 1 : ids.size(1);
    const Tensor hidden = text_(ids.slice(1, 0, seen));
    const Tensor rows = at::arange(hidden.size(0), place.options());
    return text_projection_(hidden.index({rows.to(hidden.device()), place.to(hidden.device())}));
}

Tensor ClipNetwork::image_features(const Tensor& pictures) const {
    return visual_projection_(image_(pictures));
}

ClipFiles read_clip(const path& folder, at::Device device) {
    const at::NoGradGuard no_grad;
    if (type_at(folder) != std::filesystem::file_type::directory)
        throw Error(folder.string(), "is no folder of a CLIP model");
    const bool open_clip = is_there(folder / "open_clip_config.json");
    const bool transformers =
        is_there(folder / "config.json") && is_there(folder / "model.safetensors");
    return open_clip && !transformers ? read_open_clip_folder(folder, device)
                                      : read_transformers(folder, device);
}

bool has_tokenizer(const path& folder) {
    return is_there(folder / "vocab.json") || is_there(folder / "tokenizer.json");
}

path clip_tokenizer_of(const path& folder, const path& clip_tokenizer, const ClipConfig& config) {
    if (has_tokenizer(folder)) return folder;
    const path open_clip = folder / "open_clip_config.json";
    const json text = is_there(open_clip)
                          ? part_of(part_of(read_json_file(open_clip), "model_cfg"), "text_cfg")
                          : json::object();
    constexpr std::int64_t of_clip = 49408;
    if (config.text.vocab_size != of_clip || !text.value("hf_tokenizer_name", json()).is_null())
        throw Error(folder.string(),
                    "has no tokenizer (vocab.json and merges.txt, or tokenizer.json), and its "
                    "vocabulary is not CLIP's own");
    return clip_tokenizer;
}

Clip load_clip(const path& folder, const path& clip_tokenizer, at::Device device) {
    ClipFiles files = read_clip(folder, device);
    return {folder, name_of(folder),
            Tokenizer(clip_tokenizer_of(folder, clip_tokenizer, files.network.config())),
            files.preprocessing, std::move(files.network)};
}

Tensor normalised(const Tensor& features) {
    return features / features.square().sum(-1, /*keepdim=*/true).sqrt();
}

}  // namespace keepsake::pipeline
