#include "pipeline/model/clip.h"

#include <ATen/core/grad_mode.h>

#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/config_fields.h"
#include "pipeline/files/json_file.h"

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
    if (how.crop != image_size || how.shortest_side < how.crop || how.shortest_side > 8192)
        throw Error(file.string(), "its sizes do not fit the image encoder's " +
                                       std::to_string(image_size) + " pixels");
    for (const double deviation : how.deviation)
        if (!(deviation > 0)) throw Error(file.string(), "image_std should be above 0");
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
    const Tensor hidden = text_(ids);
    // transformers' CLIPTextTransformer: the first of equals in both cases.
    const Tensor marks =
        config_.eos_token_id == 2 ? ids : (ids == config_.eos_token_id).to(at::kLong);
    const Tensor place = marks.argmax(1).to(hidden.device());
    const Tensor rows = at::arange(hidden.size(0), place.options());
    return text_projection_(hidden.index({rows, place}));
}

Tensor ClipNetwork::image_features(const Tensor& pictures) const {
    return visual_projection_(image_(pictures));
}

Clip load_clip(const path& folder, at::Device device) {
    const at::NoGradGuard no_grad;
    if (type_at(folder) != std::filesystem::file_type::directory)
        throw Error(folder.string(), "is no folder of a CLIP model");
    const path config_file = folder / "config.json", weights = folder / "model.safetensors";
    const json content = read_json_file(config_file);
    ClipConfig config;
    try {
        config = ClipConfig::from_json(content);
    } catch (const Error& error) {
        throw Error(config_file.string(), error.what());
    }
    const SafetensorsFile file(weights);
    TensorMap tensors;
    for (const auto& [name, info] : file.tensors())
        if (!name.ends_with("position_ids")) tensors[name] = file.read(name, at::kFloat).to(device);
    const path absolute = std::filesystem::absolute(folder).lexically_normal();
    const path last = absolute.has_filename() ? absolute : absolute.parent_path();
    return {folder, last.filename().string(), Tokenizer(folder),
            read_preprocessing(folder, config.image.image_size),
            ClipNetwork(config, std::move(tensors), weights.string())};
}

Tensor normalised(const Tensor& features) {
    return features / features.square().sum(-1, /*keepdim=*/true).sqrt();
}

}  // namespace keepsake::pipeline
