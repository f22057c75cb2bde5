#include "pipeline/networks/activation_bytes.h"

namespace keepsake::pipeline {

namespace {

// Numbers that blocks save, for one picture. The kernels save the inputs of products and compute
// norm and SiLU again; LibTorch's operators save the results of those, too.
struct Counter {
    const UNetConfig& config;
    bool kernels;
    std::int64_t tokens;
    std::int64_t total = 0;

    // But its input. `leads_on`: whether another layer saves its result.
    void resnet(std::int64_t in, std::int64_t out, std::int64_t pixels, bool leads_on) {
        if (!kernels) total += pixels * 2 * (in + out);
        total += pixels * (out + (leads_on ? out : 0));
    }
    // Likewise. For each channel of a token: the input and both results of the projections; of each
    // block three norms, seven of the first attention's products and three sums, and GEGLU's twelve
    // (LibTorch: sixteen). The softmax saves one number a head, layer norms two.
    void transformer(std::size_t level, std::int64_t pixels, bool leads_on) {
        const std::int64_t channels = config.block_out_channels[level];
        const std::int64_t layers = config.transformer_layers_per_block;
        total += pixels * channels * ((leads_on ? 1 : 0) + (kernels ? 1 : 2));
        total += layers * pixels * channels * (kernels ? 24 : 28);
        total += layers * pixels * (2 * config.num_heads[level] + 6);
        total += layers * tokens * channels * 2;
    }
};

struct Size {
    std::int64_t height, width;
    std::int64_t pixels() const { return height * width; }
    Size halved() const { return {(height + 1) / 2, (width + 1) / 2}; }
};

std::int64_t numbers(const UNetConfig& config, bool kernels, Size size, std::int64_t tokens) {
    Counter count{config, kernels, tokens};
    const auto& widths = config.block_out_channels;
    const std::size_t levels = widths.size();
    std::vector<Size> sizes = {size};
    std::int64_t in = widths.front();
    count.total += 2 * size.pixels() * in;  // after the first convolution, before the last one
    for (std::size_t level = 0; level < levels; ++level) {
        const std::int64_t pixels = sizes.back().pixels(), out = widths[level];
        for (std::int64_t i = 0; i < config.layers_per_block; ++i, in = out) {
            count.resnet(in, out, pixels, true);
            if (config.down_attention[level]) count.transformer(level, pixels, true);
        }
        if (level + 1 == levels) break;
        sizes.push_back(sizes.back().halved());
        count.total += sizes.back().pixels() * out;
    }
    count.resnet(in, in, sizes.back().pixels(), true);
    count.transformer(levels - 1, sizes.back().pixels(), true);
    count.resnet(in, in, sizes.back().pixels(), false);
    for (std::size_t i = 0; i < levels; ++i) {
        const std::size_t level = levels - 1 - i;
        const std::int64_t pixels = sizes[level].pixels(), out = widths[level];
        for (std::int64_t j = 0; j <= config.layers_per_block; ++j, in = out) {
            const bool last = j == config.layers_per_block;
            const std::int64_t joined = in + (last && level > 0 ? widths[level - 1] : out);
            // Its result is joined to what was skipped, and that is saved in its place.
            const bool attends = config.up_attention[i];
            const bool resampled = last && level > 0;
            count.total += pixels * joined;
            count.resnet(joined, out, pixels, attends || resampled);
            if (attends) count.transformer(level, pixels, resampled);
        }
        if (level > 0) count.total += sizes[level - 1].pixels() * out;  // upsampled
    }
    return count.total;
}

}  // namespace

std::int64_t activation_bytes(const UNet& unet, std::int64_t batch, std::int64_t height,
                              std::int64_t width, std::int64_t tokens) {
    const Tensor& any = unet.parameters().at("conv_in.bias");
    const bool kernels = runs_on_kernels(any);
    const auto size = static_cast<std::int64_t>(any.element_size());
    std::int64_t bytes = size * batch * numbers(unet.config(), kernels, {height, width}, tokens);
    // LibTorch's operators save weights that they need in another precision.
    if (!kernels)
        for (const auto& [name, weight] : unet.parameters())
            if (weight.scalar_type() != any.scalar_type()) bytes += size * weight.numel();
    return bytes;
}

}  // namespace keepsake::pipeline
