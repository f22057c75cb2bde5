#include "pipeline/networks/transformer.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "pipeline/compute/drawing_arithmetic.h"

namespace keepsake::pipeline {

namespace {

constexpr double group_norm_eps = 1e-6;  // Transformer2DModel's own; norm_eps is the resnets'

Linear take_projection(Weights& weights, const std::string& prefix, const TransformerShape& shape) {
    return shape.linear_projection
               ? Linear(weights, prefix, shape.channels, shape.channels)
               : Linear::from_pointwise(weights, prefix, shape.channels, shape.channels);
}

// The rows of `of` that `layout` names; all as they are where it is undefined.
Tensor laid_out(const Tensor& of, const Tensor& layout) {
    return layout.defined() ? of.index_select(0, layout) : of;
}

}  // namespace

ContextKeys::Pair ContextKeys::get(const Linear& k, const Linear& v, const Tensor& context) {
    const auto version = [](const Tensor& t) {
        return t.is_inference() ? std::int64_t{0} : static_cast<std::int64_t>(t._version());
    };
    const std::array<std::int64_t, 3> versions = {version(context), version(k.weight),
                                                  version(v.weight)};
    // A LoRA learns beside the weight and has versions of its own.
    if (k.lora || v.lora) return {k(context), v(context)};
    const std::lock_guard lock(mutex_);
    if (!context_.defined() || !context_.is_same(context) || versions != versions_) {
        const DrawIn as_ever(std::nullopt);  // they are kept
        pair_ = {k(context), v(context)};
        context_ = context;
        versions_ = versions;
    }
    return pair_;
}

CrossAttention::CrossAttention(Weights& weights, const std::string& prefix,
                               const TransformerShape& shape, std::int64_t context_channels)
    : q(weights, prefix + ".to_q", shape.channels, shape.channels, /*with_bias=*/false),
      k(weights, prefix + ".to_k", context_channels, shape.channels, /*with_bias=*/false),
      v(weights, prefix + ".to_v", context_channels, shape.channels, /*with_bias=*/false),
      out(weights, prefix + ".to_out.0", shape.channels, shape.channels),
      heads(shape.heads),
      upcast(shape.upcast) {}

Tensor CrossAttention::operator()(const Tensor& x, const Tensor& context, const Tensor& residual,
                                  const Tensor& layout) const {
    const at::ScalarType dtype = x.scalar_type();
    const at::ScalarType inner = upcast ? at::kFloat : dtype;
    const auto attend = [&](const Tensor& query, const Tensor& key, const Tensor& value) {
        const Tensor seen = attention(query.to(inner), key.to(inner), value.to(inner), heads,
                                      /*causal=*/false, q.arithmetic);
        return out(seen.to(dtype), residual);
    };
    const bool itself = x.is_same(context);
    if (at::GradMode::is_enabled()) return attend(q(x), k(context), v(context));
    if (itself && !q.lora && !k.lora && !v.lora && can_fuse(x, q.fused()) &&
        can_fuse(x, k.fused()) && can_fuse(x, v.fused())) {
        const std::vector<Tensor> all = run_together({q.fused(), k.fused(), v.fused()}, x);
        return attend(laid_out(all[0], layout), laid_out(all[1], layout), all[2]);
    }
    if (itself) return attend(laid_out(q(x), layout), laid_out(k(x), layout), v(x));
    const ContextKeys::Pair text = keys->get(k, v, context);
    return attend(q(x), text.k, text.v);
}

Tensor CrossAttention::shares(const Tensor& x, const Tensor& context) const {
    const at::NoGradGuard no_grad;
    const auto split = [&](const Tensor& t) {  // (B, n, channels) -> (B, heads, n, channels a head)
        return t.to(at::kFloat).unflatten(2, {heads, -1}).transpose(1, 2);
    };
    const Tensor query = split(q(x)), key = split(k(context));
    const double scale = 1 / std::sqrt(static_cast<double>(query.size(3)));
    return at::softmax(at::matmul(query * scale, key.transpose(2, 3)), -1).mean(1);
}

TransformerBlock::TransformerBlock(Weights& weights, const std::string& prefix,
                                   const TransformerShape& shape)
    : norm1(weights, prefix + ".norm1", shape.channels),
      norm2(weights, prefix + ".norm2", shape.channels),
      norm3(weights, prefix + ".norm3", shape.channels),
      self(weights, prefix + ".attn1", shape, shape.channels),
      cross(weights, prefix + ".attn2", shape, shape.context_channels),
      geglu(weights, prefix + ".ff.net.0.proj", shape.channels, 8 * shape.channels),
      out(weights, prefix + ".ff.net.2", 4 * shape.channels, shape.channels) {}

Tensor TransformerBlock::operator()(const Tensor& x, const Tensor& context,
                                    const Tensor& layout) const {
    const Tensor h = norm1(x);
    Tensor sum = self(h, h, x, layout);
    sum = cross(norm2(sum), context, sum);
    return out(linear_geglu(geglu, norm3(sum)), sum);
}

Transformer::Transformer(Weights& weights, const std::string& prefix, const TransformerShape& shape)
    : norm(weights, prefix + ".norm", shape.norm_groups, shape.channels, group_norm_eps),
      proj_in(take_projection(weights, prefix + ".proj_in", shape)),
      proj_out(take_projection(weights, prefix + ".proj_out", shape)) {
    for (std::int64_t i = 0; i < shape.layers; ++i)
        blocks.emplace_back(weights, prefix + ".transformer_blocks." + std::to_string(i), shape);
}

Tensor Transformer::operator()(const Tensor& x, const Tensor& context, const Tensor& layout) const {
    Tensor tokens = to_tokens(norm_linear(norm, proj_in, x));
    for (const TransformerBlock& block : blocks) tokens = block(tokens, context, layout);
    return from_tokens(proj_out(tokens, to_tokens(x)), x);
}

Tensor Transformer::shares(const Tensor& x, const Tensor& context) const {
    const at::NoGradGuard no_grad;
    const TransformerBlock& block = blocks.front();
    const Tensor tokens = to_tokens(norm_linear(norm, proj_in, x));
    const Tensor h = block.norm1(tokens);
    const Tensor seen = block.self(h, h, tokens);
    return block.cross.shares(block.norm2(seen), context)
        .transpose(1, 2)
        .unflatten(2, {x.size(2), x.size(3)});
}

}  // namespace keepsake::pipeline
