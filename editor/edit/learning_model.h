// What learn, distil and train begin with.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/device.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// The model (none: the default one) in float32, to learn with. Throws Error, of a model for
// inpainting too.
pipeline::Model load_learning_model(const std::optional<std::filesystem::path>& model,
                                    const Compute& compute);

// The first twenty, and how many there are more.
void tell(const std::vector<std::string>& remarks,
          const std::function<void(const std::string& text)>& warn);

}  // namespace keepsake::editor
