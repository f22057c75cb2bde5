#include "editor/session/tuning_files.h"

#include <nlohmann/json.hpp>

#include "editor/session/own_json.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::editor {
namespace {

using at::Tensor;
using nlohmann::json;
using optimize::StageLosses;
using optimize::Tuning;
using pipeline::Model;
using pipeline::SafetensorsFile;
using pipeline::TensorMap;

constexpr OwnKind losses_kind = {"keepsake losses", 1};

using Metadata = std::map<std::string, std::string>;

void check_tag(const SafetensorsFile& file, const std::string& tag) {
    const auto found = file.metadata().find("recipe");
    if (found == file.metadata().end() || found->second != tag) {
        throw Error(file.path().string(),
                    "does not belong to this session's recipe.json; --restart tunes anew");
    }
}

Tensor read_tensor(const SafetensorsFile& file, const std::string& name, const Model& model) {
    return file.read(name, at::kFloat).to(model.device);
}

std::string metadata_text(const SafetensorsFile& file, const std::string& key) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) {
        throw Error(file.path().string(), "lacks the metadata '" + key + "'");
    }
    return found->second;
}

std::int64_t metadata_number(const SafetensorsFile& file, const std::string& key) {
    const std::string text = metadata_text(file, key);
    try {
        return std::stoll(text);
    } catch (const std::exception&) {
        throw Error(file.path().string(),
                    "the metadata '" + key + "' is no number: '" + text + "'");
    }
}

void read_word(const SafetensorsFile& file, const Model& model, Tuning& tuning) {
    if (file.tensors().contains("word")) tuning.word = read_tensor(file, "word", model);
}

// The tensors named prefix + something, without the prefix, in their own dtype.
TensorMap read_group(const SafetensorsFile& file, const std::string& prefix) {
    TensorMap group;
    for (const auto& [name, info] : file.tensors()) {
        if (name.starts_with(prefix)) group[name.substr(prefix.size())] = file.read(name);
    }
    return group;
}

void add_group(TensorMap& tensors, const std::string& prefix, const TensorMap& group) {
    for (const auto& [name, tensor] : group) tensors[prefix + name] = tensor.detach();
}

void add_losses(TensorMap& tensors, const std::string& prefix, const StageLosses& losses) {
    const auto options = at::TensorOptions().dtype(at::kDouble);
    if (losses.before) tensors[prefix + "before"] = at::full({1}, *losses.before, options);
    if (losses.after) tensors[prefix + "after"] = at::full({1}, *losses.after, options);
    if (losses.rate) tensors[prefix + "rate"] = at::full({1}, *losses.rate, options);
    if (!losses.training.empty())
        tensors[prefix + "training"] = at::tensor(losses.training, options);
}

StageLosses losses_of(const TensorMap& group) {
    StageLosses losses;
    if (group.contains("before")) losses.before = group.at("before").item<double>();
    if (group.contains("after")) losses.after = group.at("after").item<double>();
    if (group.contains("rate")) losses.rate = group.at("rate").item<double>();
    if (group.contains("training")) {
        const Tensor training = group.at("training").to(at::kDouble).contiguous();
        const double* data = training.const_data_ptr<double>();
        losses.training.assign(data, data + training.numel());
    }
    return losses;
}

pipeline::UNet make_unet(const std::filesystem::path& path, const Model& model, TensorMap weights) {
    pipeline::Weights source = pipeline::Weights::from_tensors(std::move(weights), path.string());
    source.set_target(model.dtype, model.device);
    source.set_arithmetic(model.unet.arithmetic());
    return pipeline::UNet(model.unet.config(), std::move(source));
}

json losses_json(const StageLosses& losses) {
    const auto number = [](const std::optional<double>& value) {
        return value ? json(*value) : json();
    };
    json object = {{"before", number(losses.before)},
                   {"after", number(losses.after)},
                   {"average", losses.training.empty() ? json() : json(losses.average())},
                   {"training", losses.training}};
    if (losses.rate) object["rate"] = *losses.rate;
    return object;
}

StageLosses losses_of(const json& object) {
    StageLosses losses;
    if (object.at("before").is_number()) losses.before = object.at("before").get<double>();
    if (object.at("after").is_number()) losses.after = object.at("after").get<double>();
    losses.training = object.at("training").get<std::vector<double>>();
    if (object.contains("rate")) losses.rate = object.at("rate").get<double>();
    return losses;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const std::string& tag,
                      const std::string& stage, const Tuning& tuning) {
    TensorMap tensors;
    tensors["target"] = tuning.target_embedding.detach();
    if (tuning.optimised_embedding.defined()) {
        tensors["optimised"] = tuning.optimised_embedding.detach();
    }
    if (tuning.word.defined()) tensors["word"] = tuning.word.detach();
    add_group(tensors, "lora.", pipeline::lora_tensors(tuning.loras));
    if (tuning.unet && tuning.loras.empty()) add_group(tensors, "unet.", tuning.unet->parameters());
    add_group(tensors, "adam.", tuning.adam);
    add_losses(tensors, "losses.embedding.", tuning.embedding_losses);
    add_losses(tensors, "losses.finetune.", tuning.finetune_losses);
    pipeline::write_safetensors(path, tensors,
                                {{"recipe", tag},
                                 {"stage", stage},
                                 {"embedding_steps", std::to_string(tuning.embedding_steps)},
                                 {"finetune_steps", std::to_string(tuning.finetune_steps)}});
}

