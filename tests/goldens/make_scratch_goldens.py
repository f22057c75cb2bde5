"""Numbers that networks from nothing are compared with.

    python make_scratch_goldens.py [vae | discriminator | clip | pil]

vae.safetensors: structural similarity by scikit-image; and three AdamW steps of diffusers' AutoencoderKL from
fresh weights (PyTorch's own start, drawn as Keepsake draws it) with l1, structural term and KL, its EMA by
diffusers' EMAModel, and the PSNR and SSIM of what was held out.
discriminator.safetensors: taming-transformers' NLayerDiscriminator (with pix2pix's other norm) on two pictures,
the hinge loss and its gradients, and the adaptive share of a small decoder's adversarial term.
clip.safetensors: features, logits, loss and every gradient of tiny random CLIPs with both activations by
transformers' CLIPModel, and the weights of one after three AdamW steps.
pil.safetensors: pictures resized by PIL, and cut in the middle by both rules, as transformers and torchvision have
them. With Pillow 11: 13 goes down before it goes across for some sizes, and then rounds otherwise.
"""
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from keepsake_draws import MASK, mix

HERE = pathlib.Path(__file__).parent
# Keepsake's streams of random numbers: optimize/scratch/*.cpp.
FRESH, VAE_ORDER, VAE_LATENTS, VAE_MIRROR, VAE_SCALE = 60, 70, 71, 72, 73
SEED = 5


def generator_of(stream, step):
    return torch.Generator("cpu").manual_seed(mix((mix((mix(SEED) + stream) & MASK) + step) & MASK))


