"""Checkpoints in the original LDM layout as diffusers converts them, and the layouts of whole models.

Usage: python make_checkpoint_goldens.py        (environment: requirements.txt beside this file)
Writes, for tests/pipeline/files/ldm_layout_test.cpp and model_test.cpp:
  ldm_sd1.safetensors, ldm_sd2.safetensors   tiny random checkpoints, float16, with what training leaves
                                             beside the weights; the names are enumerated here from the
                                             structure of CompVis/stable-diffusion's modules
  ldm_sd1.json, ldm_sd2.json                 every tensor that diffusers' converters make of them: shape
                                             and FNV-1a hash of its float16 bytes
  ldm_sd1_outputs.safetensors, ldm_sd2_...   what diffusers' and transformers' models compute with them
and for the tests of memory and of full size:
  layout_sd15.json, layout_medium.json       config and tensor shapes of each component of Stable
                                             Diffusion 1.5 and of a model of a few hundred megabytes
Each converted state dict is loaded strictly into the reference's class, so a wrong name here fails.
"""

import json
import math
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

HERE = Path(__file__).resolve().parent


class Checkpoint:
    """Collects random tensors by name; the spread keeps activations near one."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.tensors = {}

    def add(self, name, *shape, spread=None, offset=0.0):
        spread = spread or 1 / math.sqrt(math.prod(shape[1:]) if len(shape) > 1 else 100)
        values = torch.randn(shape, generator=self.generator) * spread + offset
        self.tensors[name] = values.half()

    def conv(self, name, cin, cout, kernel=3):
        self.add(f"{name}.weight", cout, cin, kernel, kernel)
        self.add(f"{name}.bias", cout)

    def linear(self, name, cin, cout, bias=True):
        self.add(f"{name}.weight", cout, cin)
        if bias:
            self.add(f"{name}.bias", cout)

    def norm(self, name, channels):
        self.add(f"{name}.weight", channels, offset=1.0)
        self.add(f"{name}.bias", channels)


def add_unet(c, width, mults, layers, attention_levels, context, linear):
    p = "model.diffusion_model."

    def resnet(name, cin, cout):
        c.norm(f"{name}.in_layers.0", cin)
        c.conv(f"{name}.in_layers.2", cin, cout)
        c.linear(f"{name}.emb_layers.1", 4 * width, cout)
        c.norm(f"{name}.out_layers.0", cout)
        c.conv(f"{name}.out_layers.3", cout, cout)
        if cin != cout:
            c.conv(f"{name}.skip_connection", cin, cout, 1)

    def transformer(name, channels):
        project = c.linear if linear else lambda n, i, o: c.conv(n, i, o, 1)
        c.norm(f"{name}.norm", channels)
        project(f"{name}.proj_in", channels, channels)
        b = f"{name}.transformer_blocks.0"
        for attention, keys in (("attn1", channels), ("attn2", context)):
            c.linear(f"{b}.{attention}.to_q", channels, channels, bias=False)
            c.linear(f"{b}.{attention}.to_k", keys, channels, bias=False)
            c.linear(f"{b}.{attention}.to_v", keys, channels, bias=False)
            c.linear(f"{b}.{attention}.to_out.0", channels, channels)
        c.linear(f"{b}.ff.net.0.proj", channels, 8 * channels)
        c.linear(f"{b}.ff.net.2", 4 * channels, channels)
        for i in (1, 2, 3):
            c.norm(f"{b}.norm{i}", channels)
        project(f"{name}.proj_out", channels, channels)

    c.linear(p + "time_embed.0", width, 4 * width)
    c.linear(p + "time_embed.2", 4 * width, 4 * width)
    c.conv(p + "input_blocks.0.0", 4, width)
    channels, block, skips = width, 1, [width]
    for level, mult in enumerate(mults):
        for _ in range(layers):
            resnet(f"{p}input_blocks.{block}.0", channels, width * mult)
            channels = width * mult
            if level in attention_levels:
                transformer(f"{p}input_blocks.{block}.1", channels)
            skips.append(channels)
            block += 1
        if level + 1 < len(mults):
            c.conv(f"{p}input_blocks.{block}.0.op", channels, channels)
            skips.append(channels)
            block += 1
    resnet(p + "middle_block.0", channels, channels)
    transformer(p + "middle_block.1", channels)
    resnet(p + "middle_block.2", channels, channels)
    block = 0
    for level, mult in reversed(list(enumerate(mults))):
        for layer in range(layers + 1):
            resnet(f"{p}output_blocks.{block}.0", channels + skips.pop(), width * mult)
            channels, place = width * mult, 1
            if level in attention_levels:
                transformer(f"{p}output_blocks.{block}.1", channels)
                place = 2
            if level > 0 and layer == layers:
                c.conv(f"{p}output_blocks.{block}.{place}.conv", channels, channels)
            block += 1
    c.norm(p + "out.0", channels)
    c.conv(p + "out.2", channels, 4)


def add_vae(c, width, mults, layers, latents):
    p = "first_stage_model."

    def resnet(name, cin, cout):
        c.norm(f"{name}.norm1", cin)
        c.conv(f"{name}.conv1", cin, cout)
        c.norm(f"{name}.norm2", cout)
        c.conv(f"{name}.conv2", cout, cout)
        if cin != cout:
            c.conv(f"{name}.nin_shortcut", cin, cout, 1)

    def middle(name, channels):
        resnet(f"{name}.block_1", channels, channels)
        c.norm(f"{name}.attn_1.norm", channels)
        for part in ("q", "k", "v", "proj_out"):
            c.conv(f"{name}.attn_1.{part}", channels, channels, 1)
        resnet(f"{name}.block_2", channels, channels)

    e, channels = p + "encoder", width
    c.conv(e + ".conv_in", 3, width)
    for level, mult in enumerate(mults):
        for layer in range(layers):
            resnet(f"{e}.down.{level}.block.{layer}", channels, width * mult)
            channels = width * mult
        if level + 1 < len(mults):
            c.conv(f"{e}.down.{level}.downsample.conv", channels, channels)
    middle(e + ".mid", channels)
    c.norm(e + ".norm_out", channels)
    c.conv(e + ".conv_out", channels, 2 * latents)
    c.conv(p + "quant_conv", 2 * latents, 2 * latents, 1)
    c.conv(p + "post_quant_conv", latents, latents, 1)
    d = p + "decoder"
    c.conv(d + ".conv_in", latents, channels)
    middle(d + ".mid", channels)
    for level, mult in reversed(list(enumerate(mults))):
        for layer in range(layers + 1):
            resnet(f"{d}.up.{level}.block.{layer}", channels, width * mult)
            channels = width * mult
        if level > 0:
            c.conv(f"{d}.up.{level}.upsample.conv", channels, channels)
    c.norm(d + ".norm_out", channels)
    c.conv(d + ".conv_out", channels, 3)


def add_clip(c, text):
    p = "cond_stage_model.transformer.text_model."
    width = text.hidden_size
    c.add(p + "embeddings.token_embedding.weight", text.vocab_size, width, spread=0.5)
    c.add(p + "embeddings.position_embedding.weight", 77, width, spread=0.2)
    c.tensors[p + "embeddings.position_ids"] = torch.arange(77)[None]
    for i in range(text.num_hidden_layers):
        b = f"{p}encoder.layers.{i}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            c.linear(f"{b}self_attn.{part}", width, width)
        c.linear(b + "mlp.fc1", width, text.intermediate_size)
        c.linear(b + "mlp.fc2", text.intermediate_size, width)
        c.norm(b + "layer_norm1", width)
        c.norm(b + "layer_norm2", width)
    c.norm(p + "final_layer_norm", width)


def add_open_clip(c, text):
    p = "cond_stage_model.model."
    width = text.hidden_size
    c.add(p + "positional_embedding", 77, width, spread=0.2)
    c.add(p + "token_embedding.weight", text.vocab_size, width, spread=0.5)
    for i in range(24):  # one more than are used
        b = f"{p}transformer.resblocks.{i}."
        c.norm(b + "ln_1", width)
        c.add(b + "attn.in_proj_weight", 3 * width, width)
        c.add(b + "attn.in_proj_bias", 3 * width)
        c.linear(b + "attn.out_proj", width, width)
        c.norm(b + "ln_2", width)
        c.linear(b + "mlp.c_fc", width, text.intermediate_size)
        c.linear(b + "mlp.c_proj", text.intermediate_size, width)
    c.norm(p + "ln_final", width)
    c.add(p + "text_projection", width, width)
    c.tensors[p + "logit_scale"] = torch.tensor(4.6052)


def add_leftovers(c):
    """What training leaves in a checkpoint."""
    for name in ("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod",
                 "posterior_variance", "posterior_mean_coef1", "log_one_minus_alphas_cumprod"):
        c.add(name, 10)
    c.tensors["model_ema.decay"] = torch.tensor(0.9999)
    c.tensors["model_ema.num_updates"] = torch.tensor(840000, dtype=torch.int32)
    c.add("model_ema.diffusion_modelinput_blocks00weight", 32, 4, 3, 3)


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def describe(state):
    return {
        name: {"shape": list(t.shape), "fnv1a": fnv1a(t.contiguous().view(torch.uint8).numpy().tobytes()
                                                       if t.dim() else t.numpy().tobytes())}
        for name, t in sorted(state.items())
    }


@torch.no_grad()
def write_checkpoint(name, seed, unet_shape, vae_shape, text, open_clip):
    c = Checkpoint(seed)
    linear = open_clip
    width, mults, layers, attention_levels = unet_shape
    add_unet(c, width, mults, layers, attention_levels, text.hidden_size, linear)
    add_vae(c, *vae_shape, 4)
    (add_open_clip if open_clip else add_clip)(c, text)
    add_leftovers(c)
    save_file(c.tensors, HERE / f"{name}.safetensors")

    widths = [width * m for m in mults]
    attention = [level in attention_levels for level in range(len(mults))]
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=widths,
        layers_per_block=layers,
        down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attention],
        up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)],
        cross_attention_dim=text.hidden_size,
        attention_head_dim=[max(w // 64, 1) for w in widths] if linear else 8,
        use_linear_projection=linear,
    )
    vae_width, vae_mults, vae_layers = vae_shape
    vae = AutoencoderKL(
        block_out_channels=[vae_width * m for m in vae_mults],
        layers_per_block=vae_layers,
        down_block_types=["DownEncoderBlock2D"] * len(vae_mults),
        up_block_types=["UpDecoderBlock2D"] * len(vae_mults),
        latent_channels=4,
    )
    encoder = CLIPTextModel(text)
    states = {
        "unet": convert_ldm_unet_checkpoint(dict(c.tensors), unet.config),
        "vae": convert_ldm_vae_checkpoint(dict(c.tensors), vae.config),
        "text_encoder": convert_open_clip_checkpoint(encoder, dict(c.tensors)) if open_clip
        else convert_ldm_clip_checkpoint(dict(c.tensors)),
    }
    states["text_encoder"].pop("text_model.embeddings.position_ids", None)
    (HERE / f"{name}.json").write_text(
        json.dumps({part: describe(state) for part, state in states.items()}, separators=(",", ":")))

    unet.load_state_dict(states["unet"], strict=True)
    vae.load_state_dict(states["vae"], strict=True)
    flat = not any(key.startswith("text_model.") for key in encoder.state_dict())
    encoder.load_state_dict(
        {k.removeprefix("text_model.") if flat else k: v for k, v in states["text_encoder"].items()},
        strict=True)
    for model in (unet, vae, encoder):
        model.float().eval()

    g = torch.Generator().manual_seed(seed + 1)
    ids = torch.randint(0, text.vocab_size, (1, 77), generator=g)
    # The reference pools at the highest id; nothing here depends on it.
    hidden = encoder(ids).last_hidden_state
    image = torch.rand((1, 3, 16, 16), generator=g) * 2 - 1
    z = torch.randn((1, 4, 8, 8), generator=g)
    timestep = torch.tensor([321.0])
    save_file(
        {
            "ids": ids,
            "hidden": hidden.contiguous(),
            "image": image,
            "mean": vae.encode(image).latent_dist.mean.contiguous(),
            "z": z,
            "decoded": vae.decode(z).sample.contiguous(),
            "timestep": timestep,
            "noise_prediction": unet(z, timestep, hidden).sample.contiguous(),
        },
        HERE / f"{name}_outputs.safetensors",
    )


def write_layout(name, unet_widths, vae_widths, text_width, text_layers):
    """Configs and shapes of a model in SD 1.5's structure, without weights."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, block_out_channels=unet_widths,
                                    cross_attention_dim=text_width, attention_head_dim=8)
        vae = AutoencoderKL(block_out_channels=vae_widths, layers_per_block=2,
                            down_block_types=["DownEncoderBlock2D"] * 4,
                            up_block_types=["UpDecoderBlock2D"] * 4,
                            latent_channels=4, sample_size=512)
        text = CLIPTextModel(text_config(text_width, text_layers, 4 * text_width, 49408, "quick_gelu"))
    layout = {
        "unet": json.loads(unet.to_json_string()),
        "vae": json.loads(vae.to_json_string()),
        "text_encoder": json.loads(text.config.to_json_string(use_diff=False)),
    }
    layout = {part: {"config": config} for part, config in layout.items()}
    for part, model in (("unet", unet), ("vae", vae), ("text_encoder", text)):
        layout[part]["shapes"] = {k: list(v.shape) for k, v in model.state_dict().items()}
    (HERE / f"{name}.json").write_text(json.dumps(layout, separators=(",", ":")))


def text_config(width, layers, inner, vocabulary, activation):
    return CLIPTextConfig(hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
                          num_attention_heads=max(width // 64, 1), vocab_size=vocabulary,
                          hidden_act=activation, bos_token_id=0, eos_token_id=2, pad_token_id=1,
                          max_position_embeddings=77)


def main():
    write_checkpoint("ldm_sd1", 1, (32, (1, 2), 2, (0,)), (32, (1, 1), 2),
                     text_config(64, 2, 96, 120, "quick_gelu"), open_clip=False)
    write_checkpoint("ldm_sd2", 2, (32, (1, 1), 1, (0,)), (32, (1, 2), 1),
                     text_config(32, 23, 64, 120, "gelu"), open_clip=True)
    write_layout("layout_sd15", (320, 640, 1280, 1280), (128, 256, 512, 512), 768, 12)
    write_layout("layout_medium", (128, 256, 512, 512), (32, 64, 128, 128), 384, 6)


if __name__ == "__main__":
    main()
