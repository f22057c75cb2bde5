#include "pipeline/networks/unet.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "pipeline/compute/drawing_arithmetic.h"
#include "pipeline/error.h"
#include "pipeline/networks/guidance_embedding.h"
#include "pipeline/networks/learning_tensors.h"

namespace keepsake::pipeline {

namespace {

std::string numbered(const std::string& prefix, std::size_t index) {
    return prefix + "." + std::to_string(index);
}

// Angular frequencies of the time embedding (Vaswani et al., arXiv 1706.03762, sec. 3.5), as
// diffusers' get_timestep_embedding computes them.
Tensor time_frequencies(const UNetConfig& config, at::Device device) {
    const std::int64_t half = config.block_out_channels.front() / 2;
    const Tensor index = at::arange(half, at::device(device).dtype(at::kFloat));
    return at::exp(-std::log(10000.0) * index / (static_cast<double>(half) - config.freq_shift));
}

void check_input(const UNetConfig& config, const Tensor& sample, const Tensor& timestep,
                 const Tensor& context, const Tensor& guidance) {
    if (sample.dim() != 4 || sample.size(1) != config.in_channels || sample.numel() == 0)
        throw Error("latents", "should be (B, " + std::to_string(config.in_channels) + ", h, w)");
    const std::string batch = std::to_string(sample.size(0));
    if (timestep.dim() != 1 || (timestep.size(0) != 1 && timestep.size(0) != sample.size(0)))
        throw Error("timestep", "should be (" + batch + ") or (1)");
    if (guidance.defined() && guidance.size(0) != 1 && guidance.size(0) != sample.size(0))
        throw Error("guidance", "should be (" + batch + ") or (1)");
    if (context.dim() != 3 || context.size(0) != sample.size(0) ||
        context.size(2) != config.cross_attention_dim)
        throw Error("text embedding", "should be (" + batch + ", T, " +
                                          std::to_string(config.cross_attention_dim) + ")");
}

// A resnet, and the transformer after it where there is one.
struct Step {
    const Resnet& resnet;
    const Transformer* transformer = nullptr;
    Tensor layout = {};
    std::shared_ptr<LoraPass> lora_pass = {};
};

// in: the time bias; x; on the way up what was skipped, which is joined to x; last, where there is
// a transformer, the context.
Tensor compute(const Step& step, const std::vector<Tensor>& in) {
    const bool joins = in.size() > (step.transformer ? 3 : 2);
    const Tensor y = step.resnet(joins ? at::cat({in[1], in[2]}, 1) : in[1], in[0]);
    return step.transformer ? (*step.transformer)(y, in.back(), step.layout) : y;
}

Tensor compute_checkpointed(const Step& step, const std::vector<Tensor>& in) {
    std::vector<Tensor> learning;
    add_learning(step.resnet, learning);
    std::optional<Transformer> transformer;
    if (step.transformer) add_learning(transformer.emplace(*step.transformer), learning);
    // By value: the backward pass may outlive the network, and come after that of other samples.
    const LoraPass pass = step.lora_pass ? *step.lora_pass : LoraPass();
    const auto block = [resnet = step.resnet, transformer, shared = step.lora_pass,
                        pass](const std::vector<Tensor>& inputs) {
        if (shared) *shared = pass;
        return compute({resnet, transformer ? &*transformer : nullptr}, inputs);
    };
    return checkpointed(block, in, learning);
}

}  // namespace

Resnet::Shape resnet_shape(const UNetConfig& config, std::int64_t in, std::int64_t out) {
    return {in, out, config.norm_num_groups, config.norm_eps,
            4 * config.block_out_channels.front()};
}

TransformerShape transformer_shape(const UNetConfig& config, std::size_t level) {
    return {.channels = config.block_out_channels[level],
            .heads = config.num_heads[level],
            .context_channels = config.cross_attention_dim,
            .layers = config.transformer_layers_per_block,
            .norm_groups = config.norm_num_groups,
            .linear_projection = config.use_linear_projection,
            .upcast = config.upcast_attention};
}

Resnet UNet::take_resnet(Weights& weights, const std::string& prefix, std::int64_t in,
                         std::int64_t out) const {
    return {weights, prefix, resnet_shape(config_, in, out)};
}

Transformer UNet::take_transformer(Weights& weights, const std::string& prefix,
                                   std::size_t level) const {
    return {weights, prefix, transformer_shape(config_, level)};
}

void UNet::take_down(Weights& weights) {
    const auto& widths = config_.block_out_channels;
    std::int64_t in = widths.front();
    for (std::size_t level = 0; level < widths.size(); ++level) {
        const std::string prefix = numbered("down_blocks", level);
        const std::int64_t out = widths[level];
        Stage stage;
        for (std::int64_t i = 0; i < config_.layers_per_block; ++i, in = out) {
            stage.resnets.push_back(
                take_resnet(weights, numbered(prefix + ".resnets", i), in, out));
            if (config_.down_attention[level])
                stage.transformers.push_back(
                    take_transformer(weights, numbered(prefix + ".attentions", i), level));
        }
        if (level + 1 < widths.size())
            stage.resample.emplace(weights, prefix + ".downsamplers.0.conv", out, out, 3, 2, 1);
        down_.push_back(std::move(stage));
    }
}

void UNet::take_up(Weights& weights) {
    const auto& widths = config_.block_out_channels;
    const std::size_t levels = widths.size();
    std::int64_t in = widths.back();
    for (std::size_t i = 0; i < levels; ++i) {
        const std::string prefix = numbered("up_blocks", i);
        const std::size_t level = levels - 1 - i;
        const std::int64_t out = widths[level];
        Stage stage;
        for (std::int64_t j = 0; j <= config_.layers_per_block; ++j, in = out) {
            // The last resnet of a level meets what the level above handed down.
            const bool last = j == config_.layers_per_block;
            const std::int64_t skip = last && level > 0 ? widths[level - 1] : out;
            stage.resnets.push_back(
                take_resnet(weights, numbered(prefix + ".resnets", j), in + skip, out));
            if (config_.up_attention[i])
                stage.transformers.push_back(
                    take_transformer(weights, numbered(prefix + ".attentions", j), level));
        }
        if (level > 0)
            stage.resample.emplace(weights, prefix + ".upsamplers.0.conv", out, out, 3, 1, 1);
        up_.push_back(std::move(stage));
    }
}

UNet::UNet(UNetConfig config, Weights weights) : config_(std::move(config)) {
    const std::int64_t first = config_.block_out_channels.front();
    const std::int64_t last = config_.block_out_channels.back();
    conv_in_ = {weights, "conv_in", config_.in_channels, first, 3, 1, 1};
    time1_ = {weights, "time_embedding.linear_1", first, 4 * first};
    time2_ = {weights, "time_embedding.linear_2", 4 * first, 4 * first};
    if (takes_guidance())
        guidance_projection_.emplace(weights, "time_embedding.cond_proj",
                                     config_.time_cond_proj_dim, first, /*with_bias=*/false);
    take_down(weights);
    mid0_ = take_resnet(weights, "mid_block.resnets.0", last, last);
    mid_transformer_ =
        take_transformer(weights, "mid_block.attentions.0", config_.block_out_channels.size() - 1);
    mid1_ = take_resnet(weights, "mid_block.resnets.1", last, last);
    take_up(weights);
    norm_out_ = {weights, "conv_norm_out", config_.norm_num_groups, first, config_.norm_eps};
    conv_out_ = {weights, "conv_out", first, config_.out_channels, 3, 1, 1};
    weights.finish();
    parameters_ = weights.taken();
    frequencies_ = time_frequencies(config_, conv_in_.weight.device());
    lora_pass_ = weights.lora_pass();
}

Tensor UNet::time_embedding(const Tensor& timestep) const {
    const Tensor angles = timestep.to(frequencies_.options()).unsqueeze(1) * frequencies_;
    const Tensor sine = at::sin(angles), cosine = at::cos(angles);
    const at::ScalarType working = norm_out_.weight.scalar_type();
    Tensor waves =
        (config_.flip_sin_to_cos ? at::cat({cosine, sine}, 1) : at::cat({sine, cosine}, 1))
            .to(working);
    if (guidance_.defined()) {
        const Tensor told = guidance_embedding(guidance_, config_.time_cond_proj_dim);
        waves = waves + (*guidance_projection_)(told.to(working));
    }
    return at::silu(time2_(at::silu(time1_(waves))));
}

std::vector<const Resnet*> UNet::resnets() const {
    std::vector<const Resnet*> all;
    const auto add = [&](const std::vector<Stage>& stages) {
        for (const Stage& stage : stages)
            for (const Resnet& resnet : stage.resnets) all.push_back(&resnet);
    };
    add(down_);
    all.push_back(&mid0_);
    all.push_back(&mid1_);
    add(up_);
    return all;
}

std::vector<Tensor> UNet::time_biases(const Tensor& timestep) const {
    const std::vector<const Resnet*> all = resnets();
    const auto make = [&] {
        const DrawIn as_ever(std::nullopt);  // they are kept
        const Tensor time = time_embedding(timestep);
        std::vector<Tensor> biases;
        for (const Resnet* resnet : all) biases.push_back((*resnet->time)(time));
        return biases;
    };
    const bool one_guidance = !guidance_.defined() || guidance_.size(0) == 1;
    if (at::GradMode::is_enabled() || timestep.size(0) != 1 || !one_guidance) return make();
    std::uint64_t versions = 0;
    const auto count = [&](const Tensor& t) {
        if (t.defined() && !t.is_inference()) versions += static_cast<std::uint64_t>(t._version());
    };
    const auto add = [&](const Linear& linear) {
        count(linear.weight);
        count(linear.bias);
        if (!linear.lora) return;
        count(linear.lora->down);
        count(linear.lora->up);
    };
    add(time1_);
    add(time2_);
    if (guidance_projection_) add(*guidance_projection_);
    for (const Resnet* resnet : all) add(*resnet->time);
    const auto w = guidance_.defined() ? std::optional(guidance_.item<double>()) : std::nullopt;
    return time_biases_->get({timestep.item<double>(), w}, versions, make);
}

UNet UNet::guided_by(const Tensor& w) const {
    if (!takes_guidance())
        throw Error("guidance", "the U-Net has no input for it (time_cond_proj_dim)");
    if (w.dim() != 1) throw Error("guidance", "should be (B) or (1)");
    UNet told = *this;
    told.guidance_ = w.to(frequencies_.options());
    return told;
}

UNet UNet::guided_by(double w) const {
    return guided_by(at::full({1}, w, at::TensorOptions().dtype(at::kFloat)));
}

Tensor UNet::operator()(const Tensor& sample, const Tensor& timestep,
                        const Tensor& encoder_hidden_states, Activations activations) const {
    return run(sample, timestep, encoder_hidden_states, {}, activations);
}

Tensor UNet::with_layout(const Tensor& sample, const Tensor& timestep,
                         const Tensor& encoder_hidden_states, const Tensor& layout) const {
    if (layout.defined() && (layout.dim() != 1 || layout.size(0) != sample.size(0))) {
        throw Error("layout", "expected one row for each of the " + std::to_string(sample.size(0)) +
                                  " pictures, found " + c10::str(layout.sizes()));
    }
    const at::NoGradGuard no_grad;
    return run(sample, timestep, encoder_hidden_states, layout, Activations::kept);
}

Tensor UNet::text_shares(const Tensor& sample, const Tensor& timestep,
                         const Tensor& encoder_hidden_states) const {
    check_input(config_, sample, timestep, encoder_hidden_states, guidance_);
    constexpr double wanted = 16;
    const double side = static_cast<double>(std::max(sample.size(2), sample.size(3)));
    const Transformer* watched = nullptr;
    double least = 0;
    for (std::size_t i = 0; i < up_.size(); ++i) {
        if (up_[i].transformers.empty()) continue;
        const double away = std::abs(std::log2(side / wanted) - double(up_.size() - 1 - i));
        if (watched && away >= least) continue;
        watched = &up_[i].transformers.front();
        least = away;
    }
    if (!watched) throw Error("U-Net", "no level of its way up looks at the text");
    const at::NoGradGuard no_grad;
    return run(sample, timestep, encoder_hidden_states, {}, Activations::kept, watched);
}

Tensor UNet::run(const Tensor& sample, const Tensor& timestep, const Tensor& encoder_hidden_states,
                 const Tensor& layout, Activations activations, const Transformer* watched) const {
    check_input(config_, sample, timestep, encoder_hidden_states, guidance_);
    // Not a convolution's, which may be kept in half precision.
    const at::TensorOptions working = norm_out_.weight.options();
    const Tensor context = encoder_hidden_states.to(working);
    const std::vector<Tensor> biases = time_biases(timestep);
    auto time = biases.begin();
    const bool recomputes = activations == Activations::recomputed && at::GradMode::is_enabled();
    const auto go = [&](const Step& step, std::vector<Tensor> in) {
        in.insert(in.begin(), *time++);
        if (step.transformer) in.push_back(context);
        return recomputes ? compute_checkpointed(step, in) : compute(step, in);
    };
    const auto step_of = [&](const Stage& stage, std::size_t i) {
        return Step{stage.resnets[i], stage.transformers.empty() ? nullptr : &stage.transformers[i],
                    layout, lora_pass_};
    };

    Tensor x = conv_in_(sample.to(working).contiguous(at::MemoryFormat::ChannelsLast));
    std::vector<Tensor> skips = {x};
    for (const Stage& stage : down_) {
        for (std::size_t i = 0; i < stage.resnets.size(); ++i)
            skips.push_back(x = go(step_of(stage, i), {x}));
        if (stage.resample) skips.push_back(x = (*stage.resample)(x));
    }

    x = go({mid0_, &mid_transformer_, layout, lora_pass_}, {x});
    x = go({.resnet = mid1_, .lora_pass = lora_pass_}, {x});

    for (const Stage& stage : up_) {
        for (std::size_t i = 0; i < stage.resnets.size(); ++i) {
            const Step step = step_of(stage, i);
            if (watched && step.transformer == watched) {
                x = go({step.resnet}, {x, skips.back()});
                return watched->shares(x, context);
            }
            x = go(step, {x, skips.back()});
            skips.pop_back();
        }
        // To the size of the next skip, which is not twice this one where the way down rounded up.
        if (stage.resample) x = upsample_conv(*stage.resample, x, skips.back().sizes().slice(2));
    }
    return norm_silu_conv(norm_out_, conv_out_, x).to(sample.scalar_type()).contiguous();
}

UNet UNet::clone() const {
    TensorMap copies;
    const at::ScalarType working = norm_out_.weight.scalar_type();
    for (const auto& [name, tensor] : parameters_)
        copies[name] = tensor.detach().to(working, /*non_blocking=*/false, /*copy=*/true);
    Weights weights = Weights::from_tensors(std::move(copies), "U-Net");
    weights.set_target(working, conv_in_.weight.device());
    weights.set_arithmetic(arithmetic());
    return UNet(config_, std::move(weights));
}

}  // namespace keepsake::pipeline
