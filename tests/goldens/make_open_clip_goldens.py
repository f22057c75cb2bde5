"""Numbers that open_clip's layout of a CLIP is compared with.

    python make_open_clip_goldens.py

open_clip.safetensors: of tiny random CLIPs with both activations, built by open_clip's own code: the weights by its
names, features, logits; and a photo as its image_transform() brings it to the image encoder, of which neither side's
middle is a whole pixel. open_clip.json: their open_clip_config.json. Needs open_clip_torch, and Pillow before 13,
which resizes as that of make_scratch_goldens.py (pil) does.
"""
import json
import pathlib

import numpy
import open_clip
import PIL
import torch
from PIL import Image
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent


def config(quick):
    return {"model_cfg": {
        "embed_dim": 12, "quick_gelu": quick,
        "vision_cfg": {"image_size": 24, "layers": 2, "width": 16, "head_width": 8, "patch_size": 8, "mlp_ratio": 2.2},
        "text_cfg": {"context_length": 9, "vocab_size": 40, "width": 20, "heads": 2, "layers": 2}},
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "interpolation": "bicubic",
                           "resize_mode": "shortest"}}


def main():
    assert int(PIL.__version__.split(".")[0]) < 13
    torch.manual_seed(20)
    ids = torch.randint(1, 38, (4, 9))
    for row, end in enumerate([3, 8, 5, 6]):
        ids[row, 0], ids[row, end], ids[row, end + 1:] = 38, 39, 0  # padded with 0, as open_clip does
    pixels = numpy.random.default_rng(21).integers(0, 256, (37, 54, 3), dtype=numpy.uint8)
    out, configs = {"ids": ids, "photo": torch.tensor(pixels)}, {}
    for kind, quick in [("quick_gelu", True), ("gelu", False)]:
        made = config(quick)
        model = open_clip.CLIP(**made["model_cfg"])
        with torch.no_grad():  # large and random throughout, so that each tensor matters
            for name, tensor in model.named_parameters():
                tensor.add_(0.1 * torch.randn_like(tensor))
        how = open_clip.transform.PreprocessCfg(size=24, **made["preprocess_cfg"])
        values = open_clip.transform.image_transform_v2(how, is_train=False)(Image.fromarray(pixels))
        pictures = torch.cat([values[None], torch.randn(3, 3, 24, 24)])
        with torch.no_grad():
            image, text = model.encode_image(pictures), model.encode_text(ids)
            logits = model.get_logits(pictures, ids)[0]
        out |= {f"{kind}:weights.{k}": v for k, v in model.state_dict().items()}
        out |= {f"{kind}:pictures": pictures, f"{kind}:image_features": image, f"{kind}:text_features": text,
                f"{kind}:logits": logits}
        configs[kind] = made
    save_file({k: v.detach().clone().contiguous() for k, v in out.items()}, HERE / "open_clip.safetensors")
    (HERE / "open_clip.json").write_text(json.dumps(configs, indent=1) + "\n")


if __name__ == "__main__":
    main()
