#include "pipeline/networks/vae.h"

#include <utility>

#include "pipeline/error.h"

namespace keepsake::pipeline {

namespace {

constexpr double norm_eps = 1e-6;  // AutoencoderKL's, in no config

// diffusers' own renaming of the attention of checkpoints older than its version 0.15.
std::string current_name(std::string name) {
    static constexpr std::pair<std::string_view, std::string_view> renamings[] = {
        {".query.", ".to_q."},
        {".key.", ".to_k."},
        {".value.", ".to_v."},
        {".proj_attn.", ".to_out.0."}};
    if (name.find(".attentions.") == std::string::npos) return name;
    for (const auto& [old_part, new_part] : renamings)
        if (const auto at = name.find(old_part); at != std::string::npos)
            return name.replace(at, old_part.size(), new_part);
    return name;
}

std::string numbered(const std::string& prefix, std::size_t index) {
    return prefix + "." + std::to_string(index);
}

}  // namespace

Tensor LatentDistribution::sample(at::Generator generator) const {
    if (!logvar.defined()) return mean;
    const Tensor noise =
        at::randn(mean.sizes(), generator, mean.options().device(generator.device()));
    return mean + at::exp(0.5 * logvar) * noise.to(mean.device());
}

Vae::Attention::Attention(Weights& weights, const std::string& prefix, std::int64_t channels,
                          std::int64_t groups)
    : norm(weights, prefix + ".group_norm", groups, channels, norm_eps),
      q(weights, prefix + ".to_q", channels, channels),
      k(weights, prefix + ".to_k", channels, channels),
      v(weights, prefix + ".to_v", channels, channels),
      out(weights, prefix + ".to_out.0", channels, channels) {}

Tensor Vae::Attention::operator()(const Tensor& x) const {
    const Tensor h = to_tokens(norm(x));
    const Tensor seen =
        pipeline::attention(q(h), k(h), v(h), /*heads=*/1, /*causal=*/false, q.arithmetic);
    return x + from_tokens(out(seen), x);
}

Tensor Vae::Mid::operator()(const Tensor& x) const {
    const Tensor h = resnet0(x);
    return resnet1(attention ? (*attention)(h) : h);
}

Vae::Mid Vae::take_mid(Weights& weights, const std::string& prefix) const {
    const std::int64_t channels = config_.block_out_channels.back();
    const Resnet::Shape shape{channels, channels, config_.norm_num_groups, norm_eps};
    Mid mid;
    mid.resnet0 = {weights, prefix + ".resnets.0", shape};
    mid.resnet1 = {weights, prefix + ".resnets.1", shape};
    if (config_.mid_block_add_attention)
        mid.attention.emplace(weights, prefix + ".attentions.0", channels, config_.norm_num_groups);
    return mid;
}

Vae::Half Vae::take_encoder(Weights& weights) const {
    const auto& widths = config_.block_out_channels;
    Half half;
    half.conv_in = {weights, "encoder.conv_in", config_.in_channels, widths.front(), 3, 1, 1};
    std::int64_t in = widths.front();
    for (std::size_t level = 0; level < widths.size(); ++level) {
        const std::string prefix = numbered("encoder.down_blocks", level);
        const std::int64_t out = widths[level];
        Stage stage;
        for (std::int64_t i = 0; i < config_.layers_per_block; ++i, in = out)
            stage.resnets.emplace_back(weights, numbered(prefix + ".resnets", i),
                                       Resnet::Shape{in, out, config_.norm_num_groups, norm_eps});
        if (level + 1 < widths.size())
            stage.resample.emplace(weights, prefix + ".downsamplers.0.conv", out, out, 3, 2);
        half.stages.push_back(std::move(stage));
    }
    half.mid = take_mid(weights, "encoder.mid_block");
    half.norm_out = {weights, "encoder.conv_norm_out", config_.norm_num_groups, in, norm_eps};
    half.conv_out = {weights, "encoder.conv_out", in, 2 * config_.latent_channels, 3, 1, 1};
    return half;
}

Vae::Half Vae::take_decoder(Weights& weights) const {
    const auto& widths = config_.block_out_channels;
    Half half;
    half.conv_in = {weights, "decoder.conv_in", config_.latent_channels, widths.back(), 3, 1, 1};
    half.mid = take_mid(weights, "decoder.mid_block");
    std::int64_t in = widths.back();
    for (std::size_t level = 0; level < widths.size(); ++level) {
        const std::string prefix = numbered("decoder.up_blocks", level);
        const std::int64_t out = widths[widths.size() - 1 - level];
        Stage stage;
        for (std::int64_t i = 0; i <= config_.layers_per_block; ++i, in = out)
            stage.resnets.emplace_back(weights, numbered(prefix + ".resnets", i),
                                       Resnet::Shape{in, out, config_.norm_num_groups, norm_eps});
        if (level + 1 < widths.size())
            stage.resample.emplace(weights, prefix + ".upsamplers.0.conv", out, out, 3, 1, 1);
        half.stages.push_back(std::move(stage));
    }
    half.norm_out = {weights, "decoder.conv_norm_out", config_.norm_num_groups, in, norm_eps};
    half.conv_out = {weights, "decoder.conv_out", in, config_.out_channels, 3, 1, 1};
    return half;
}

Vae::Vae(VaeConfig config, Weights weights) : config_(std::move(config)) {
    const std::int64_t latent = config_.latent_channels;
    if (config_.tiny) {
        tiny_.emplace(*config_.tiny,
                      TinyVae::Channels{config_.in_channels, config_.out_channels, latent},
                      weights);
    } else {
        weights.rename(current_name);
        encoder_ = take_encoder(weights);
        decoder_ = take_decoder(weights);
        if (config_.use_quant_conv)
            quant_conv_.emplace(weights, "quant_conv", 2 * latent, 2 * latent, 1);
        if (config_.use_post_quant_conv)
            post_quant_conv_.emplace(weights, "post_quant_conv", latent, latent, 1);
    }
    weights.finish();
    parameters_ = weights.taken();
}

LatentDistribution Vae::encode(const Tensor& image) const {
    const std::int64_t step = config_.downscale();
    if (image.dim() != 4 || image.size(1) != config_.in_channels)
        throw Error("image", "should be (B, " + std::to_string(config_.in_channels) + ", H, W)");
    if (image.size(2) % step != 0 || image.size(3) % step != 0 || image.numel() == 0)
        throw Error("image", std::to_string(image.size(3)) + "x" + std::to_string(image.size(2)) +
                                 " pixels: width and height must be multiples of " +
                                 std::to_string(step));
    if (tiny_) return {tiny_->encode(image).contiguous(), Tensor()};
    // In the dtype of a norm: a convolution may be kept in half precision.
    Tensor x = encoder_.conv_in(
        image.to(encoder_.norm_out.weight.options()).contiguous(at::MemoryFormat::ChannelsLast));
    for (const Stage& stage : encoder_.stages) {
        for (const Resnet& resnet : stage.resnets) x = resnet(std::move(x));
        // One row and one column of zeros at the far edges only, as the model was trained.
        if (stage.resample) x = (*stage.resample)(at::constant_pad_nd(x, {0, 1, 0, 1}));
    }
    x = norm_silu_conv(encoder_.norm_out, encoder_.conv_out, encoder_.mid(x));
    if (quant_conv_) x = (*quant_conv_)(x);
    const std::vector<Tensor> moments = x.chunk(2, 1);
    return {moments[0].contiguous(), at::clamp(moments[1], -30.0, 20.0).contiguous()};
}

Tensor Vae::decode(const Tensor& z) const {
    if (z.dim() != 4 || z.size(1) != config_.latent_channels)
        throw Error("latents",
                    "should be (B, " + std::to_string(config_.latent_channels) + ", h, w)");
    if (tiny_) return tiny_->decode(z).contiguous();
    Tensor x = z.to(decoder_.norm_out.weight.options()).contiguous(at::MemoryFormat::ChannelsLast);
    if (post_quant_conv_) x = (*post_quant_conv_)(x);
    x = decoder_.mid(decoder_.conv_in(x));
    for (const Stage& stage : decoder_.stages) {
        for (const Resnet& resnet : stage.resnets) x = resnet(std::move(x));
        if (stage.resample) x = upsample_conv(*stage.resample, x, {2 * x.size(2), 2 * x.size(3)});
    }
    return norm_silu_conv(decoder_.norm_out, decoder_.conv_out, x).contiguous();
}

}  // namespace keepsake::pipeline