def fnv(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def start_fresh(module):
    """optimize/scratch/fresh_weights.h: the distribution of each layer's reset_parameters."""
    weights = module.state_dict()
    with torch.no_grad():
        for name, tensor in weights.items():
            weight = weights[name.rsplit(".", 1)[0] + ".weight"]
            if weight.dim() == 1:
                tensor.fill_(1 if name.endswith(".weight") else 0)
                continue
            bound = torch.tensor(2 / math.sqrt(weight[0].numel()), dtype=torch.float64).item()
            drawn = torch.rand(tensor.shape, generator=generator_of(FRESH, fnv(name) >> 1))
            tensor.copy_(drawn * bound - bound / 2)


def ssim(a, b, window):
    blur = lambda x: F.conv2d(x.flatten(0, 1).unsqueeze(1), window[None, None])
    ma, mb = blur(a), blur(b)
    va, vb, vab = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = 0.02 ** 2, 0.06 ** 2
    both = (2 * ma * mb + c1) * (2 * vab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return both.view(len(a), -1).mean(1)


def at_scales(a, b, window):
    found = [ssim(a, b, window)]
    while len(found) < 3 and min(a.shape[2:]) // 2 >= 16:
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        found.append(ssim(a, b, window))
    return sum(found) / len(found)


def gaussian():
    x = torch.arange(-5, 6, dtype=torch.float64) / 1.5
    line = torch.exp(-x * x / 2)
    return (torch.outer(line, line) / line.sum() ** 2).float()


def pictures(count, side):
    """Soft shapes, so that neighbouring pixels belong together."""
    rough = torch.rand(count, 3, side // 4 + 2, side // 4 + 2)
    soft = F.interpolate(rough, scale_factor=6, mode="bicubic")[:, :, 4:4 + side, 4:4 + side]
    return (soft.clamp(0, 1) * 255).round().to(torch.uint8)


def similarity(out):
    from skimage.metrics import structural_similarity
    a = pictures(3, 40) / 127.5 - 1
    b = (a + 0.2 * torch.randn(a.shape)).clamp(-1, 1)
    b[2] = a[2] * 0.7
    each = [structural_similarity(x.numpy(), y.numpy(), data_range=2, channel_axis=0, gaussian_weights=True,
                                  sigma=1.5, use_sample_covariance=False) for x, y in zip(a.double(), b.double())]
    assert torch.allclose(torch.tensor(each).float(), ssim(a, b, gaussian()), atol=1e-5)
    out |= {"ssim.a": a, "ssim.b": b, "ssim.each": torch.tensor(each),
            "ssim.scales": at_scales(a.double(), b.double(), gaussian().double()),
            "ssim.psnr": 10 * torch.log10(4 / (a.double() - b.double()).square().flatten(1).mean(1))}


def vae():
    from diffusers import AutoencoderKL
    from diffusers.training_utils import EMAModel
    torch.manual_seed(17)
    out = {}
    similarity(out)
    model = AutoencoderKL(block_out_channels=(16, 32), down_block_types=("DownEncoderBlock2D",) * 2,
                          up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=1, norm_num_groups=8)
    start_fresh(model)
    out["fresh.encoder.conv_in.weight"] = model.encoder.conv_in.weight.detach().clone()
    everything = pictures(7, 32)
    learned, held = everything[:5], everything[5:]
    out |= {"pictures": learned, "held_out": held}
    window = gaussian()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
    average = EMAModel(model.parameters(), decay=0.9999)
    found = []
    for step in range(3):
        # Rounds of five pictures in batches of two.
        generator = generator_of(VAE_ORDER, step // 3)
        order = torch.randperm(5, generator=generator)
        batches = [order[i:i + 2] for i in range(0, 5, 2)]
        which = batches[torch.randperm(3, generator=generator)[step % 3]]
        x = learned[which].float() / 127.5 - 1
        turned = torch.rand((len(x), 1, 1, 1), generator=generator_of(VAE_MIRROR, step)) < 0.5
        x = torch.where(turned, x.flip(3), x)
        latents = model.encode(x).latent_dist
        noise = torch.randn((len(x), 4, 16, 16), generator=generator_of(VAE_LATENTS, step))
        said = model.decode(latents.mean + latents.std * noise).sample
        l1 = F.l1_loss(said, x)
        structure = 1 - at_scales(x, said, window).mean()
        kl = latents.kl().sum() / x.numel()
        loss = l1 + 0.5 * structure + 1e-2 * kl
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            out |= {"gradient." + k: v.grad.clone() for k, v in model.named_parameters()
                    if k in ("encoder.conv_in.weight", "quant_conv.weight", "decoder.conv_out.weight")}
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.step(model.parameters())
        found.append([v.item() for v in (loss, l1, structure, kl)])
    out["losses"] = torch.tensor(found, dtype=torch.float64)
    for name, tensor in model.named_parameters():
        if name.startswith(("encoder.conv_in", "encoder.mid_block.attentions.0", "quant_conv", "decoder.conv_out")):
            out["after." + name] = tensor.detach().clone()
    average.copy_to(model.parameters())
    out["averaged.decoder.conv_out.weight"] = model.decoder.conv_out.weight.detach().clone()
    with torch.no_grad():
        x = held.float() / 127.5 - 1
        latents = model.encode(x).latent_dist
        said = model.decode(latents.mean).sample.clamp(-1, 1)
        out["psnr"] = (10 * torch.log10(4 / (said - x).square().flatten(1).mean(1))).mean()
        out["ssim"] = ssim(x, said, window).mean()
        latents = model.encode(learned.float() / 127.5 - 1).latent_dist
        noise = torch.randn(latents.mean.shape, generator=generator_of(VAE_SCALE, 0))
        out["scale"] = 1 / (latents.mean + latents.std * noise).double().std()
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / "vae.safetensors")


def discriminator():
    from torch import nn
    norm = lambda width: nn.InstanceNorm2d(width, affine=True)
    model = nn.Module()
    model.main = nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), norm(128), nn.LeakyReLU(0.2),
        nn.Conv2d(128, 256, 4, 2, 1, bias=False), norm(256), nn.LeakyReLU(0.2),
        nn.Conv2d(256, 512, 4, 1, 1, bias=False), norm(512), nn.LeakyReLU(0.2),
        nn.Conv2d(512, 1, 4, 1, 1))
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.dim() == 4:
                tensor.copy_(torch.randn(tensor.shape, generator=generator_of(74, fnv(name) >> 1)) * 0.02)
            else:
                tensor.fill_(1 if name.endswith(".weight") else 0)
    torch.manual_seed(19)
    x = pictures(2, 40).float() / 127.5 - 1
    hidden, last = torch.randn(2, 8, 40, 40), (0.1 * torch.randn(3, 8, 3, 3)).requires_grad_()
    decoded = torch.tanh(F.conv2d(hidden, last, padding=1))
    real, fake = model.main(x), model.main(decoded.detach())
    hinge = 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())
    hinge.backward()
    out = {"pictures": x, "hidden": hidden, "last": last, "real": real, "fake": fake, "hinge": hinge}
    out |= {f"gradient.{k}": v.grad.flatten()[:64].clone() for k, v in model.named_parameters()}
    # calculate_adaptive_weight and the generator's part of LPIPSWithDiscriminator.forward.
    nll, g_loss = (decoded - x).abs().mean(), -model.main(decoded).mean()
    size = lambda loss: torch.autograd.grad(loss, last, retain_graph=True)[0].norm()
    share = torch.clamp(size(nll) / (size(g_loss) + 1e-4), 0.0, 1e4).detach()
    out |= {"nll": nll, "g_loss": g_loss, "share": share,
            "last_gradient": torch.autograd.grad(nll + 0.5 * share * g_loss, last)[0]}
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / "discriminator.safetensors")


