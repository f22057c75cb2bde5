#include "pipeline/compute/packed_weights.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "pipeline/compute/kernels.h"
#include "pipeline/error.h"

namespace keepsake::pipeline {

using kernels::Kernels;
using kernels::share;

namespace {

Tensor room_for(const Kernels& k, std::int64_t numbers) {
    return at::empty({numbers},
                     at::TensorOptions().dtype(k.arithmetic == Arithmetic::bfloat16 ? at::kBFloat16
                                                                                    : at::kFloat));
}

// weight: (out, taps..., in) in memory.
Tensor pack(const Kernels& k, const Tensor& weight, PackedWeights::Kind kind) {
    const std::int64_t outs = weight.size(0), ins = weight.size(1);
    const std::int64_t taps = weight.numel() / (outs * ins);
    const bool transposed = kind == PackedWeights::Kind::transposed;
    const std::int64_t columns = transposed ? ins : outs;
    const std::int64_t depth = taps * (transposed ? outs : ins);
    const Tensor contiguous = weight.contiguous(layer_format(weight));
    const kernels::StoredWeight from = stored(contiguous);
    const Tensor packed = room_for(k, kernels::packed_size(k.panel_width, columns, depth));
    void* to = packed.mutable_data_ptr();
    share((columns + k.panel_width - 1) / k.panel_width, at::get_num_threads(),
          [&](std::int64_t p) {
              if (transposed)
                  k.pack_transposed(from, outs, taps, ins, to, p, p + 1);
              else if (kind == PackedWeights::Kind::pairs)
                  k.pack_pairs(from, outs, depth, to, p, p + 1);
              else
                  k.pack(from, outs, depth, to, p, p + 1);
          });
    return packed;
}

// The four 2x2 kernels of a 3x3 one after upsampling by two, packed: (4, packed size). Of three
// taps in a line, the two that fall on one pixel of the small picture are added: the last two at
// even places of the result, the first two at odd ones.
Tensor pack_upscaled(const Kernels& k, const Tensor& kept) {
    const at::NoGradGuard no_grad;
    const Tensor weight = kept.to(at::kFloat);
    const auto joined = [](const Tensor& w, std::int64_t dim, bool odd) {
        const Tensor a = w.narrow(dim, 0, 1), b = w.narrow(dim, 1, 1), c = w.narrow(dim, 2, 1);
        return odd ? at::cat({a + b, c}, dim) : at::cat({a, b + c}, dim);
    };
    std::vector<Tensor> phases;
    for (const bool down : {false, true})
        for (const bool right : {false, true})
            phases.push_back(
                pack(k, joined(joined(weight, 2, down), 3, right), PackedWeights::Kind::plain));
    return at::stack(phases);
}

Tensor pack_winograd(const Kernels& k, const Tensor& weight, bool transposed) {
    const kernels::WinogradShape shape{weight.size(0), weight.size(1), transposed};
    const Tensor contiguous = weight.contiguous(layer_format(weight));
    const kernels::StoredWeight from = stored(contiguous);
    const std::int64_t size = kernels::packed_size(k.panel_width, shape.columns(), shape.depth());
    const Tensor packed = room_for(k, 16 * size);
    void* to = packed.mutable_data_ptr();
    share((shape.columns() + k.panel_width - 1) / k.panel_width, at::get_num_threads(),
          [&](std::int64_t p) { k.pack_winograd(from, shape, to, p, p + 1); });
    return packed;
}

Tensor pack_as(const Kernels& k, const Tensor& weight, PackedWeights::Kind kind) {
    switch (kind) {
        case PackedWeights::Kind::upscaled:
            return pack_upscaled(k, weight);
        case PackedWeights::Kind::winograd:
            return pack_winograd(k, weight, /*transposed=*/false);
        case PackedWeights::Kind::winograd_transposed:
            return pack_winograd(k, weight, /*transposed=*/true);
        default:
            return pack(k, weight, kind);
    }
}

}  // namespace

at::MemoryFormat layer_format(const Tensor& t) {
    return t.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

bool is_stored_weight(const Tensor& weight) {
    const at::ScalarType dtype = weight.scalar_type();
    return weight.device().is_cpu() &&
           (dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16);
}

kernels::StoredWeight stored(const Tensor& weight) {
    switch (weight.scalar_type()) {
        case at::kFloat:
            return {weight.const_data_ptr(), kernels::Stored::float32};
        case at::kHalf:
            return {weight.const_data_ptr(), kernels::Stored::float16};
        case at::kBFloat16:
            return {weight.const_data_ptr(), kernels::Stored::bfloat16};
        default:
            throw Error("weights",
                        std::string("no kernel reads ") + at::toString(weight.scalar_type()));
    }
}

Tensor PackedWeights::get(const Tensor& weight, Kind kind, Arithmetic arithmetic) {
    const std::lock_guard lock(mutex_);
    Panels& panels = panels_[static_cast<int>(arithmetic)][static_cast<int>(kind)];
    const std::uint32_t version =
        weight.is_inference() ? 0 : static_cast<std::uint32_t>(weight._version());
    if (panels.tensor.defined() && panels.address == weight.const_data_ptr() &&
        panels.version == version)
        return panels.tensor;
    const Tensor packed = pack_as(*kernels::kernels_for(arithmetic), weight, kind);
    panels = {packed, weight.storage(), weight.const_data_ptr(), version};
    return packed;
}

}  // namespace keepsake::pipeline
