// Says what a file of weights is.
#pragma once

#include <filesystem>
#include <string>

namespace keepsake::pipeline {

// What a model folder, checkpoint or other safetensors file (a LoRA) holds, from its headers alone:
// several lines for `keepsake info`, each ended by a newline. Throws Error as load_model.
std::string describe_model(const std::filesystem::path& path);

}  // namespace keepsake::pipeline
