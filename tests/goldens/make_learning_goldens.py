"""Numbers that training is compared with.

    python make_learning_goldens.py [buckets | options | ...]

learning.safetensors: the loop's options by diffusers (compute_snr, EMAModel, get_scheduler) and torch
(AdamW, clip_grad_norm_), and the losses of diffusers' training scripts on fixed tensors.
pictures.safetensors: ten AdamW steps of a LoRA on U-Net and text encoder with prior preservation, and
three steps of all weights with min-SNR, noise offset and caption dropout, of the tiny U-Net of
imagic_epsilon.safetensors and a tiny CLIP text encoder, by diffusers, transformers and torch. What is
drawn (pictures, captions, timesteps, noise) is drawn as Keepsake draws it.
word_steps.safetensors: five AdamW steps of textual inversion of two vectors, as textual_inversion.py does
them on the whole table, of the same networks.
lora_options.safetensors: ten AdamW steps of LoRAs whose alpha is not their rank, by peft, and of LoRAs with
alpha and dropout on all layers, by a transcription of sd-scripts' LoRAModule.forward, whose masks are drawn
as Keepsake draws them; on the networks, pictures and texts of pictures.safetensors.
buckets.json: aspect-ratio buckets after sd-scripts' integer rules (make_bucket_resolutions and
BucketManager.select_bucket), stated here in numpy.
"""
import json
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


