// Models on disk for tests: a folder of links to the bundled model, of which single files are
// replaced; and folders of whole models from a layout (tests/goldens/layout_*.json).
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <nlohmann/json.hpp>

#include "pipeline/files/atomic_file.h"
#include "pipeline/files/safetensors.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {

inline const std::filesystem::path& bundled_model() {
    static const std::filesystem::path path = KEEPSAKE_ASSETS "/models/flowers";
    return path;
}

struct ModelFolder : TemporaryFolder {
    ModelFolder() {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(bundled_model())) {
            const auto target = path / relative(entry.path(), bundled_model());
            if (entry.is_directory())
                create_directory(target);
            else
                create_symlink(absolute(entry.path()), target);
        }
    }

    // Puts a file of our own where the link was.
    void replace(const std::string& name, const std::string& content) const {
        std::filesystem::remove(path / name);
        write_bytes(path / name, content);
    }
    void replace(const std::string& name, const pipeline::TensorMap& tensors) const {
        std::filesystem::remove(path / name);
        pipeline::write_safetensors(path / name, tensors);
    }
    nlohmann::json json(const std::string& name) const {
        return nlohmann::json::parse(read_file(path / name));
    }
};

// The bundled model (eight latent channels) with so many more input channels, drawn from a seed.
inline void widen_conv_in(const ModelFolder& model, std::int64_t more) {
    auto config = model.json("unet/config.json");
    config["in_channels"] = config["in_channels"].get<std::int64_t>() + more;
    const std::string file = "unet/diffusion_pytorch_model.safetensors";
    pipeline::TensorMap tensors = pipeline::read_safetensors(model.path / file);
    at::Tensor& conv_in = tensors.at("conv_in.weight");
    at::manual_seed(8);
    const at::Tensor added = at::randn({conv_in.size(0), more, 3, 3}) * 0.05;
    conv_in = at::cat({conv_in, added.to(conv_in.scalar_type())}, 1);
    model.replace("unet/config.json", config.dump());
    model.replace(file, tensors);
}

// The golden script's checkpoint ("ldm_sd1", "ldm_sd2") with CLIP's whole vocabulary: the goldens
// have 120 tokens to be small.
inline pipeline::TensorMap golden_checkpoint(const std::string& name) {
    auto tensors =
        pipeline::read_safetensors(std::string(KEEPSAKE_GOLDENS "/") + name + ".safetensors");
    auto& embedding =
        tensors.at(name == "ldm_sd2" ? "cond_stage_model.model.token_embedding.weight"
                                     : "cond_stage_model.transformer.text_model.embeddings."
                                       "token_embedding.weight");
    const at::Tensor whole = at::zeros({49408, embedding.size(1)}, embedding.options());
    whole.narrow(0, 0, embedding.size(0)).copy_(embedding);
    embedding = whole;
    return tensors;
}

// Gives its U-Net so many more input channels, which the golden scripts draw from a seed.
inline void widen_checkpoint(pipeline::TensorMap& tensors, std::int64_t more,
                             at::Generator generator) {
    at::Tensor& conv_in = tensors.at("model.diffusion_model.input_blocks.0.0.weight");
    const at::Tensor added = at::randn({32, more, 3, 3}, std::move(generator)) * 0.1;
    conv_in = at::cat({conv_in, added.to(conv_in.scalar_type())}, 1);
}

// Writes a diffusers folder of float16 weights from a layout. value(shape, name) gives each tensor.
template <typename Value>
void write_model_folder(const std::filesystem::path& folder, const std::string& layout,
                        Value&& value) {
    const auto parts = nlohmann::json::parse(read_file(KEEPSAKE_GOLDENS "/" + layout + ".json"));
    for (const auto& [part, content] : parts.items()) {
        create_directories(folder / part);
        write_file_atomically(folder / part / "config.json", content["config"].dump());
        pipeline::TensorMap tensors;
        for (const auto& [name, shape] : content["shapes"].items())
            tensors[name] =
                value(shape.template get<std::vector<std::int64_t>>(), name).to(at::kHalf);
        const auto* stem = part == "text_encoder" ? "model" : "diffusion_pytorch_model";
        pipeline::write_safetensors(folder / part / (std::string(stem) + ".safetensors"), tensors);
    }
    for (const char* same : {"model_index.json", "tokenizer", "scheduler"})
        std::filesystem::create_symlink(absolute(bundled_model() / same), folder / same);
}

}  // namespace keepsake::testing
