#include "pipeline/layers.h"

#include <c10/core/GradMode.h>

namespace keepsake::pipeline {

Linear::Linear(Weights& weights, const std::string& prefix, std::int64_t in, std::int64_t out,
               bool with_bias)
    : weight(weights.take(prefix + ".weight", {out, in})) {
    if (with_bias) bias = weights.take(prefix + ".bias", {out});
}

Linear Linear::from_pointwise(Weights& weights, const std::string& prefix, std::int64_t in,
                              std::int64_t out) {
    Linear linear;
    linear.weight = weights.take(prefix + ".weight", {out, in, 1, 1});
    linear.bias = weights.take(prefix + ".bias", {out});
    return linear;
}

Tensor Linear::operator()(const Tensor& x) const {
    // The view is made here, at each call, because one made before requires_grad_() would be cut
    // off from the parameter's gradient.
    return at::linear(x, weight.dim() == 4 ? weight.flatten(1) : weight, bias);
}

Conv2d::Conv2d(Weights& weights, const std::string& prefix, std::int64_t in, std::int64_t out,
               std::int64_t kernel, std::int64_t stride_, std::int64_t padding_)
    : weight(weights.take(prefix + ".weight", {out, in, kernel, kernel})),
      bias(weights.take(prefix + ".bias", {out})),
      stride(stride_),
      padding(padding_) {}

Tensor Conv2d::operator()(const Tensor& x) const {
    return at::conv2d(x, weight, bias, {stride, stride}, {padding, padding});
}

GroupNorm::GroupNorm(Weights& weights, const std::string& prefix, std::int64_t groups_,
                     std::int64_t channels, double eps_)
    : weight(weights.take(prefix + ".weight", {channels})),
      bias(weights.take(prefix + ".bias", {channels})),
      groups(groups_),
      eps(eps_) {}

Tensor GroupNorm::operator()(const Tensor& x) const {
    return at::group_norm(x, groups, weight, bias, eps);
}

LayerNorm::LayerNorm(Weights& weights, const std::string& prefix, std::int64_t channels,
                     double eps_)
    : weight(weights.take(prefix + ".weight", {channels})),
      bias(weights.take(prefix + ".bias", {channels})),
      eps(eps_) {}

Tensor LayerNorm::operator()(const Tensor& x) const {
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

Tensor Resnet::operator()(const Tensor& x, const Tensor& time_embedding) const {
    Tensor h = conv1(norm_silu(norm1, x));
    // Adding in place is safe for autograd: a convolution's gradient does not need its output.
    if (time) h.add_((*time)(time_embedding).unsqueeze(-1).unsqueeze(-1));
    h = conv2(norm_silu(norm2, h));
    return h.add_(shortcut ? (*shortcut)(x) : x);
}

Tensor norm_silu(const GroupNorm& norm, const Tensor& x) {
    Tensor normed = norm(x);
    return c10::GradMode::is_enabled() ? at::silu(normed) : at::silu_(normed);
}

Tensor to_tokens(const Tensor& x) {
    return x.permute({0, 2, 3, 1}).reshape({x.size(0), x.size(2) * x.size(3), x.size(1)});
}

Tensor from_tokens(const Tensor& tokens, const Tensor& x) {
    return tokens.reshape({tokens.size(0), x.size(2), x.size(3), tokens.size(2)})
        .permute({0, 3, 1, 2});
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads,
                 bool causal) {
    const auto split = [heads](const Tensor& x) {
        return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
    };
    const Tensor out =
        at::scaled_dot_product_attention(split(q), split(k), split(v), {}, 0.0, causal);
    return out.transpose(1, 2).flatten(2);
}

}  // namespace keepsake::pipeline
