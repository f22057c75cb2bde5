// SHA-256 of files, by which web interfaces and libraries know models and LoRAs.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace keepsake::editor {

// What of a file is hashed.
enum class Hashed {
    whole,    // AUTOMATIC1111's "Model hash" and "VAE hash" are its first ten digits
    tensors,  // what follows a safetensors file's header: its "Lora hashes", the first twelve, and
              // kohya's sshs_model_hash, which renaming or a new description do not change
};

// Lower-case hex digits; empty where the file cannot be read, or `gives_up`. A large file takes
// seconds, once: what was found is kept in $XDG_CACHE_HOME/keepsake/hashes.json (~/.cache), by the
// file's path, size and time. That cache may be removed at any time; one that cannot be read or
// written is done without.
std::string file_hash(const std::filesystem::path& file, Hashed hashed = Hashed::whole,
                      const std::function<bool()>& gives_up = {});

}  // namespace keepsake::editor