def bucket_list(width, height, smallest, largest, step):
    area = width * height
    side = int(math.sqrt(area) // step) * step
    sizes = {(side, side)}
    for w in range(smallest, largest + 1, step):
        h = min(largest, int((area // w) // step) * step)
        if h >= smallest:
            sizes |= {(w, h), (h, w)}
    return sorted(sizes)


def place(w, h, sizes):
    import numpy
    ratios = numpy.array([a / b for a, b in sizes])
    bucket = (w, h) if (w, h) in sizes else sizes[int(numpy.abs(ratios - w / h).argmin())]
    scale = bucket[1] / h if w / h > bucket[0] / bucket[1] else bucket[0] / w
    resized = (int(w * scale + 0.5), int(h * scale + 0.5))
    return [*bucket, *resized, (resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2]


def buckets():
    import random
    draw = random.Random(15)
    tables = []
    for setting in [(512, 512, 256, 1024, 64), (512, 768, 256, 1024, 64), (128, 128, 64, 256, 32),
                    (768, 768, 384, 1536, 64), (640, 512, 128, 2048, 8)]:
        sizes = bucket_list(*setting)
        pictures = [(500, 333), (333, 500), (512, 512), (6000, 4000), (240, 159), (1024, 256),
                    (10000, 100), (100, 10000), (64, 64), (16, 17), (961, 1001)]
        pictures += [(draw.randint(16, 8000), draw.randint(16, 8000)) for _ in range(40)]
        tables.append({"setting": setting, "sizes": sizes,
                       "places": [[w, h, *place(w, h, sizes)] for w, h in pictures]})
    (HERE / "buckets.json").write_text(json.dumps(tables) + "\n")


def schedule_of(prediction_type):
    from diffusers import DDPMScheduler
    return DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                         prediction_type=prediction_type)


def snr_weights(prediction_type, timesteps, gamma):
    """As train_text_to_image.py writes it."""
    import torch
    from diffusers.training_utils import compute_snr
    snr = compute_snr(schedule_of(prediction_type), timesteps)
    least = torch.stack([snr, gamma * torch.ones_like(timesteps)], dim=1).min(dim=1)[0]
    return least / (snr if prediction_type == "epsilon" else snr + 1)


def losses(out):
    """train_text_to_image.py's and train_dreambooth.py's on fixed tensors; kohya's form of the prior."""
    import torch
    import torch.nn.functional as F
    timesteps = torch.tensor([0, 1, 250, 500, 998, 999])
    x0, noise, said = (torch.randn(6, 4, 3, 5) for _ in range(3))
    offset, perturbation = torch.randn(6, 4, 1, 1), torch.randn(6, 4, 3, 5)
    out |= {"timesteps": timesteps, "x0": x0, "noise": noise, "said": said, "offset": offset,
            "perturbation": perturbation}
    for kind in ["epsilon", "v_prediction"]:
        schedule = schedule_of(kind)
        moved = noise + 0.1 * offset
        noisy = schedule.add_noise(x0, moved + 0.2 * perturbation, timesteps)
        target = moved if kind == "epsilon" else schedule.get_velocity(x0, moved, timesteps)
        weights = snr_weights(kind, timesteps, 5.0)
        loss = F.mse_loss(said, target, reduction="none").mean(dim=[1, 2, 3]) * weights
        out |= {kind + ".weights": weights, kind + ".weights_1": snr_weights(kind, timesteps, 1.0),
                kind + ".noisy": noisy, kind + ".target": target, kind + ".loss": loss.mean()}
        # The first three are the subject's.
        (ours, prior), (wanted, wanted_prior) = said.chunk(2), target.chunk(2)
        out[kind + ".dreambooth"] = F.mse_loss(ours, wanted) + 0.7 * F.mse_loss(prior, wanted_prior)
        # Its min-SNR is of the subject's half alone.
        half = F.mse_loss(ours, wanted, reduction="none").mean(dim=[1, 2, 3]) * weights[:3]
        out[kind + ".dreambooth_snr"] = half.mean() + 0.7 * F.mse_loss(prior, wanted_prior)
        each = F.mse_loss(said, target, reduction="none").mean([1, 2, 3])
        out[kind + ".kohya"] = (each * torch.tensor([1, 1, 1, 0.7, 0.7, 0.7])).mean()


def averages(out):
    import torch
    from diffusers.training_utils import EMAModel
    for name, settings in {"plain": {}, "warm_up": {"use_ema_warmup": True, "power": 0.75},
                           "late": {"update_after_step": 4, "decay": 0.3}}.items():
        parameter = torch.nn.Parameter(torch.randn(5))
        average = EMAModel([parameter], **settings)
        decays, values, shadows = [], [parameter.detach().clone()], []
        for step in range(20):
            with torch.no_grad():
                parameter.add_(torch.randn(5))
            average.step([parameter])
            decays.append(average.cur_decay_value)
            values.append(parameter.detach().clone())
            shadows.append(average.shadow_params[0].clone())
        out |= {f"ema.{name}.decays": torch.tensor(decays, dtype=torch.float64),
                f"ema.{name}.values": torch.stack(values), f"ema.{name}.averages": torch.stack(shadows)}


def rates(out):
    import torch
    from diffusers.optimization import get_scheduler
    for name in ["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"]:
        for warm_up, steps, cycles, power in [(2, 6, 1, 1.0), (0, 11, 3, 2.0), (7, 40, 4, 0.5)]:
            optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-3)
            schedule = get_scheduler(name, optimiser, num_warmup_steps=warm_up, num_training_steps=steps,
                                     num_cycles=cycles if name.endswith("restarts") else 1, power=power)
            found = []
            for step in range(steps + 1):
                found.append(optimiser.param_groups[0]["lr"])
                optimiser.step()
                schedule.step()
            out[f"rate.{name}.{warm_up}.{steps}.{cycles}.{power}"] = torch.tensor(found, dtype=torch.float64)


def adamw(out):
    import torch
    a, b = torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(7))
    out |= {"adamw.a": a.detach().clone(), "adamw.b": b.detach().clone()}
    optimiser = torch.optim.AdamW([a, b], lr=3e-2, weight_decay=0.2)
    norms = []
    gradients = {"adamw.gradients_a": torch.randn(6, 4, 3), "adamw.gradients_b": torch.randn(6, 7)}
    for step in range(6):
        scale = 0.05 if step == 2 else 1.0  # one that is not clipped
        a.grad = gradients["adamw.gradients_a"][step].mul_(scale).clone()
        b.grad = gradients["adamw.gradients_b"][step].mul_(scale).clone()
        norms.append(torch.nn.utils.clip_grad_norm_([a, b], 1.0))
        optimiser.step()
    out |= gradients | {"adamw.norms": torch.stack(norms), "adamw.a_after": a, "adamw.b_after": b}


def learning():
    import torch
    from safetensors.torch import save_file
    torch.manual_seed(15)
    out = {}
    for part in [losses, averages, rates, adamw]:
        part(out)
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / "learning.safetensors")


# Keepsake's streams of random numbers: optimize/training/draws.h.
PICTURES, OFFSET, ORDER, CAPTIONS, PRIOR_ORDER, PRIOR_PICTURES, LORA_DROPOUT = 3, 4, 6, 7, 8, 9, 10


def generator_of(stream, step):
    import torch
    from keepsake_draws import MASK, SEED, mix
    return torch.Generator("cpu").manual_seed(
        mix((mix((mix(SEED) + stream) & MASK) + step) & MASK))


class Rounds:
    """optimize/training/rounds.h for groups of equal sizes."""

    def __init__(self, groups, batch, stream):
        self.groups, self.batch_size, self.stream = groups, batch, stream

    def batch(self, index):
        import torch
        per_round = sum((len(g) + self.batch_size - 1) // self.batch_size for g in self.groups)
        generator = generator_of(self.stream, index // per_round)
        cut = []
        for group in self.groups:
            order = torch.randperm(len(group), generator=generator).tolist()
            cut += [[group[k] for k in order[i:i + self.batch_size]] for i in range(0, len(order), self.batch_size)]
        order = torch.randperm(len(cut), generator=generator).tolist()
        return cut[order[index % per_round]]


def tiny_networks():
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file
    from transformers import CLIPTextConfig, CLIPTextModel
    weights = load_file(HERE / "imagic_epsilon.safetensors")
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=16,
        attention_head_dim=(2, 4), norm_num_groups=8)
    unet.load_state_dict({k[5:]: v for k, v in weights.items() if k.startswith("unet.")})
    torch.manual_seed(16)
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=9, hidden_act="quick_gelu", eos_token_id=39))
    with torch.no_grad():  # random norms, too, so that each tensor matters
        for name, tensor in text.named_parameters():
            if "norm" in name:
                tensor.add_(0.2 * torch.randn_like(tensor))
    return unet, text


