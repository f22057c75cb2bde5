// The bundled model, whole or damaged.
#pragma once

#include <filesystem>
#include <string>

#include "pipeline/files/safetensors.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {

inline const std::filesystem::path flowers = KEEPSAKE_ASSETS "/models/flowers";
inline const std::filesystem::path unet_weights = "unet/diffusion_pytorch_model.safetensors";

// The bundled model's folder with links for files, so that one of them can be replaced.
inline void link_model(const std::filesystem::path& folder) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(flowers)) {
        const auto path = folder / std::filesystem::relative(entry.path(), flowers);
        if (entry.is_directory()) {
            std::filesystem::create_directories(path);
        } else {
            std::filesystem::create_directories(path.parent_path());
            std::filesystem::create_symlink(entry.path(), path);
        }
    }
}

// Replaces a linked file.
inline void replace_file(const std::filesystem::path& path, const std::string& bytes) {
    std::filesystem::remove(path);
    write_bytes(path, bytes);
}

// Another model: the bundled one with one weight of its U-Net set to `value`.
inline void change_weight(const std::filesystem::path& model, double value) {
    pipeline::TensorMap tensors = pipeline::read_safetensors(flowers / unet_weights);
    tensors.at("conv_out.weight").view({-1})[5] = value;
    std::filesystem::remove(model / unet_weights);
    pipeline::write_safetensors(model / unet_weights, tensors);
}

}  // namespace keepsake::testing