void read_checkpoint(const std::filesystem::path& path, const std::string& tag, const Model& model,
                     Tuning& tuning) {
    const SafetensorsFile file(path);
    check_tag(file, tag);
    tuning.target_embedding = read_tensor(file, "target", model);
    if (file.tensors().contains("optimised")) {
        tuning.optimised_embedding = read_tensor(file, "optimised", model);
    }
    read_word(file, model, tuning);
    if (TensorMap weights = read_group(file, "unet."); !weights.empty()) {
        tuning.unet = make_unet(path, model, std::move(weights));
    }
    TensorMap loras = read_group(file, "lora.");
    for (auto& [name, tensor] : loras)
        tensor = tensor.to(model.device).contiguous(pipeline::layer_format(tensor));
    tuning.loras = pipeline::loras_from_tensors(loras, path.string());
    for (auto& [name, tensor] : read_group(file, "adam.")) {
        tuning.adam[name] = tensor.to(model.device);
    }
    tuning.embedding_losses = losses_of(read_group(file, "losses.embedding."));
    tuning.finetune_losses = losses_of(read_group(file, "losses.finetune."));
    tuning.embedding_steps = metadata_number(file, "embedding_steps");
    tuning.finetune_steps = metadata_number(file, "finetune_steps");
}

std::string checkpoint_stage(const std::filesystem::path& path, const std::string& tag) {
    const SafetensorsFile file(path);
    check_tag(file, tag);
    return metadata_text(file, "stage");
}

std::int64_t checkpoint_steps(const std::filesystem::path& path) {
    const SafetensorsFile file(path);
    return metadata_number(file, metadata_text(file, "stage") + "_steps");
}

void write_embeddings(const std::filesystem::path& path, const std::string& tag,
                      const Tuning& tuning) {
    TensorMap tensors = {{"target", tuning.target_embedding.detach()},
                         {"optimised", tuning.optimised_embedding.detach()}};
    if (tuning.word.defined()) tensors["word"] = tuning.word.detach();
    pipeline::write_safetensors(
        path, tensors,
        {{"recipe", tag}, {"embedding_steps", std::to_string(tuning.embedding_steps)}});
}

void read_embeddings(const std::filesystem::path& path, const std::string& tag, const Model& model,
                     Tuning& tuning) {
    const SafetensorsFile file(path);
    check_tag(file, tag);
    tuning.target_embedding = read_tensor(file, "target", model);
    tuning.optimised_embedding = read_tensor(file, "optimised", model);
    read_word(file, model, tuning);
    tuning.embedding_steps = metadata_number(file, "embedding_steps");
}

void write_unet(const std::filesystem::path& path, const std::string& tag, const Tuning& tuning) {
    TensorMap tensors;
    add_group(tensors, "", tuning.unet->parameters());
    pipeline::write_safetensors(
        path, tensors,
        {{"recipe", tag}, {"finetune_steps", std::to_string(tuning.finetune_steps)}});
}

void read_unet(const std::filesystem::path& path, const std::string& tag, const Model& model,
               Tuning& tuning) {
    const SafetensorsFile file(path);
    check_tag(file, tag);
    tuning.unet = make_unet(path, model, read_group(file, ""));
    tuning.finetune_steps = metadata_number(file, "finetune_steps");
}

void write_lora(const std::filesystem::path& path, const std::string& tag, const Tuning& tuning) {
    pipeline::save_loras(
        path, tuning.loras,
        {{"recipe", tag}, {"finetune_steps", std::to_string(tuning.finetune_steps)}});
}

void read_lora(const std::filesystem::path& path, const std::string& tag, const Model& model,
               Tuning& tuning) {
    const SafetensorsFile file(path);
    check_tag(file, tag);
    tuning.loras = pipeline::load_loras(path, model.unet);
    tuning.unet = pipeline::apply_loras(model.unet, tuning.loras);
    tuning.finetune_steps = metadata_number(file, "finetune_steps");
}

void write_losses(const std::filesystem::path& path, const Tuning& tuning) {
    write_own_json(path, losses_kind,
                   {{"embedding", losses_json(tuning.embedding_losses)},
                    {"finetune", losses_json(tuning.finetune_losses)}});
}

void read_losses(const std::filesystem::path& path, Tuning& tuning) {
    if (!is_there(path)) return;
    try {
        const json content = read_own_json(path, losses_kind);
        tuning.embedding_losses = losses_of(content.at("embedding"));
        tuning.finetune_losses = losses_of(content.at("finetune"));
    } catch (const json::exception& error) {
        throw Error(path.string(), std::string("is not a list of losses: ") + error.what());
    }
}

}  // namespace keepsake::editor
