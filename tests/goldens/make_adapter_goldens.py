"""Reference values of LoRA and its relatives, in every layout of names that other programs write.

Usage: python make_adapter_goldens.py
  with the packages of requirements.txt and peft. Writes adapters/ beside this script:
  base.safetensors      weights of a few layers by diffusers' names ("unet.", "text_encoder.")
  <case>.safetensors    an adapter as its program writes it
  expected.safetensors  "<case>/<layer>.weight": base with the adapter at weight 1; where a case is
                        named <case>@0.5, at 0.5

LoRA, DoRA, LoHa and LoKr are merged by peft. What peft lacks (Tucker's decomposition between the
matrices of a LoCon, full differences, norms, (IA)^3) follows LyCORIS' rules, computed here as the
composed convolutions or sums that those rules describe.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

OUT = Path(__file__).parent / "adapters"
BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
LINEAR = [f"{BLOCK}.attn1.to_q", f"{BLOCK}.attn1.to_out.0", f"{BLOCK}.attn2.to_k",
          f"{BLOCK}.ff.net.0.proj"]
CONV = ["down_blocks.0.resnets.0.conv1", "down_blocks.0.attentions.0.proj_in",
        "up_blocks.0.upsamplers.0.conv"]
TEXT = ["text_model.encoder.layers.0.self_attn.q_proj", "text_model.encoder.layers.0.mlp.fc1"]
SHAPES = {LINEAR[0]: (8, 8), LINEAR[1]: (8, 8), LINEAR[2]: (8, 12), LINEAR[3]: (32, 8),
          CONV[0]: (8, 4, 3, 3), CONV[1]: (8, 8, 1, 1), CONV[2]: (8, 8, 3, 3),
          TEXT[0]: (12, 12), TEXT[1]: (24, 12)}
NORM = "down_blocks.0.resnets.0.norm1"


class Tree(torch.nn.Module):
    """Layers under dotted names."""

    def add(self, name, layer):
        head, _, rest = name.partition(".")
        if not rest:
            self.add_module(head, layer)
            return
        if head not in self._modules:
            self.add_module(head, Tree())
        self._modules[head].add(rest, layer)

    def forward(self, x):
        return x


def base_tree(names, weights):
    tree = Tree()
    for name in names:
        shape = SHAPES[name]
        if len(shape) == 2:
            layer = torch.nn.Linear(shape[1], shape[0], bias=False)
        else:
            layer = torch.nn.Conv2d(shape[1], shape[0], shape[2], padding=shape[2] // 2, bias=False)
        layer.weight.data.copy_(weights[name])
        tree.add(name, layer)
    return tree


def randomised(model, generator):
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator) * 0.3
                # Magnitudes of DoRA are lengths.
                parameter.copy_(noise.abs() + 0.5 if "magnitude" in name else noise)
    return model


def merged(model, names):
    base = model.merge_and_unload()
    return {name: base.get_submodule(name).weight.detach().clone() for name in names}


def kohya(name):
    prefix = "lora_te_" if name.startswith("text_model") else "lora_unet_"
    return prefix + name.replace(".", "_")


def ldm(name):
    """Of the layers above, in a U-Net of one layer a block (latent diffusion's openaimodel)."""
    return "lora_unet_" + {
        CONV[0]: "input_blocks_1_0_in_layers_2",
        CONV[1]: "input_blocks_1_1_proj_in",
        CONV[2]: "output_blocks_1_1_conv",
    }.get(name, name.replace(BLOCK + ".", "input_blocks_1_1_transformer_blocks_0_").replace(".", "_"))


class Cases:
    def __init__(self, weights):
        self.weights, self.expected = weights, {}

    def save(self, case, tensors, results, metadata=None):
        tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
        save_file(tensors, OUT / f"{case}.safetensors", metadata=metadata)
        self.expect(case, results)

    def expect(self, case, results):
        for name, value in results.items():
            prefix = "text_encoder." if name.startswith("text_model") else "unet."
            key = f"{case}/{prefix}{name}"
            key += "" if name.endswith((".weight", ".bias")) else ".weight"
            self.expected[key] = value.detach().clone().contiguous()


def parts_of(model):
    """{layer: {part: tensor}} of a peft model."""
    parts = {}
    for key, value in get_peft_model_state_dict(model).items():
        key = key.removeprefix("base_model.model.")
        for part in ("lora_A.weight", "lora_B.weight", "lora_magnitude_vector", "hada_w1_a",
                     "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1",
                     "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"):
            if key.endswith("." + part):
                parts.setdefault(key[:-len(part) - 1], {})[part] = value
                break
        else:
            sys.exit(f"a part without a name: {key}")
    return parts


def lora_cases(cases, generator):
    names = LINEAR + CONV + TEXT
    config = LoraConfig(r=3, lora_alpha=6, target_modules=names)
    model = randomised(get_peft_model(base_tree(names, cases.weights), config), generator)
    parts, results = parts_of(model), merged(model, names)
    alpha = torch.tensor(6.0)
    as_kohya, as_ldm, as_peft, old, oldest = {}, {}, {}, {}, {}
    for name, part in parts.items():
        down, up = part["lora_A.weight"], part["lora_B.weight"]
        as_kohya |= {f"{kohya(name)}.lora_down.weight": down, f"{kohya(name)}.lora_up.weight": up,
                     f"{kohya(name)}.alpha": alpha}
        if name not in TEXT:
            as_ldm |= {f"{ldm(name)}.lora_down.weight": down, f"{ldm(name)}.lora_up.weight": up,
                       f"{ldm(name)}.alpha": alpha.to(torch.bfloat16)}
        component = "text_encoder" if name in TEXT else "unet"
        as_peft |= {f"{component}.{name}.lora_A.weight": down,
                    f"{component}.{name}.lora_B.weight": up}
        # Before peft diffusers knew no alpha: it is in the matrices.
        linear = ".lora_linear_layer" if name in TEXT else ".lora"
        old |= {f"{component}.{name}{linear}.down.weight": down,
                f"{component}.{name}{linear}.up.weight": up * 2}
        if ".attn" in name:
            head, _, last = name.removesuffix(".0").rpartition(".")
            oldest |= {f"{head}.processor.{last}_lora.down.weight": down,
                       f"{head}.processor.{last}_lora.up.weight": up * 2}
    unet = {name: value for name, value in results.items() if name not in TEXT}
    cases.save("kohya", as_kohya, results)
    half = {name: cases.weights[name] + 0.5 * (results[name] - cases.weights[name])
            for name in results}
    cases.expect("kohya@0.5", half)
    cases.save("ldm", as_ldm, unet)
    note = {f"{component}.{key}": value for component in ("unet", "text_encoder")
            for key, value in {"r": 3, "lora_alpha": 6, "alpha_pattern": {}}.items()}
    cases.save("diffusers", as_peft, results, {"lora_adapter_metadata": json.dumps(note)})
    cases.save("diffusers_old", old, results)
    cases.save("diffusers_oldest", oldest,
               {name: results[name] for name in LINEAR if ".attn" in name})


def peft_cases(cases, generator):
    """Each relative by peft, saved under kohya's names as LyCORIS writes them, and peft's own."""
    names = LINEAR + CONV
    dora = LoraConfig(r=3, lora_alpha=6, use_dora=True, target_modules=names)
    model = randomised(get_peft_model(base_tree(names, cases.weights), dora), generator)
    parts, results = parts_of(model), merged(model, names)
    own = {f"unet.{name}.{key}": value for name, part in parts.items()
           for key, value in part.items()}
    note = {"unet.r": 3, "unet.lora_alpha": 6}
    cases.save("dora_diffusers", own, results, {"lora_adapter_metadata": json.dumps(note)})
    lycoris = {}
    for name, part in parts.items():
        rows = [-1] + [1] * (len(SHAPES[name]) - 1)
        lycoris |= {f"{kohya(name)}.lora_down.weight": part["lora_A.weight"],
                    f"{kohya(name)}.lora_up.weight": part["lora_B.weight"],
                    f"{kohya(name)}.alpha": torch.tensor(6.0),
                    f"{kohya(name)}.dora_scale": part["lora_magnitude_vector"].reshape(rows)}
    cases.save("dora_kohya", lycoris, results)
    cases.expect("dora_kohya@0.5",
                 {name: cases.weights[name] + 0.5 * (results[name] - cases.weights[name])
                  for name in results})
    stabilised = LoraConfig(r=4, lora_alpha=6, use_rslora=True, target_modules=LINEAR)
    model = randomised(get_peft_model(base_tree(LINEAR, cases.weights), stabilised), generator)
    own = {f"unet.{name}.{key}": value for name, part in parts_of(model).items()
           for key, value in part.items()}
    note = {"unet.r": 4, "unet.lora_alpha": 6, "unet.use_rslora": True}
    cases.save("rslora_diffusers", own, merged(model, LINEAR),
               {"lora_adapter_metadata": json.dumps(note)})
    for case, config in {
        "loha": LoHaConfig(r=3, alpha=6, target_modules=names, use_effective_conv2d=False),
        "loha_tucker": LoHaConfig(r=3, alpha=6, target_modules=names, use_effective_conv2d=True),
        "lokr": LoKrConfig(r=2, alpha=5, target_modules=names, decompose_factor=2),
        "lokr_both": LoKrConfig(r=1, alpha=5, target_modules=names, decompose_both=True,
                                decompose_factor=4),
        "lokr_conv": LoKrConfig(r=1, alpha=5, target_modules=names, decompose_factor=2),
        "lokr_tucker": LoKrConfig(r=1, alpha=5, target_modules=names, use_effective_conv2d=True,
                                  decompose_factor=2),
    }.items():
        model = randomised(get_peft_model(base_tree(names, cases.weights), config), generator)
        tensors = {}
        for name, part in parts_of(model).items():
            if "lokr_w1" in part and "lokr_w2" in part:
                # Two whole factors have no rank: LyCORIS scales them by 1, peft by alpha / r.
                part["lokr_w1"] = part["lokr_w1"] * (config.alpha / config.r)
            tensors |= {f"{kohya(name)}.{key}": value for key, value in part.items()}
            tensors[f"{kohya(name)}.alpha"] = torch.tensor(float(config.alpha))
        cases.save(case, tensors, merged(model, names))


def other_cases(cases, generator):
    def randn(*shape):
        return torch.randn(shape, generator=generator) * 0.3

    # LoCon with a core: the three convolutions one after the other are the added one.
    name, rank = CONV[0], 3
    up, mid, down = randn(8, rank, 1, 1), randn(rank, rank, 3, 3), randn(rank, 4, 1, 1)
    x = randn(2, 4, 5, 5)
    conv = torch.nn.functional.conv2d
    whole = torch.einsum("or,rskl,si->oikl", up[:, :, 0, 0], mid, down[:, :, 0, 0])
    torch.testing.assert_close(conv(x, whole), conv(conv(conv(x, down), mid), up))
    cases.save("locon_tucker",
               {f"{kohya(name)}.lora_up.weight": up, f"{kohya(name)}.lora_mid.weight": mid,
                f"{kohya(name)}.lora_down.weight": down, f"{kohya(name)}.alpha": torch.tensor(1.5)},
               {name: cases.weights[name] + whole * 0.5})
    diff, bias = randn(8, 4, 3, 3), randn(8)
    norm, norm_bias = randn(4), randn(4)
    cases.save("full",
               {f"{kohya(CONV[0])}.diff": diff, f"{kohya(CONV[0])}.diff_b": bias,
                f"{kohya(NORM)}.w_norm": norm, f"{kohya(NORM)}.b_norm": norm_bias},
               {CONV[0]: cases.weights[CONV[0]] + diff,
                f"{CONV[0]}.bias": cases.weights[f"{CONV[0]}.bias"] + bias,
                f"{NORM}.weight": cases.weights[f"{NORM}.weight"] + norm,
                f"{NORM}.bias": cases.weights[f"{NORM}.bias"] + norm_bias})
    outputs, inputs = randn(8), randn(12)
    cases.save("ia3",
               {f"{kohya(LINEAR[0])}.weight": outputs,
                f"{kohya(LINEAR[0])}.on_input": torch.tensor(False),
                f"{kohya(LINEAR[2])}.weight": inputs,
                f"{kohya(LINEAR[2])}.on_input": torch.tensor(True)},
               {LINEAR[0]: cases.weights[LINEAR[0]] * (1 + outputs[:, None]),
                LINEAR[2]: cases.weights[LINEAR[2]] * (1 + inputs[None, :])})


def main():
    OUT.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(18)
    weights = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    weights[f"{CONV[0]}.bias"] = torch.randn(8, generator=generator)
    weights |= {f"{NORM}.weight": torch.randn(4, generator=generator),
                f"{NORM}.bias": torch.randn(4, generator=generator)}
    cases = Cases(weights)
    lora_cases(cases, generator)
    peft_cases(cases, generator)
    other_cases(cases, generator)
    base = {}
    for name, value in weights.items():
        prefix = "text_encoder." if name.startswith("text_model") else "unet."
        base[prefix + name + ("" if name.endswith((".weight", ".bias")) else ".weight")] = value
    save_file(base, OUT / "base.safetensors")
    save_file(cases.expected, OUT / "expected.safetensors")


if __name__ == "__main__":
    main()
