// Opens a model in the layout that diffusers saves: model_index.json, and a folder a component.
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/model/model_files.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;
using std::filesystem::path;

// The names a component's weights may go by, the first that is there wins: the plain file before
// the half-precision variant, as diffusers loads without `variant`. Then where index files of
// sharded weights put the variant: transformers and diffusers now, diffusers before 0.28.
constexpr std::array<std::string_view, 5> weight_endings = {
    ".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".safetensors.index.fp16.json",
    ".safetensors.fp16.index.json"};
// diffusers' own components, and those of transformers.
constexpr std::array<std::string_view, 2> weight_stems = {"diffusion_pytorch_model", "model"};
constexpr std::array<std::string_view, 4> pickle_names = {
    "diffusion_pytorch_model.bin", "pytorch_model.bin", "diffusion_pytorch_model.fp16.bin",
    "pytorch_model.fp16.bin"};

path find_weights(const path& folder, std::string_view usual_stem) {
    for (const auto ending : weight_endings)
        for (const auto stem : weight_stems)
            if (const auto file = folder / std::string(stem).append(ending); is_there(file))
                return file;
    // Opened so that it is refused, with how to convert it.
    for (const auto name : pickle_names)
        if (const auto file = folder / name; is_there(file)) SafetensorsFile{file};
    const auto usual = std::string(usual_stem) + ".safetensors";
    throw Error((folder / usual).string(),
                "is missing, and so are its .fp16 and .index.json forms");
}

void add_file(ComponentFiles& component, const path& file_path) {
    const auto file = std::make_shared<const SafetensorsFile>(file_path);
    for (const auto& [name, info] : file->tensors()) {
        const auto [place, fresh] = component.tensors.try_emplace(name, StoredTensor{file, {name}});
        if (!fresh)
            throw Error(file_path.string(), "holds tensor '" + name + "', which " +
                                                place->second.file->path().filename().string() +
                                                " holds as well");
    }
}

// The shards that an index file names: {"weight_map": {tensor: file}}.
void add_shards(ComponentFiles& component, const path& index_path) {
    const auto index = read_json_file(index_path);
    if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
        throw Error(index_path.string(), "has no weight_map");
    std::set<std::string> shards;
    for (const auto& [name, shard] : index["weight_map"].items()) {
        // A shard lies beside its index; a path could lead anywhere.
        if (!shard.is_string() ||
            path(shard.get<std::string>()).filename() != shard.get<std::string>())
            throw Error(index_path.string(),
                        "weight_map: '" + name + "' is in no file of this folder");
        shards.insert(shard.get<std::string>());
    }
    for (const auto& shard : shards) add_file(component, index_path.parent_path() / shard);
    std::string absent;
    for (const auto& [name, shard] : index["weight_map"].items()) {
        const auto found = component.tensors.find(name);
        if (found == component.tensors.end() ||
            found->second.file->path().filename() != shard.get<std::string>())
            absent += (absent.empty() ? "" : ", ") + name + " (" + shard.get<std::string>() + ")";
    }
    if (!absent.empty())
        throw Error(index_path.string(), "names tensors that are not in their files: " + absent);
}

ComponentFiles open_component(const path& folder, std::string_view usual_stem) {
    const auto weights = find_weights(folder, usual_stem);
    ComponentFiles component{weights.string(), {}};
    if (weights.extension() == ".json")
        add_shards(component, weights);
    else
        add_file(component, weights);
    return component;
}

// model_index.json says which class each component is; others than these compute something else.
void check_classes(const path& index_path) {
    static constexpr std::array<std::pair<const char*, const char*>, 3> supported = {
        {{"text_encoder", "CLIPTextModel"},
         {"unet", "UNet2DConditionModel"},
         {"vae", "AutoencoderKL"}}};
    const auto index = read_json_file(index_path);
    for (const auto& [component, class_name] : supported) {
        const bool there = index.is_object() && index.contains(component) &&
                           index[component].is_array() && index[component].size() == 2;
        const json found = there ? index[component][1] : json();
        const bool tiny = found == "AutoencoderTiny" && std::string_view(component) == "vae";
        if (found != class_name && !tiny)
            throw Error(index_path.string(), std::string(component) + " should be a " + class_name +
                                                 ", is " +
                                                 (found.is_null() ? "none" : brief(found)));
    }
    // Stable Diffusion XL and 3 have more text encoders than this program knows what to do with.
    if (index.contains("text_encoder_2") && !index["text_encoder_2"].is_null() &&
        index["text_encoder_2"] != json::array({nullptr, nullptr}))
        throw Error(index_path.string(),
                    "has a second text encoder; only Stable Diffusion 1.x and 2.x "
                    "are supported");
}

// Config::from_json with the file's name in the Error: a folder has four of them.
template <typename Config>
Config read_config(const path& file) {
    const auto content = read_json_file(file);
    try {
        return Config::from_json(content);
    } catch (const Error& error) {
        throw Error(file.string(), error.what());
    }
}

}  // namespace

ModelFiles open_diffusers_folder(const path& folder) {
    check_classes(folder / "model_index.json");
    ModelFiles files;
    files.path = folder;
    files.kind = "Stable Diffusion model, diffusers folder";
    files.text_encoder_config =
        read_config<TextEncoderConfig>(folder / "text_encoder" / "config.json");
    files.vae_config = read_config<VaeConfig>(folder / "vae" / "config.json");
    files.unet_config = read_config<UNetConfig>(folder / "unet" / "config.json");
    files.schedule = read_config<ScheduleConfig>(folder / "scheduler" / "scheduler_config.json");
    files.schedule_source = "scheduler/scheduler_config.json";
    files.tokenizer = folder / "tokenizer";
    files.text_encoder = open_component(folder / "text_encoder", "model");
    files.vae = open_component(folder / "vae", "diffusion_pytorch_model");
    files.unet = open_component(folder / "unet", "diffusion_pytorch_model");
    return files;
}

}  // namespace keepsake::pipeline
