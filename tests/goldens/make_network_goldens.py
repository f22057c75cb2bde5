"""Reference values of the networks: text encoder, VAE, U-Net, forward and gradients.

Usage: python make_network_goldens.py [MODEL_FOLDER]
  with the packages of requirements.txt. Writes networks/*.safetensors beside this script; with the
  bundled model's folder (assets/models/flowers) also the values of its real weights.

Tiny models of the real diffusers and transformers classes with random weights, in the styles of
Stable Diffusion 1.x, 2.x and the bundled model. A file holds, in float32 but for the weights:
  weights.NAME    the model's weights, exact in float16
  KEY             inputs, outputs, and the cotangents ("probe") that gradients are taken with:
                  the gradient of sum(output * probe)
  grad.NAME       the gradient of a weight: whole up to SAMPLES values, else the values at the flat
                  indices (k * 7919) % numel, k = 0 .. SAMPLES - 1
  norm.NAME       the L2 norm of the whole gradient
and in its metadata the model's config as it would stand in config.json.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import (AutoencoderKL, AutoencoderTiny, LatentConsistencyModelPipeline,
                       UNet2DConditionModel)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

SAMPLES = 256
OUT = Path(__file__).parent / "networks"


def randomise(model, seed):
    """Weights that leave no layer near identity or zero, rounded to what float16 holds."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1 and "embedding.weight" not in name:
                noise = noise * 1.2 / parameter[0].numel() ** 0.5
            elif parameter.dim() == 1:
                noise = noise * 0.2
                if "norm" in name and name.endswith("weight"):
                    noise = noise + 1
            parameter.copy_(noise.half().float())
    return model.eval()


def weights_of(model):
    return {f"weights.{name}": p.detach().half() for name, p in model.named_parameters()}


def gradients_of(model):
    values = {}
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if gradient is None:  # a layer that the output does not depend on
            continue
        flat = gradient.flatten()
        if flat.numel() > SAMPLES:
            flat = flat[torch.arange(SAMPLES) * 7919 % flat.numel()]
        values[f"grad.{name}"] = flat.clone()
        values[f"norm.{name}"] = gradient.double().norm().float().reshape(1)
    return values


def save(name, tensors, config):
    OUT.mkdir(exist_ok=True)
    tensors = {key: value.detach().contiguous() for key, value in tensors.items()}
    save_file(tensors, OUT / f"{name}.safetensors", metadata={"config": json.dumps(config)})


def config_of(model):
    config = model.config if isinstance(model, CLIPTextModel) else model
    return json.loads(config.to_json_string())


