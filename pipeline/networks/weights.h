// A component's weights by diffusers name: where the model classes take their tensors from.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "pipeline/compute/fused_layers.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::pipeline {

// Names -> tensors of one component (U-Net, VAE, text encoder), read lazily. A model's constructor
// takes each tensor it needs by name and shape; finish() then throws one Error that names every
// missing, misshapen and surplus tensor. take() never throws for a missing tensor, so that all of
// them are found.
class Weights {
  public:
    // `component` is the noun for errors, e.g. "unet/diffusion_pytorch_model.safetensors".
    // From tensors in memory; take() shares their storage where dtype, device and layout fit.
    static Weights from_tensors(TensorMap tensors, std::string component = "weights");

    // Of a network that begins from nothing: whatever is asked for is there, as `make` makes it of
    // its name and shape, float32 on the CPU.
    using Maker = std::function<Tensor(const std::string& name, at::IntArrayRef shape)>;
    static Weights fresh(Maker make, std::string component = "weights");

    // One entry per tensor: its shape, how it is stored, and a function that reads it as the given
    // dtype on CPU.
    struct Source {
        std::vector<std::int64_t> shape;
        at::ScalarType stored = at::kFloat;
        std::function<Tensor(at::ScalarType as)> read;
    };
    Weights(std::map<std::string, Source> sources, std::string component);

    // Working precision and device of every later take(). Default: float32 on CPU.
    void set_target(at::ScalarType dtype, at::Device device);

    // Where the working precision is float32 and the component is large (see packed()), matrices
    // and convolutions that are stored as float16 or bfloat16 stay so: layers compute in float32
    // all the same, on the same numbers, and the weights take half the memory. Not for weights that
    // learn.
    void keep_stored_precision();

    // In which numbers later layers compute their products, on processors that have kernels for it.
    void set_arithmetic(Arithmetic arithmetic) { arithmetic_ = arithmetic; }
    Arithmetic arithmetic() const { return arithmetic_; }

    // Gives every tensor the name that `new_name` makes of its present one; for files written under
    // older names. Errors go on naming surplus and misshapen tensors as the file does. Throws Error
    // when two tensors would get the same name.
    void rename(const std::function<std::string(const std::string&)>& new_name);

    bool contains(const std::string& name) const;
    std::vector<std::int64_t> shape(const std::string& name) const;  // empty when there is none
    std::vector<std::string> names() const;

    // The tensor in working precision on the working device, a leaf without gradient; convolution
    // weights (4-d) come in channels_last memory format. A 1x1 convolution's (out, in, 1, 1) is
    // taken where (out, in) is asked for. Missing or misshapen: recorded, and a tensor of `shape`
    // on the meta device is returned, which has no content.
    Tensor take(const std::string& name, at::IntArrayRef shape);

    // Where a layer keeps its weight as the kernels read it; null for a large component, where a
    // second copy of the weights would cost more memory than packing costs time.
    std::shared_ptr<PackedWeights> packed() const;

    // Low-rank additions that later layers take up, by the layer's name ("down_blocks.0...to_q").
    void set_loras(std::map<std::string, Lora> loras);
    std::shared_ptr<const Lora> lora(const std::string& layer) const;  // null where there is none
    // That all of those share where they have dropout; else null.
    std::shared_ptr<LoraPass> lora_pass() const;

    // Every tensor taken so far, by name: the model's parameters (they share storage with the
    // layers).
    const TensorMap& taken() const { return taken_; }

    // Call once, after the last take(). Throws Error naming the component and every tensor that is
    // missing, misshapen (found and expected shape) or surplus; with not-a-number or infinite
    // values in a taken tensor likewise. Surplus names for which `ignore` returns true are passed
    // over.
    void finish(const std::function<bool(const std::string&)>& ignore = {}) const;

  private:
    bool is_large() const;
    at::ScalarType dtype_of(const Source& source) const;
    const std::string& name_in_file(const std::string& name) const;

    std::map<std::string, Source> sources_;
    Maker make_;                                        // of fresh()
    std::map<std::string, std::string> names_in_file_;  // of the renamed ones
    std::string component_;
    at::ScalarType dtype_ = at::kFloat;
    bool keeps_stored_ = false;
    Arithmetic arithmetic_ = Arithmetic::float32;
    at::Device device_ = at::kCPU;
    TensorMap taken_;
    std::map<std::string, Lora> loras_;
    std::vector<std::string> missing_, misshapen_, not_finite_;
};

}  // namespace keepsake::pipeline
