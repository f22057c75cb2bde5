#include "pipeline/networks/tiny_vae.h"

#include <utility>

namespace keepsake::pipeline {
namespace {

// The numbers of torch.nn.Sequential: layers that have no weights count, too.
class Layers {
  public:
    explicit Layers(std::string prefix) : prefix_(std::move(prefix)) {}
    std::string next() { return prefix_ + "." + std::to_string(index_++); }
    void skip() { ++index_; }

  private:
    std::string prefix_;
    int index_ = 0;
};

// A 3x3 convolution that has no bias in the file. like: another's bias.
Conv2d without_bias(Weights& weights, const std::string& prefix, const Tensor& like,
                    std::int64_t stride) {
    const std::int64_t width = like.size(0);
    Conv2d conv;
    conv.weight = weights.take(prefix + ".weight", {width, width, 3, 3});
    conv.bias = at::zeros_like(like);
    conv.stride = stride;
    conv.padding = 1;
    conv.packed = weights.packed();
    conv.arithmetic = weights.arithmetic();
    return conv;
}

}  // namespace

TinyVae::Block TinyVae::take_block(Weights& weights, const std::string& prefix,
                                   std::int64_t width) {
    const auto conv = [&](const char* name) {
        return Conv2d(weights, prefix + name, width, width, 3, 1, 1);
    };
    return {conv(".conv.0"), conv(".conv.2"), conv(".conv.4")};
}

TinyVae::TinyVae(const TinyVaeConfig& config, const Channels& channels, Weights& weights) {
    Layers encoder("encoder.layers");
    std::int64_t width = config.encoder_width;
    for (std::size_t i = 0; i < config.encoder_blocks.size(); ++i) {
        Level level;
        const std::string name = encoder.next();
        level.resample = i == 0 ? Conv2d(weights, name, channels.picture_in, width, 3, 1, 1)
                                : without_bias(weights, name, down_[0].resample.bias, 2);
        for (std::int64_t k = 0; k < config.encoder_blocks[i]; ++k)
            level.blocks.push_back(take_block(weights, encoder.next(), width));
        down_.push_back(std::move(level));
    }
    encoder_out_ = {weights, encoder.next(), width, channels.latents, 3, 1, 1};

    Layers decoder("decoder.layers");
    width = config.decoder_width;
    decoder_in_ = {weights, decoder.next(), channels.latents, width, 3, 1, 1};
    decoder.skip();  // ReLU
    for (std::size_t i = 0; i < config.decoder_blocks.size(); ++i) {
        Level level;
        for (std::int64_t k = 0; k < config.decoder_blocks[i]; ++k)
            level.blocks.push_back(take_block(weights, decoder.next(), width));
        const bool last = i + 1 == config.decoder_blocks.size();
        if (!last) decoder.skip();  // the upsampling
        const std::string name = decoder.next();
        level.resample = last ? Conv2d(weights, name, width, channels.picture_out, 3, 1, 1)
                              : without_bias(weights, name, decoder_in_.bias, 1);
        up_.push_back(std::move(level));
    }
}

Tensor TinyVae::Block::operator()(const Tensor& x) const {
    return at::relu(third(at::relu(second(at::relu(first(x)))), {.residual = x}));
}

Tensor TinyVae::encode(const Tensor& image) const {
    Tensor x = ((image.to(down_[0].resample.bias.options()) + 1) / 2)
                   .contiguous(at::MemoryFormat::ChannelsLast);
    for (const Level& level : down_) {
        x = level.resample(x);
        for (const Block& block : level.blocks) x = block(x);
    }
    return encoder_out_(x);
}

Tensor TinyVae::decode(const Tensor& latents) const {
    const Tensor in = latents.to(decoder_in_.bias.options());
    Tensor x =
        at::relu(decoder_in_((at::tanh(in / 3) * 3).contiguous(at::MemoryFormat::ChannelsLast)));
    for (const Level& level : up_) {
        for (const Block& block : level.blocks) x = block(x);
        x = &level == &up_.back()
                ? level.resample(x)
                : upsample_conv(level.resample, x, {2 * x.size(2), 2 * x.size(3)});
    }
    return x * 2 - 1;
}

}  // namespace keepsake::pipeline
