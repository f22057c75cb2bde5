// Which device to compute on.
#pragma once

#include <ATen/core/ATen_fwd.h>
#include <c10/core/Device.h>

#include <string>

namespace keepsake::editor {

// choice: "cpu", "cuda", else the best there is. Throws Error naming `what` when it is "cuda" and
// there is none.
at::Device find_device(const std::string& choice, const std::string& what);

}  // namespace keepsake::editor
