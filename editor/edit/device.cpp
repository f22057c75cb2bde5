#include "editor/edit/device.h"

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

std::string precision_name(pipeline::Arithmetic arithmetic) {
    return arithmetic == pipeline::Arithmetic::bfloat16 ? "bfloat16" : "float32";
}

pipeline::Arithmetic find_arithmetic(const std::string& choice, at::Device device,
                                     const std::string& what) {
    if (choice == "float32") return pipeline::Arithmetic::float32;
    const bool pays = device.is_cpu() && pipeline::has_fast_bfloat16();
    if (choice == "bfloat16" && !pays) {
        throw Error(what, device.is_cpu()
                              ? "this processor is not faster at bfloat16; auto or float32 run here"
                              : "is for runs on the processor (--device cpu)");
    }
    return pays ? pipeline::Arithmetic::bfloat16 : pipeline::Arithmetic::float32;
}

}  // namespace keepsake::editor
