// The folder of a web interface, whose models, LoRAs, VAEs and embeddings are found by their names.
#pragma once

#include <filesystem>
#include <functional>
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

// Likewise of a name that a stranger gave: in the root's folders alone.
std::optional<std::filesystem::path> find_in_root(FileKind kind, const std::string& name);

// The root's file of that kind whose SHA-256 begins with these lower-case hex digits (at least 8;
// AUTOMATIC1111 notes ten). Files are read whole, some seconds for a checkpoint, until it is found
// or `gives_up`.
std::optional<std::filesystem::path> find_by_hash(FileKind kind, const std::string& hash,
                                                  const std::function<bool()>& gives_up);

// The names by which find_file finds those of this kind, with their folders, sorted. Empty without
// a root. Names that are no UTF-8 are left out.
std::vector<std::string> file_names(FileKind kind);

}  // namespace keepsake::editor
