// The folder of a web interface, whose models, LoRAs, VAEs and embeddings are found by their names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keepsake::editor {

enum class FileKind { checkpoint, lora, vae, embedding };

// $KEEPSAKE_FILES: the root of AUTOMATIC1111 (models/Stable-diffusion, models/Lora, models/VAE,
// embeddings) or ComfyUI (models/checkpoints, models/loras, models/vae, models/embeddings). None
// where it is not set.
std::optional<std::filesystem::path> files_root();

// `name` itself where there is such a file or folder; else the .safetensors file of that name, with
// its folders or without them, in the root's folders for this kind; none where there is none.
std::optional<std::filesystem::path> find_file(FileKind kind, const std::string& name);

// The names by which find_file finds those of this kind, with their folders, sorted. Empty without
// a root. Names that are no UTF-8 are left out.
std::vector<std::string> file_names(FileKind kind);

}  // namespace keepsake::editor
