"""Reference values of words that textual inversion adds: token ids and hidden states.

Usage: python make_word_goldens.py      with the packages of requirements.txt. Writes beside itself
  words.json          ids of texts with added words, of the bundled model's tokenizer
  words.safetensors   the text encoder of networks/text_encoder_sd1 with three added vectors: ids,
                              output, and the gradient of sum(output * probe) with respect to the vectors
  word_picture.safetensors    vectors of <c> (2) and <d> (1), made up, and what diffusers' pipeline of the
                              bundled model draws with them: the final latents (1, 8, 16, 16) of "a photo
                              of <c> in the grass" without "<d>", seed 7, DDIM 5 steps, guidance 4

words.json:
  words   [name, vectors]; a name's vectors are added as name, name_1, ... as diffusers'
          load_textual_inversion adds them
  texts   [text, ids] without special tokens. A name of several vectors is replaced by all of them
          after the text is tokenised; where the text has it as it was added, diffusers'
          maybe_convert_prompt before it gives the same ids, which is checked here.
  padded  [text, ids] with padding="max_length", truncation=True, likewise replaced before cutting
"""

import json
import pathlib

import torch
from diffusers.loaders.textual_inversion import TextualInversionLoaderMixin
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = pathlib.Path(__file__).resolve().parent
TOKENIZER = HERE.parent.parent / "assets" / "models" / "flowers" / "tokenizer"

WORDS = [("<my-rose>", 1), ("<c>", 3), ("MyTok", 2), ("zz top", 1), ("<ünï>", 2), ("qqab", 1)]
# The second of each: whether diffusers' own replacing in the text is right for it, too.
TEXTS = [
    ("<my-rose>", True), ("a photo of <my-rose>", True), ("a photo of <MY-ROSE> at night", True),
    ("a<my-rose>,<my-rose>.", True), ("<c>", True), ("a photo of <c> in the grass", True),
    ("<C> and <c>", False), ("a <c>'s petals", True), ("(<c>)!<my-rose>?", True),
    ("<c> <c>_1 <c>_2", False), ("<c>_1", False), ("<c>_12", False), ("x<c>x", True),
    ("<c><c>", True), ("mytok, MYTOK; MyTokens", False), ("listen to ZZ  TOP", True),
    ("ein <ÜNÏ> and <u\u0308ni\u0308>", False), ("qqab sqqabs QQAB", True),
    ("<my rose> < c > <my-rose", True), ("a watercolor painting of <my-rose> on a white <c>", True),
    ("", True), ("a <c>\n<my-rose>\t<c>", True), ("<|endoftext|><c><|endoftext|>", True),
]
PADDED = ["a photo of <c>", "rose " * 72 + "<c> <my-rose>", "rose " * 74 + "<c>", "<c> " * 30]


def tokens_of(name, vectors):
    return [name] + [f"{name}_{i}" for i in range(1, vectors)]


def expanded(ids, tokenizer, firsts):
    """A name's id as all its vectors', unless the text goes on with the second by itself."""
    result = []
    for i, token in enumerate(ids):
        count = firsts.get(token, 1)
        if count > 1 and i + 1 < len(ids) and ids[i + 1] == token + 1:
            count = 1
        result += range(token, token + count)
    return result


def make_ids():
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    firsts = {}
    for name, vectors in WORDS:
        assert tokenizer.add_tokens(tokens_of(name, vectors)) == vectors, name
        firsts[tokenizer.convert_tokens_to_ids(name)] = vectors
    assert min(firsts) == 49408

    def encode(text):
        return expanded(tokenizer(text, add_special_tokens=False).input_ids, tokenizer, firsts)

    texts = []
    for text, plain in TEXTS:
        ids = encode(text)
        converted = TextualInversionLoaderMixin().maybe_convert_prompt(text, tokenizer)
        same = tokenizer(converted, add_special_tokens=False).input_ids == ids
        assert same or not plain, (text, converted)
        texts.append([text, ids])
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    padded = []
    for text in PADDED:
        ids = [start] + encode(text)[:75] + [end]
        padded.append([text, ids + [tokenizer.pad_token_id] * (77 - len(ids))])
    lines = ",\n".join(json.dumps(text) for text in texts)
    content = {"words": WORDS, "padded": padded}
    (HERE / "words.json").write_text(
        json.dumps(content)[:-1] + ', "texts": [\n' + lines + "\n]}\n")


def tiny_encoder():
    with safe_open(HERE / "networks" / "text_encoder_sd1.safetensors", "pt") as file:
        config = CLIPTextConfig(**json.loads(file.metadata()["config"]))
        weights = {key[8:]: file.get_tensor(key).float()
                   for key in file.keys() if key.startswith("weights.")}
    model = CLIPTextModel(config)
    missing, surplus = model.load_state_dict(weights, strict=False)
    assert not surplus and all("position_ids" in name for name in missing), (missing, surplus)
    return model.eval().requires_grad_(False)


def make_hidden_states():
    model = tiny_encoder()
    generator = torch.Generator().manual_seed(31)
    rows = torch.randn(3, model.config.hidden_size, generator=generator)
    model.resize_token_embeddings(63, mean_resizing=False)
    table = model.get_input_embeddings().weight
    table[60:] = rows
    table.requires_grad_(True)
    ids = torch.tensor([[1, 60, 61, 7, 62, 3, 3, 2, 2, 2, 2, 2, 2],
                        [1, 4, 62, 62, 59, 60, 60, 5, 2, 2, 2, 2, 2]])
    output = model(ids).last_hidden_state
    probe = torch.randn(output.shape, generator=generator)
    (output * probe).sum().backward()
    save_file({"ids": ids, "rows": rows, "output": output.detach(), "probe": probe,
               "grad": table.grad[60:].clone()}, HERE / "words.safetensors")


def make_picture():
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    pipe = StableDiffusionPipeline.from_pretrained(TOKENIZER.parent, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    table = pipe.text_encoder.get_input_embeddings().weight.detach()
    ids = pipe.tokenizer("red tulip dandelion", add_special_tokens=False).input_ids
    noise = torch.randn(3, table.shape[1], generator=torch.Generator().manual_seed(32))
    rows = table[ids] + 0.5 * noise * table[ids].std()
    pipe.load_textual_inversion({"<c>": rows[:2]})
    pipe.load_textual_inversion({"<d>": rows[2:]})
    latents = pipe("a photo of <c> in the grass", negative_prompt="<d>", num_inference_steps=5,
                   guidance_scale=4.0, generator=torch.Generator("cpu").manual_seed(7),
                   output_type="latent").images
    save_file({"<c>": rows[:2].clone(), "<d>": rows[2:].clone(), "latents": latents},
              HERE / "word_picture.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_ids()
    make_hidden_states()
    make_picture()
