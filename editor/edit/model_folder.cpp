#include "editor/edit/model_folder.h"

#include <algorithm>
#include <array>
#include <string>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using pipeline::TensorMap;

void write_component(const fs::path& file, const TensorMap& weights, at::ScalarType dtype,
                     const std::string& prefix) {
    TensorMap tensors;
    for (const auto& [name, tensor] : weights) {
        tensors[prefix + name] = tensor.detach();
        if (dtype != at::ScalarType::Undefined) tensors[prefix + name] = tensor.detach().to(dtype);
    }
    pipeline::write_safetensors(file, tensors, {{"format", "pt"}});
}

bool is_weights(const fs::path& path) {
    const std::string name = path.filename().string();
    return name.ends_with(".safetensors") || name.ends_with(".bin") || name.ends_with(".ckpt") ||
           name.ends_with(".msgpack") || name.find(".safetensors.index") != name.npos;
}

}  // namespace

void check_is_model_folder(const fs::path& model) {
    if (!fs::is_directory(model))
        throw Error(model.string(),
                    "is a single file; all weights are learned of a diffusers folder alone: "
                    "convert it with diffusers first, or learn a LoRA");
}

void copy_model_folder(const fs::path& from, const fs::path& to, bool text_encoder) {
    check_is_model_folder(from);
    static constexpr std::array components = {"unet", "vae", "text_encoder", "tokenizer",
                                              "scheduler"};
    for (const auto& entry : fs::directory_iterator(from)) {
        const std::string name = entry.path().filename().string();
        if (entry.is_regular_file() && entry.path().extension() == ".json")
            write_file_atomically(own_file(to, name), read_file(entry.path()));
        if (!entry.is_directory() || std::ranges::find(components, name) == components.end())
            continue;
        const fs::path folder = own_folder(to, name);
        const bool anew = name == "unet" || (text_encoder && name == "text_encoder");
        for (const auto& part : fs::directory_iterator(entry.path()))
            if (part.is_regular_file() && !(anew && is_weights(part.path())))
                write_file_atomically(own_file(folder, part.path().filename()),
                                      read_file(part.path()));
    }
}

at::ScalarType stored_unet_dtype(const fs::path& model) {
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(model / "unet", code)) {
        if (entry.path().extension() != ".safetensors") continue;
        const pipeline::SafetensorsFile file(entry.path());
        for (const auto& [name, info] : file.tensors())
            if (at::isFloatingType(info.dtype)) return info.dtype;
    }
    return at::kFloat;
}

void write_unet_weights(const fs::path& model, const TensorMap& weights, at::ScalarType dtype) {
    write_component(own_file(own_folder(model, "unet"), "diffusion_pytorch_model.safetensors"),
                    weights, dtype, "");
}

void write_text_encoder_weights(const fs::path& model, const TensorMap& weights) {
    write_component(own_file(own_folder(model, "text_encoder"), "model.safetensors"), weights,
                    at::ScalarType::Undefined, "text_model.");
}

}  // namespace keepsake::editor
