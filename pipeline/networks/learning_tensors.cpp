#include "pipeline/networks/learning_tensors.h"

namespace keepsake::pipeline {

namespace {

void add(const Tensor& tensor, std::vector<Tensor>& learning) {
    if (tensor.defined() && tensor.requires_grad()) learning.push_back(tensor);
}

// GroupNorm, LayerNorm
template <class Norm>
void add_norm(const Norm& norm, std::vector<Tensor>& learning) {
    add(norm.weight, learning);
    add(norm.bias, learning);
}

// Linear, Conv2d
template <class Layer>
void add_layer(const Layer& layer, std::vector<Tensor>& learning) {
    add(layer.weight, learning);
    add(layer.bias, learning);
    if (!layer.lora) return;
    add(layer.lora->down, learning);
    add(layer.lora->up, learning);
}

void add_attention(const CrossAttention& attention, std::vector<Tensor>& learning) {
    for (const Linear* layer : {&attention.q, &attention.k, &attention.v, &attention.out})
        add_layer(*layer, learning);
}

}  // namespace

void add_learning(const Resnet& resnet, std::vector<Tensor>& learning) {
    add_norm(resnet.norm1, learning);
    add_layer(resnet.conv1, learning);
    add_norm(resnet.norm2, learning);
    add_layer(resnet.conv2, learning);
    if (resnet.shortcut) add_layer(*resnet.shortcut, learning);
}

void add_learning(const Transformer& transformer, std::vector<Tensor>& learning) {
    add_norm(transformer.norm, learning);
    add_layer(transformer.proj_in, learning);
    for (const TransformerBlock& block : transformer.blocks) {
        for (const LayerNorm* norm : {&block.norm1, &block.norm2, &block.norm3})
            add_norm(*norm, learning);
        add_attention(block.self, learning);
        add_attention(block.cross, learning);
        add_layer(block.geglu, learning);
        add_layer(block.out, learning);
    }
    add_layer(transformer.proj_out, learning);
}

}  // namespace keepsake::pipeline