def text_encoder(name, seed, skip_last_layers=0, **settings):
    config = CLIPTextConfig(vocab_size=60, hidden_size=32, intermediate_size=48,
                            max_position_embeddings=13, bos_token_id=0, eos_token_id=1,
                            **settings)
    model = randomise(CLIPTextModel(config), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    ids = torch.randint(0, 60, (2, 11), generator=generator)
    if skip_last_layers:
        hidden = model(ids, output_hidden_states=True).hidden_states[-1 - skip_last_layers]
        output = model.final_layer_norm(hidden)
    else:
        output = model(ids).last_hidden_state
    probe = torch.randn(output.shape, generator=generator)
    (output * probe).sum().backward()
    save(name, {**weights_of(model), "ids": ids, "output": output, "probe": probe,
                **gradients_of(model)}, config_of(model))


def vae(name, seed, height, width, **settings):
    levels = len(settings["block_out_channels"])
    model = randomise(AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * levels,
                                    up_block_types=("UpDecoderBlock2D",) * levels, **settings), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    image = torch.rand((2, 3, height, width), generator=generator) * 2 - 1
    posterior = model.encode(image).latent_dist
    sample = posterior.sample(torch.Generator().manual_seed(1234))
    z = torch.randn(posterior.mean.shape, generator=generator)
    decoded = model.decode(z).sample
    values = {"image": image, "mean": posterior.mean, "logvar": posterior.logvar, "sample": sample,
              "z": z, "decoded": decoded}
    loss = 0
    for key in ("mean", "logvar", "decoded"):
        probe = values[f"{key}_probe"] = torch.randn(values[key].shape, generator=generator)
        loss = loss + (values[key] * probe).sum()
    loss.backward()
    save(name, {**weights_of(model), **values, **gradients_of(model)}, config_of(model))


def tiny_vae(name, seed, height, width, **settings):
    model = randomise(AutoencoderTiny(**settings), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    image = torch.rand((2, 3, height, width), generator=generator) * 2 - 1
    latents = model.encode(image).latents
    z = 2 * torch.randn(latents.shape, generator=generator)
    decoded = model.decode(z).sample
    save(name, {**weights_of(model), "image": image, "mean": latents, "z": z, "decoded": decoded},
         config_of(model))


def unet(name, seed, height, width, **settings):
    model = randomise(UNet2DConditionModel(**settings), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    sample = torch.randn((2, model.config.in_channels, height, width), generator=generator)
    timestep = torch.tensor([981.25, 17.5])
    context = torch.randn((2, 7, model.config.cross_attention_dim), generator=generator)
    context.requires_grad_()
    output = model(sample, timestep, context).sample
    probe = torch.randn(output.shape, generator=generator)
    (output * probe).sum().backward()
    # A second call: one picture, a size that needs no rounding, a whole timestep.
    single_sample = torch.randn((1, model.config.in_channels, 16, 8), generator=generator)
    with torch.no_grad():
        single = model(single_sample, 500, context[:1]).sample
    save(name, {**weights_of(model), "sample": sample, "timestep": timestep, "context": context,
                "output": output, "probe": probe, "context_grad": context.grad,
                "single_sample": single_sample, "single": single, **gradients_of(model)},
         config_of(model))


def guided_unet(name, seed, dim):
    """A network with an input for the strength of guidance, told and not told."""
    model = randomise(UNet2DConditionModel(
        time_cond_proj_dim=dim, block_out_channels=(8, 12), layers_per_block=1,
        cross_attention_dim=12, norm_num_groups=2, attention_head_dim=2, sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    sample = torch.randn((3, 4, 7, 6), generator=generator)
    timestep = torch.tensor([981.25, 17.5, 500])
    context = torch.randn((3, 5, 12), generator=generator)
    w = torch.tensor([0.0, 6.5, 13.0])
    embed = LatentConsistencyModelPipeline.get_guidance_scale_embedding
    output = model(sample, timestep, context, timestep_cond=embed(None, w, dim)).sample
    probe = torch.randn(output.shape, generator=generator)
    (output * probe).sum().backward()
    with torch.no_grad():
        untold = model(sample, timestep, context).sample
        one = model(sample, 321, context, timestep_cond=embed(None, w[1:2], dim)).sample
    save(name, {**weights_of(model), "sample": sample, "timestep": timestep, "context": context,
                "w": w, "embedding": embed(None, w, dim), "output": output, "probe": probe,
                "untold": untold, "one": one, **gradients_of(model)}, config_of(model))


def bundled(folder):
    """Outputs of the bundled model's real weights, in float32."""
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()
    autoencoder = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    network = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(7)
    ids = torch.full((1, 77), 49407)
    ids[0, :6] = torch.tensor([49406, 320, 1125, 539, 320, 4287])
    image = torch.rand((1, 3, 64, 72), generator=generator) * 2 - 1
    sample = torch.randn((1, network.config.in_channels, 16, 16), generator=generator)
    probe = torch.randn(sample.shape, generator=generator)
    embedding = encoder(ids).last_hidden_state.detach()
    context = embedding.clone().requires_grad_()
    prediction = network(sample, torch.tensor([321.5]), context).sample
    (prediction * probe).sum().backward()
    mean = autoencoder.encode(image).latent_dist.mean
    save("bundled", {"ids": ids, "embedding": embedding, "image": image, "mean": mean,
                     "decoded": autoencoder.decode(mean).sample, "sample": sample,
                     "timestep": torch.tensor([321.5]), "prediction": prediction, "probe": probe,
                     "context_grad": context.grad, **gradients_of(network)}, {})


def main():
    torch.manual_seed(0)
    text_encoder("text_encoder_sd1", 10, hidden_act="quick_gelu", num_hidden_layers=2,
                 num_attention_heads=4)
    text_encoder("text_encoder_sd2", 20, hidden_act="gelu", num_hidden_layers=3,
                 num_attention_heads=2)
    text_encoder("text_encoder_sd2_skip", 20, skip_last_layers=1, hidden_act="gelu",
                 num_hidden_layers=4, num_attention_heads=2)

    vae("vae_sd", 30, 40, 24, block_out_channels=(8, 8, 16, 24), layers_per_block=2,
        norm_num_groups=4, latent_channels=4)
    vae("vae_bundled", 40, 24, 16, block_out_channels=(8, 12, 16, 20), layers_per_block=1,
        norm_num_groups=4, latent_channels=8, scaling_factor=0.34698188304901123)
    vae("vae_plain", 50, 12, 8, block_out_channels=(8, 12, 12), layers_per_block=1,
        norm_num_groups=2, latent_channels=3, use_quant_conv=False, use_post_quant_conv=False,
        mid_block_add_attention=False)

    tiny_vae("vae_tiny", 55, 48, 32, encoder_block_out_channels=(16,) * 4,
             decoder_block_out_channels=(16,) * 4)
    tiny_vae("vae_tiny_odd", 57, 20, 28, encoder_block_out_channels=(24, 24, 24),
             decoder_block_out_channels=(20, 20, 20), num_encoder_blocks=(2, 1, 1),
             num_decoder_blocks=(1, 2, 1), latent_channels=5)

    unet("unet_sd1", 60, 11, 13, block_out_channels=(16, 16, 24, 24), layers_per_block=2,
         cross_attention_dim=20, norm_num_groups=8, attention_head_dim=8, sample_size=16)
    unet("unet_sd2", 70, 13, 10, block_out_channels=(8, 16, 24, 24), layers_per_block=1,
         cross_attention_dim=28, norm_num_groups=4, attention_head_dim=[1, 2, 3, 4],
         use_linear_projection=True, upcast_attention=True, sample_size=24)
    unet("unet_bundled", 80, 9, 14, in_channels=8, out_channels=8,
         block_out_channels=(16, 24, 32), layers_per_block=1, cross_attention_dim=24,
         down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
         up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
         norm_num_groups=8, attention_head_dim=4, sample_size=16)
    # What Stable Diffusion leaves at its default.
    unet("unet_options", 90, 7, 6, in_channels=5, out_channels=3, block_out_channels=(8, 12),
         layers_per_block=1, cross_attention_dim=12, norm_num_groups=2, attention_head_dim=(2, 3),
         down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
         up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), transformer_layers_per_block=2,
         flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-3, sample_size=8)
    guided_unet("unet_guided", 100, 10)
    guided_unet("unet_guided_odd", 110, 7)
    if len(sys.argv) > 1:
        bundled(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
