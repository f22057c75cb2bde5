#include "pipeline/networks/layers.h"

#include <c10/core/GradMode.h>

#include "pipeline/compute/drawing_arithmetic.h"
#include "pipeline/compute/fused_attention.h"
#include "pipeline/compute/learning_layer_norm.h"

namespace keepsake::pipeline {

namespace {

Tensor plus(const Tensor& x, const Tensor& addend) {
    return addend.defined() ? x + addend : x;
}

Tensor plus(const Tensor& x, const FusedExtras& extras) {
    const Tensor& bias = extras.group_bias;
    return plus(bias.defined() ? x + bias.unsqueeze(-1).unsqueeze(-1) : x, extras.residual);
}

// What `down` made, (..., rank) or (B, rank, H, W), as `up` reads it: scaled, and without what the
// dropout leaves out.
Tensor middle(const Lora& lora, const Tensor& low) {
    const std::int64_t rank = lora.down.size(0);
    Tensor stays;
    if (at::GradMode::is_enabled()) stays = what_stays(lora.dropout, low.numel() / rank, rank);
    const double factor = middle_factor(lora, stays.defined());
    const Tensor scaled = factor == 1 ? low : low * factor;
    if (!stays.defined()) return scaled;
    const bool picture = low.dim() == 4;
    const Tensor in_rows = picture ? low.permute({0, 2, 3, 1}) : low;
    const Tensor mask = stays.view(in_rows.sizes()).to(low.device());
    return scaled * (picture ? mask.permute({0, 3, 1, 2}) : mask);
}

}  // namespace

Linear::Linear(Weights& weights, const std::string& prefix, std::int64_t in, std::int64_t out,
               bool with_bias)
    : weight(weights.take(prefix + ".weight", {out, in})),
      packed(weights.packed()),
      lora(weights.lora(prefix)),
      arithmetic(weights.arithmetic()) {
    if (with_bias) bias = weights.take(prefix + ".bias", {out});
}

Linear Linear::from_pointwise(Weights& weights, const std::string& prefix, std::int64_t in,
                              std::int64_t out) {
    Linear linear;
    linear.weight = weights.take(prefix + ".weight", {out, in, 1, 1});
    linear.bias = weights.take(prefix + ".bias", {out});
    linear.packed = weights.packed();
    linear.lora = weights.lora(prefix);
    linear.arithmetic = weights.arithmetic();
    return linear;
}

FusedLayer Linear::fused() const {
    return {.weight = weight,
            .bias = bias,
            .packed = packed,
            .lora = lora,
            .arithmetic = drawing_arithmetic(arithmetic)};
}

Tensor Linear::operator()(const Tensor& x, const Tensor& residual) const {
    const FusedLayer layer = fused();
    if (can_fuse(x, layer)) return run_fused(layer, x, {{}, residual});
    // The view is made here, at each call, because one made before requires_grad_() would be cut
    // off from the parameter's gradient.
    const auto matrix = [](const Tensor& t) { return t.dim() == 4 ? t.flatten(1) : t; };
    Tensor y = at::linear(x, matrix(weight).to(x.scalar_type()), bias);
    if (lora)
        y = y + at::linear(middle(*lora, at::linear(x, matrix(lora->down))), matrix(lora->up));
    return plus(y, residual);
}

Conv2d::Conv2d(Weights& weights, const std::string& prefix, std::int64_t in, std::int64_t out,
               std::int64_t kernel, std::int64_t stride_, std::int64_t padding_)
    : weight(weights.take(prefix + ".weight", {out, in, kernel, kernel})),
      bias(weights.take(prefix + ".bias", {out})),
      stride(stride_),
      padding(padding_),
      packed(weights.packed()),
      lora(weights.lora(prefix)),
      arithmetic(weights.arithmetic()) {}

FusedLayer Conv2d::fused() const {
    return {.weight = weight,
            .bias = bias,
            .packed = packed,
            .lora = lora,
            .stride = stride,
            .padding = padding,
            .arithmetic = drawing_arithmetic(arithmetic)};
}

Tensor Conv2d::operator()(const Tensor& x, const FusedExtras& extras) const {
    const FusedLayer layer = fused();
    if (can_fuse(x, layer)) return run_fused(layer, x, extras);
    Tensor y =
        at::conv2d(x, weight.to(x.scalar_type()), bias, {stride, stride}, {padding, padding});
    if (lora) {
        const Tensor low = at::conv2d(x, lora->down, {}, {stride, stride}, {padding, padding});
        y = y + at::conv2d(middle(*lora, low), lora->up);
    }
    return plus(y, extras);
}

GroupNorm::GroupNorm(Weights& weights, const std::string& prefix, std::int64_t groups_,
                     std::int64_t channels, double eps_)
    : GroupNormWeights{weights.take(prefix + ".weight", {channels}),
                       weights.take(prefix + ".bias", {channels}), groups_, eps_} {}

Tensor GroupNorm::operator()(const Tensor& x) const {
    if (!at::GradMode::is_enabled() && can_fuse(x, *this)) return fused_group_norm(*this, x);
    return at::group_norm(x, groups, weight, bias, eps);
}

LayerNorm::LayerNorm(Weights& weights, const std::string& prefix, std::int64_t channels,
                     double eps_)
    : weight(weights.take(prefix + ".weight", {channels})),
      bias(weights.take(prefix + ".bias", {channels})),
      eps(eps_) {}

Tensor LayerNorm::operator()(const Tensor& x) const {
    const bool fits = runs_on_kernels(x) && runs_on_kernels(weight) && x.size(-1) % 16 == 0;
    if (fits && !at::GradMode::is_enabled()) return fused_layer_norm(x, weight, bias, eps);
    if (fits) return learning_layer_norm(x, weight, bias, eps);
    return at::layer_norm(x, weight.sizes(), weight, bias, eps);
}

Resnet::Resnet(Weights& weights, const std::string& prefix, const Shape& shape)
    : norm1(weights, prefix + ".norm1", shape.groups, shape.in, shape.eps),
      norm2(weights, prefix + ".norm2", shape.groups, shape.out, shape.eps),
      conv1(weights, prefix + ".conv1", shape.in, shape.out, 3, 1, 1),
      conv2(weights, prefix + ".conv2", shape.out, shape.out, 3, 1, 1) {
    if (shape.time_channels > 0)
        time.emplace(weights, prefix + ".time_emb_proj", shape.time_channels, shape.out);
    if (shape.in != shape.out)
        shortcut.emplace(weights, prefix + ".conv_shortcut", shape.in, shape.out, 1);
}

Tensor Resnet::operator()(Tensor x, const Tensor& time_bias) const {
    FusedExtras with_time, with_input;
    with_time.group_bias = time_bias;
    const Tensor h = norm_silu_conv(norm1, conv1, x, with_time);
    with_input.residual = shortcut ? (*shortcut)(x) : x;
    x.reset();
    return norm_silu_conv(norm2, conv2, h, with_input);
}

Tensor norm_silu_conv(const GroupNorm& norm, const Conv2d& conv, const Tensor& x,
                      const FusedExtras& extras) {
    FusedLayer layer = conv.fused();
    layer.norm = &norm;
    layer.silu = true;
    if (can_fuse(x, layer)) return run_fused(layer, x, extras);
    Tensor normed = norm(x);
    return conv(at::GradMode::is_enabled() ? at::silu(normed) : at::silu_(normed), extras);
}

Tensor norm_linear(const GroupNorm& norm, const Linear& linear, const Tensor& x) {
    FusedLayer layer = linear.fused();
    layer.norm = &norm;
    if (can_fuse(x, layer)) return run_fused(layer, x);
    return from_tokens(linear(to_tokens(norm(x))), x);
}

Tensor upsample_conv(const Conv2d& conv, const Tensor& x, at::IntArrayRef height_width) {
    FusedLayer layer = conv.fused();
    layer.upscale = 2;
    const bool twice = height_width[0] == 2 * x.size(2) && height_width[1] == 2 * x.size(3);
    if (twice && can_fuse(x, layer)) return run_fused(layer, x);
    return conv(at::upsample_nearest2d(x, height_width));
}

Tensor linear_geglu(const Linear& linear, const Tensor& x) {
    const FusedLayer layer = linear.fused();
    if (can_fuse(x, layer) && linear.weight.size(0) % 32 == 0)
        return at::GradMode::is_enabled() || linear.lora ? fused_geglu(linear(x))
                                                         : product_geglu(layer, x);
    const std::vector<Tensor> halves = linear(x).chunk(2, -1);
    return halves[0] * at::gelu(halves[1]);
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads, bool causal,
                 Arithmetic arithmetic) {
    const bool fits = runs_on_kernels(q) && runs_on_kernels(k) && runs_on_kernels(v);
    if (fits && !causal && !at::GradMode::is_enabled() && q.numel() > 0 && k.numel() > 0)
        return fused_attention(q, k, v, heads, drawing_arithmetic(arithmetic));
    const auto split = [heads](const Tensor& x) {
        return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
    };
    const Tensor out =
        at::scaled_dot_product_attention(split(q), split(k), split(v), {}, 0.0, causal);
    return out.transpose(1, 2).flatten(2);
}

}  // namespace keepsake::pipeline
