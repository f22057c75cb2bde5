"""Reference values of UNet::text_shares: text_shares.safetensors beside this script.

Usage: python make_text_shares_goldens.py
  with the packages of requirements.txt, after make_network_goldens.py: of its U-Nets, with the
  inputs of their first call and the mean over the heads of the attention to the text.
"""

import json
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import save_file

HERE = Path(__file__).parent
# The first transformer of the level of the way up whose map is nearest to 16 places a side.
WATCHED = {"unet_sd1": "up_blocks.3.attentions.0", "unet_sd2": "up_blocks.3.attentions.0",
           "unet_bundled": "up_blocks.1.attentions.0", "unet_options": "up_blocks.1.attentions.0"}


class Watching:
    """diffusers' AttnProcessor, which keeps the probabilities."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key = attn.head_to_batch_dim(attn.to_k(encoder_hidden_states))
        value = attn.head_to_batch_dim(attn.to_v(encoder_hidden_states))
        shares = attn.get_attention_scores(query, key, attention_mask)
        self.shares = shares.unflatten(0, (-1, attn.heads)).mean(1)
        return attn.to_out[0](attn.batch_to_head_dim(shares @ value))


def shares_of(name):
    with safe_open(HERE / "networks" / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key).float() for key in file.keys()}
        config = json.loads(file.metadata()["config"])
    model = UNet2DConditionModel.from_config(config).eval()
    model.load_state_dict({key[8:]: value for key, value in tensors.items()
                           if key.startswith("weights.")})
    watching = Watching()
    block = model.get_submodule(WATCHED[name])
    block.transformer_blocks[0].attn2.set_processor(watching)
    sizes = []
    block.register_forward_hook(lambda module, inputs, output: sizes.append(inputs[0].shape[2:]))
    with torch.no_grad():
        model(tensors["sample"], tensors["timestep"], tensors["context"])
    return watching.shares.transpose(1, 2).unflatten(2, sizes[0]).contiguous()


if __name__ == "__main__":
    save_file({name: shares_of(name) for name in WATCHED}, HERE / "text_shares.safetensors")
