// Says what a file of weights is.
#pragma once

#include <filesystem>
#include <string>

#include "pipeline/model/model.h"

namespace keepsake::pipeline {

// What a model folder, checkpoint or other safetensors file (a LoRA) holds, from its headers alone:
// several lines for `keepsake info`, each ended by a newline. Throws Error as load_model with these
// options, but for the values of the weights, which are not read.
std::string describe_model(const std::filesystem::path& path, const LoadOptions& options = {});

}  // namespace keepsake::pipeline
