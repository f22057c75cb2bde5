#include "pipeline/networks/clip_layer.h"

#include "pipeline/files/config_fields.h"

namespace keepsake::pipeline {

void check_clip_layer(ConfigFields& fields, const std::string& hidden_act, std::int64_t hidden_size,
                      std::int64_t num_attention_heads) {
    if (hidden_act != "quick_gelu" && hidden_act != "gelu")
        fields.reject("hidden_act", "only \"quick_gelu\" and \"gelu\" are supported");
    if (hidden_size % num_attention_heads != 0)
        fields.reject("num_attention_heads", "does not divide hidden_size");
}

ClipLayer::ClipLayer(Weights& weights, const std::string& prefix, const ClipLayerShape& shape)
    : shape_(shape) {
    const std::string attention = prefix + ".self_attn.";
    const std::int64_t width = shape.width;
    norm1_ = {weights, prefix + ".layer_norm1", width, shape.eps};
    norm2_ = {weights, prefix + ".layer_norm2", width, shape.eps};
    q_ = {weights, attention + "q_proj", width, width};
    k_ = {weights, attention + "k_proj", width, width};
    v_ = {weights, attention + "v_proj", width, width};
    out_ = {weights, attention + "out_proj", width, width};
    fc1_ = {weights, prefix + ".mlp.fc1", width, shape.intermediate};
    fc2_ = {weights, prefix + ".mlp.fc2", shape.intermediate, width};
}

Tensor ClipLayer::operator()(const Tensor& x) const {
    const Tensor h = norm1_(x);
    const Tensor y = x + out_(attention(q_(h), k_(h), v_(h), shape_.heads, shape_.causal));
    const Tensor inner = fc1_(norm2_(y));
    return y + fc2_(shape_.quick_gelu ? inner * at::sigmoid(inner * 1.702) : at::gelu(inner));
}

}  // namespace keepsake::pipeline