def tiny_clip(activation, eos):
    from transformers import CLIPConfig, CLIPModel
    model = CLIPModel(CLIPConfig(
        text_config={"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
                     "num_attention_heads": 2, "max_position_embeddings": 9, "hidden_act": activation,
                     "eos_token_id": eos, "bos_token_id": 38, "pad_token_id": 39},
        vision_config={"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
                       "num_attention_heads": 2, "image_size": 24, "patch_size": 8, "hidden_act": activation},
        projection_dim=12))
    with torch.no_grad():  # large and random throughout, so that each tensor matters
        for name, tensor in model.named_parameters():
            if name != "logit_scale":
                tensor.add_(0.1 * torch.randn_like(tensor))
    return model


def clip():
    torch.manual_seed(18)
    out = {"pictures": torch.randn(4, 3, 24, 24)}
    ids = torch.randint(0, 38, (4, 9))
    for row, end in enumerate([3, 8, 5, 6]):
        ids[row, 0], ids[row, end:] = 38, 39  # padded with the end, as SD's are
    out["ids"] = ids
    weights = tiny_clip("gelu", 39).state_dict()
    out |= {"weights." + k: v.clone() for k, v in weights.items() if "position_ids" not in k}
    for activation, eos in [("quick_gelu", 2), ("gelu", 39)]:
        model = tiny_clip(activation, eos)
        model.load_state_dict(weights)
        said = model(input_ids=ids, pixel_values=out["pictures"], return_loss=True)
        said.loss.backward()
        out |= {f"{activation}:image_features": said.image_embeds, f"{activation}:text_features": said.text_embeds,
                f"{activation}:logits": said.logits_per_image, f"{activation}:loss": said.loss}
        out |= {f"{activation}:gradient.{k}": v.grad.clone() for k, v in model.named_parameters()}
    # Three steps on the four pairs in one batch: decay of matrices alone, the factor held.
    decays = [v for k, v in model.named_parameters() if v.dim() >= 2 and ("embeddings." not in k or "patch" in k)]
    others = [v for k, v in model.named_parameters() if not any(v is d for d in decays)]
    optimiser = torch.optim.AdamW([{"params": decays, "weight_decay": 0.3}, {"params": others, "weight_decay": 0}],
                                  lr=3e-2, betas=(0.9, 0.98), eps=1e-6)
    found = []
    pixels = torch.randint(0, 256, (4, 3, 24, 24), dtype=torch.uint8)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    for step in range(3):
        order = torch.randperm(4, generator=generator_of(76, step))
        loss = model(input_ids=ids[order], pixel_values=((pixels / 255 - mean) / deviation)[order], return_loss=True).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        found.append(loss.detach())
    out |= {"steps.pixels": pixels, "steps.losses": torch.stack(found)}
    for name, tensor in model.named_parameters():
        if name in ("logit_scale", "visual_projection.weight", "text_model.embeddings.position_embedding.weight",
                    "vision_model.pre_layrnorm.weight", "vision_model.embeddings.patch_embedding.weight"):
            out["steps.after." + name] = tensor
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / "clip.safetensors")


def pil():
    import numpy
    import PIL
    from PIL import Image
    assert int(PIL.__version__.split(".")[0]) < 13
    draw = numpy.random.default_rng(19)
    out = {}
    for i, ((w, h), (nw, nh)) in enumerate([
            ((37, 53), (20, 31)), ((37, 53), (80, 97)), ((64, 16), (16, 16)), ((31, 31), (31, 9)), ((50, 20), (21, 20)),
            ((90, 61), (7, 5)), ((16, 16), (45, 17)), ((61, 67), (60, 66)), ((17, 90), (33, 8)), ((23, 22), (22, 23))]):
        pixels = draw.integers(0, 256, (h, w, 3), dtype=numpy.uint8)
        if i % 2:  # hard edges, which overshoot
            pixels = (pixels > 127).astype(numpy.uint8) * 255
        resized = Image.fromarray(pixels).resize((nw, nh), Image.BICUBIC)
        out |= {f"{i}.from": torch.tensor(pixels), f"{i}.to": torch.tensor(numpy.array(resized))}
    for i, (w, h) in enumerate([(70, 51), (51, 70), (33, 33), (24, 61), (200, 25), (24, 27)]):
        pixels = draw.integers(0, 256, (h, w, 3), dtype=numpy.uint8)
        short = 24
        size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
        resized = numpy.array(Image.fromarray(pixels).resize(size, Image.BICUBIC))
        squares = {}
        for rule, middle in [("down", lambda x: x // 2), ("even", lambda x: int(round(x / 2)))]:
            left, top = middle(size[0] - short), middle(size[1] - short)
            squares[rule] = torch.tensor(resized[top:top + short, left:left + short])
            out[f"square.{i}.{rule}"] = squares[rule]
        out[f"square.{i}.from"] = torch.tensor(pixels)
    save_file({k: v.contiguous() for k, v in out.items()}, HERE / "pil.safetensors")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["vae", "discriminator", "clip", "pil"]:
        globals()[name]()