def add_loras(module, names, rank, out, prefix):
    """A plain PyTorch loop's LoRA: forward hooks, no peft. Returns its parameters by Keepsake's names."""
    import torch
    parameters = {}
    for name, layer in module.named_modules():
        if not isinstance(layer, torch.nn.Linear) or not name.endswith(names):
            continue
        down = torch.nn.Parameter(torch.randn(rank, layer.in_features) / rank)
        up = torch.nn.Parameter(0.05 * torch.randn(layer.out_features, rank))
        layer.register_forward_hook(
            lambda _, inputs, result, down=down, up=up: result + inputs[0] @ down.T @ up.T)
        short = name.removeprefix("text_model.")
        parameters[f"{prefix}{short}.lora_down.weight"] = down
        parameters[f"{prefix}{short}.lora_up.weight"] = up
    out |= {"lora." + k: v.detach().clone() for k, v in parameters.items()}
    return parameters


def draw_batch(pictures, index, prior, captions, dropout):
    """PictureSteps::draw_batch: which caption, and timesteps and noise."""
    import torch
    chance = torch.rand((len(pictures), 3), generator=generator_of(CAPTIONS, -1000 - index if prior else index),
                        dtype=torch.float64)
    said = []
    for row, picture in zip(chance.tolist(), pictures):
        said.append(0 if row[2] < dropout else captions[picture][int(row[1] * len(captions[picture]))])
    generator = generator_of(PRIOR_PICTURES if prior else PICTURES, index)
    timesteps = torch.randint(1000, (len(pictures),), generator=generator)
    return said, timesteps, torch.randn((len(pictures), 4, 8, 8), generator=generator)


