// The denoising U-Net of Stable Diffusion 1.x and 2.x as diffusers' UNet2DConditionModel computes
// it.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/compute/checkpointed.h"
#include "pipeline/networks/layers.h"
#include "pipeline/networks/time_biases.h"
#include "pipeline/networks/transformer.h"

namespace keepsake::pipeline {

struct UNetConfig {
    std::int64_t in_channels = 4;
    std::int64_t out_channels = 4;
    std::int64_t sample_size = 64;  // the side it was trained at, in latents
    std::vector<std::int64_t> block_out_channels = {320, 640, 1280, 1280};
    // CrossAttnDownBlock2D or DownBlock2D, CrossAttnUpBlock2D or UpBlock2D.
    std::vector<bool> down_attention = {true, true, true, false};
    std::vector<bool> up_attention = {false, true, true, true};
    std::int64_t layers_per_block = 2;
    // A level each, down order (diffusers calls it attention_head_dim).
    std::vector<std::int64_t> num_heads = {8, 8, 8, 8};
    std::int64_t transformer_layers_per_block = 1;
    std::int64_t cross_attention_dim = 768;
    std::int64_t norm_num_groups = 32;
    double norm_eps = 1e-5;
    bool use_linear_projection = false;
    bool upcast_attention = false;
    bool flip_sin_to_cos = true;
    double freq_shift = 0;
    // Numbers of the embedding of guidance's strength, which a network distilled from guided
    // sampling takes in place of being guided (guidance_embedding.h). 0: it has no such input.
    std::int64_t time_cond_proj_dim = 0;

    // From a diffusers config.json. Throws Error naming every key whose value is missing or not
    // supported.
    static UNetConfig from_json(const nlohmann::json& config);
    // From a checkpoint's tensors (diffusers names). What shapes cannot tell follows SD's
    // conventions: with 1x1-convolution projections (SD 1.x) 8 heads a level; with linear ones
    // (SD 2.x) 64 channels a head and upcast attention; sample_size 64. Throws Error naming a
    // tensor that is needed to tell and is not there.
    static UNetConfig detect_from_weights(const Weights& weights);
};

// The shapes of its blocks. in, out: channels; level: from the top, down order.
Resnet::Shape resnet_shape(const UNetConfig& config, std::int64_t in, std::int64_t out);
TransformerShape transformer_shape(const UNetConfig& config, std::size_t level);

class UNet {
  public:
    // Takes every tensor and calls weights.finish(): throws Error naming all that do not fit.
    UNet(UNetConfig config, Weights weights);

    // sample: (B, in_channels, h, w), scaled latents; timestep: (B) or (1), any number type, may be
    // fractional; encoder_hidden_states: (B, T, cross_attention_dim). Each is brought to the
    // working dtype and device. Returns the model's prediction (epsilon or v, as it was trained),
    // contiguous, (B, out_channels, h, w) in sample's dtype. h and w need not be multiples of 8.
    // Throws Error naming the input whose shape does not fit.
    // activations: of a pass that will be differentiated; the blocks that are recomputed are each
    // resnet with the transformer after it.
    Tensor operator()(const Tensor& sample, const Tensor& timestep,
                      const Tensor& encoder_hidden_states,
                      Activations activations = Activations::kept) const;
    // The same without a gradient, where the queries and keys of every self-attention are those of
    // other pictures of the batch: row i attends as row layout[i] does, over its own values, and so
    // keeps that picture's layout (the injection of Plug-and-Play, Tumanyan et al., arXiv
    // 2211.12572, section 4.2). layout: (B) int64; undefined: every row as itself.
    Tensor with_layout(const Tensor& sample, const Tensor& timestep,
                       const Tensor& encoder_hidden_states, const Tensor& layout) const;

    // Where the picture looks at each token of the text: CrossAttention::shares of the first
    // transformer of that level of the way up whose map is nearest to 16 places a side (where the
    // attention of Stable Diffusion's networks says what is what: Hertz et al., arXiv 2208.01626,
    // section 3). Arguments as above -> (B, T, h', w') float32, adding up to 1 over T. Without a
    // gradient. Throws Error naming an input whose shape does not fit, or the U-Net where no
    // level of the way up has a transformer.
    Tensor text_shares(const Tensor& sample, const Tensor& timestep,
                       const Tensor& encoder_hidden_states) const;

    // The network told how strongly its prediction is guided, as what it was distilled from was: w
    // of Meng et al. (arXiv 2210.03142), which is guidance_scale - 1. (B) or (1), any number type.
    // Not told, it computes without that input, as diffusers' with timestep_cond None. A copy: it
    // shares its weights with this one. Throws Error where the network has no such input.
    UNet guided_by(const Tensor& w) const;
    UNet guided_by(double w) const;
    bool takes_guidance() const { return config_.time_cond_proj_dim > 0; }

    const UNetConfig& config() const { return config_; }
    Arithmetic arithmetic() const { return conv_in_.arithmetic; }
    // Every weight by its diffusers name; the tensors are the layers' own, so requires_grad_() and
    // in-place updates of these reach the model. In working precision, but for those that
    // Weights::keep_stored_precision() left as they were stored.
    const TensorMap& parameters() const { return parameters_; }
    // The same network on fresh copies of its weights, all in working precision: what fine-tuning
    // starts from. A plain copy
    // of a UNet shares its weights with the original.
    UNet clone() const;

  private:
    struct Stage {
        std::vector<Resnet> resnets;
        std::vector<Transformer> transformers;  // empty, or one per resnet
        std::optional<Conv2d> resample;
    };
    // watched: a transformer whose shares are asked for; the pass ends there, with them.
    Tensor run(const Tensor& sample, const Tensor& timestep, const Tensor& encoder_hidden_states,
               const Tensor& layout, Activations activations,
               const Transformer* watched = nullptr) const;
    Resnet take_resnet(Weights& weights, const std::string& prefix, std::int64_t in,
                       std::int64_t out) const;
    Transformer take_transformer(Weights& weights, const std::string& prefix,
                                 std::size_t level) const;
    void take_down(Weights& weights);
    void take_up(Weights& weights);
    // (B or 1) -> (B or 1, 4 * block_out_channels[0]), after the SiLU that every resnet puts first.
    Tensor time_embedding(const Tensor& timestep) const;
    // (B or 1) -> what each resnet adds, (B or 1, its channels), in the order in which they run.
    std::vector<Tensor> time_biases(const Tensor& timestep) const;
    std::vector<const Resnet*> resnets() const;  // likewise

    UNetConfig config_;
    Tensor frequencies_;  // of the sinusoidal time embedding, float32
    Conv2d conv_in_, conv_out_;
    Linear time1_, time2_;
    std::optional<Linear> guidance_projection_;
    Tensor guidance_;  // w, (B) or (1) float32; undefined: not told
    std::vector<Stage> down_, up_;
    Resnet mid0_, mid1_;
    Transformer mid_transformer_;
    std::shared_ptr<LoraPass> lora_pass_;  // null where no LoRA has dropout
    GroupNorm norm_out_;
    TensorMap parameters_;
    // Copies share the weights, so they share this.
    std::shared_ptr<TimeBiases> time_biases_ = std::make_shared<TimeBiases>();
};

}  // namespace keepsake::pipeline
