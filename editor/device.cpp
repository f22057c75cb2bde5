#include "editor/device.h"

#include <ATen/Context.h>

#include "pipeline/error.h"

namespace keepsake::editor {

at::Device find_device(const std::string& choice, const std::string& what) {
    if (choice == "cpu") return at::kCPU;
    const bool has_cuda = at::globalContext().hasCUDA();
    if (choice == "cuda" && !has_cuda) {
        throw Error(what, "there is no CUDA device, or LibTorch is its CPU build");
    }
    return has_cuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
}

}  // namespace keepsake::editor