def pictures():
    import torch
    import torch.nn.functional as F
    from safetensors.torch import save_file
    unet, text = tiny_networks()
    schedule = schedule_of("epsilon")
    out = {"text." + k: v.clone() for k, v in text.state_dict().items() if "position_ids" not in k}
    latents = torch.randn(5, 4, 8, 8)
    # Caption 0 is the empty one. Of the pictures the first three are the subject's.
    ids = torch.cat([torch.tensor([[38] + [39] * 8]), torch.randint(0, 38, (4, 9))])
    ids[1:, 0], ids[1:, -1] = 38, 39
    captions = [[1], [1, 2], [2], [3], [4]]
    out |= {"latents": latents, "ids": ids}
    unet.requires_grad_(False)
    text.requires_grad_(False)

    def predict(said, noisy, timesteps):
        return unet(noisy, timesteps, text(ids[said])[0]).sample

    # Ten steps, batch 2 and two of the class besides, diffusers' prior loss with weight 0.7.
    parameters = add_loras(unet, ("to_q", "to_k", "to_v", "to_out.0"), 4, out, "unet.")
    parameters |= add_loras(text, ("q_proj", "k_proj", "v_proj", "out_proj"), 4, out, "text_encoder.")
    optimiser = torch.optim.AdamW(parameters.values(), lr=3e-3, weight_decay=1e-2)
    rounds, prior_rounds = Rounds([[0, 1, 2]], 2, ORDER), Rounds([[3, 4]], 2, PRIOR_ORDER)
    found = []
    for step in range(10):
        ours = rounds.batch(step)
        theirs = (prior_rounds.batch(step) * 2)[:len(ours)]
        loss = 0
        for which, prior in [(ours, False), (theirs, True)]:
            said, timesteps, noise = draw_batch(which, step, prior, captions, 0)
            noisy = schedule.add_noise(latents[which], noise, timesteps)
            loss = loss + (0.7 if prior else 1) * F.mse_loss(predict(said, noisy, timesteps), noise)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimiser.step()
        found.append(loss.detach())
    out["lora.losses"] = torch.stack(found)
    out |= {"lora_after." + k: v.detach().clone() for k, v in parameters.items()}

    # Three steps of all weights: min-SNR 5, offset 0.1, captions dropped half the time, two batches a step.
    unet, text = tiny_networks()
    text.requires_grad_(False)
    optimiser = torch.optim.AdamW(unet.parameters(), lr=1e-3, weight_decay=1e-2)
    rounds = Rounds([[0, 1, 2, 3, 4]], 2, ORDER)
    found = []
    for step in range(3):
        samples = []
        for index in [2 * step, 2 * step + 1]:
            which = rounds.batch(index)
            said, timesteps, noise = draw_batch(which, index, False, captions, 0.5)
            noise = noise + 0.1 * torch.randn((len(which), 4, 1, 1), generator=generator_of(16 * PICTURES + OFFSET, index))
            noisy = schedule.add_noise(latents[which], noise, timesteps)
            each = F.mse_loss(predict(said, noisy, timesteps), noise, reduction="none").mean([1, 2, 3])
            samples.append(each * snr_weights("epsilon", timesteps, 5.0))
        loss = torch.cat(samples).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        found.append(loss.detach())
    out["all.losses"] = torch.stack(found)
    # A layer of each kind says enough, and keeps the file small.
    for name, tensor in unet.state_dict().items():
        if name.startswith(("conv_in", "down_blocks.1.attentions.0", "mid_block.resnets.1", "conv_norm_out")):
            out["all_after." + name] = tensor
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / "pictures.safetensors")


def short_name(prefix, name):
    return prefix + name.removeprefix("text_model.")


def peft_loras(module, names, prefix, rank, alpha):
    """peft's LoRA on a network's layers, started at random. Returns its parameters by Keepsake's names."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(names)), module)
    parameters = {}
    for name, layer in module.named_modules():
        if not hasattr(layer, "lora_A"):
            continue
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        with torch.no_grad():
            down.copy_(torch.randn_like(down) / rank)
            up.copy_(0.05 * torch.randn_like(up))
        parameters[short_name(prefix, name) + ".lora_down.weight"] = down
        parameters[short_name(prefix, name) + ".lora_up.weight"] = up
    return parameters


def fnv(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001b3) & ((1 << 64) - 1)
    return value


def stays(sample, layer, count, dropout):
    """compute/lora_dropout.h: what stays of a sample's `count` numbers in a layer's middle."""
    import numpy
    from keepsake_draws import MASK, mix
    z = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(mix((sample + fnv(layer)) & MASK))
    with numpy.errstate(over="ignore"):
        z = z + numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    z = z ^ (z >> numpy.uint64(31))
    return (z >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53 >= dropout


def dropped_loras(module, chosen, prefix, rank, alpha, dropout, samples):
    """sd-scripts' LoRAModule.forward with network_dropout, as hooks. samples: a list, of which each pass's are
    drawn. Returns its parameters by Keepsake's names."""
    import torch
    import torch.nn.functional as F
    parameters = {}
    for name, layer in module.named_modules():
        if not isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)) or not chosen(name):
            continue
        shape = layer.weight.shape
        down = torch.nn.Parameter(torch.randn(rank, *shape[1:]) / rank)
        up = torch.nn.Parameter(0.05 * torch.randn(shape[0], rank, *[1] * (len(shape) - 2)))

        def hook(layer, inputs, result, down=down, up=up, short=short_name("", name)):
            picture = layer.weight.dim() == 4
            if picture:
                low = F.conv2d(inputs[0], down, stride=layer.stride, padding=layer.padding).permute(0, 2, 3, 1)
            else:
                low = F.linear(inputs[0], down)
            mask = torch.stack([torch.from_numpy(stays(s, short, low[0].numel(), dropout)).view(low[0].shape)
                                for s in samples])
            low = low * mask / (1 - dropout) * (alpha / rank)
            return result + (F.conv2d(low.permute(0, 3, 1, 2), up) if picture else F.linear(low, up))

        layer.register_forward_hook(hook)
        parameters[short_name(prefix, name) + ".lora_down.weight"] = down
        parameters[short_name(prefix, name) + ".lora_up.weight"] = up
    return parameters


def lora_options():
    import torch
    import torch.nn.functional as F
    from safetensors.torch import load_file, save_file
    given = load_file(HERE / "pictures.safetensors")
    latents, ids, captions = given["latents"], given["ids"], [[1], [1, 2], [2], [3], [4]]
    schedule = schedule_of("epsilon")
    out = {}
    for kind in ["alpha", "dropout"]:
        unet, text = tiny_networks()
        unet.requires_grad_(False)
        text.requires_grad_(False)
        samples = []
        if kind == "alpha":
            parameters = peft_loras(unet, ("to_q", "to_k", "to_v", "to_out.0"), "unet.", 4, 10)
            parameters |= peft_loras(text, ("q_proj", "k_proj", "v_proj", "out_proj"), "text_encoder.", 4, 10)
        else:
            def in_unet(name):
                return name not in ("conv_in", "conv_out") and "time_emb" not in name
            parameters = dropped_loras(unet, in_unet, "unet.", 2, 3, 0.3, samples)
            parameters |= dropped_loras(text, lambda name: ".layers." in name, "text_encoder.", 2, 3, 0.3, samples)
        out |= {f"{kind}.start.{k}": v.detach().clone() for k, v in parameters.items()}
        optimiser = torch.optim.AdamW(parameters.values(), lr=3e-3, weight_decay=1e-2)
        rounds, prior_rounds = Rounds([[0, 1, 2]], 2, ORDER), Rounds([[3, 4]], 2, PRIOR_ORDER)
        found = []
        for step in range(10):
            ours = rounds.batch(step)
            theirs = (prior_rounds.batch(step) * 2)[:len(ours)]
            loss = 0
            for which, prior in [(ours, False), (theirs, True)]:
                said, timesteps, noise = draw_batch(which, step, prior, captions, 0)
                samples[:] = torch.randint((1 << 63) - 1, (len(which),), generator=generator_of(
                    LORA_DROPOUT, -1000 - step if prior else step)).tolist()
                noisy = schedule.add_noise(latents[which], noise, timesteps)
                said = unet(noisy, timesteps, text(ids[said])[0]).sample
                loss = loss + (0.7 if prior else 1) * F.mse_loss(said, noise)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimiser.step()
            found.append(loss.detach())
        out[kind + ".losses"] = torch.stack(found)
        out |= {f"{kind}.after.{k}": v.detach().clone() for k, v in parameters.items()}
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / "lora_options.safetensors")


def word_steps():
    import torch
    import torch.nn.functional as F
    from safetensors.torch import save_file
    unet, text = tiny_networks()
    schedule = schedule_of("epsilon")
    # Caption 0 is the empty one; the others have the word's two vectors, tokens 40 and 41, in places of
    # their own, and one has it twice.
    ids = torch.cat([torch.tensor([[38] + [39] * 8]), torch.randint(0, 38, (4, 9))])
    ids[1:, 0], ids[1:, -1] = 38, 39
    for row, at in [(1, 2), (2, 5), (3, 1), (3, 4), (4, 3)]:
        ids[row, at:at + 2] = torch.tensor([40, 41])
    captions = [[1], [1, 2], [2], [3], [4, 1, 3]]
    latents = torch.randn(5, 4, 8, 8)
    out = {"latents": latents, "ids": ids}
    unet.requires_grad_(False)
    text.requires_grad_(False)
    text.resize_token_embeddings(42, mean_resizing=False)
    table = text.get_input_embeddings().weight
    with torch.no_grad():
        table[40:] = table[7]  # the initialiser's, for all vectors
    out["start"] = table[40:].detach().clone()
    original = table.detach().clone()
    table.requires_grad_(True)
    optimiser = torch.optim.AdamW([table], lr=2e-2, weight_decay=1e-2)
    rounds = Rounds([[0, 1, 2, 3, 4]], 2, ORDER)
    found = []
    for step in range(5):
        which = rounds.batch(step)
        said, timesteps, noise = draw_batch(which, step, False, captions, 0)
        noisy = schedule.add_noise(latents[which], noise, timesteps)
        loss = F.mse_loss(unet(noisy, timesteps, text(ids[said])[0]).sample, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            table[:40] = original[:40]
        found.append(loss.detach())
    out |= {"losses": torch.stack(found), "after": table[40:]}
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / "word_steps.safetensors")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["buckets", "learning", "pictures", "lora_options", "word_steps"]:
        globals()[name]()
