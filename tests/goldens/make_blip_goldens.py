"""Captions of two tiny random BLIPs by transformers, for the tests of the captioner.

Usage: python tests/goldens/make_blip_goldens.py     (writes the folder blip beside itself)
Needs transformers and Pillow 11: 13 goes down before it goes across for some sizes, and then rounds otherwise.
Deterministic: fixed seeds, no network.

blip/base, blip/large   folders of save_pretrained: config.json, model.safetensors (float16), vocab.txt. In `large` the
                        image encoder is wider than the text decoder, as in the large model. Weights are drawn wide
                        enough that captions are more than one repeated token.
blip/outputs.safetensors, with the name of the model before each:
  picture.N        (H, W, 3) uint8; values.N: (1, 3, S, S), as BlipImageProcessorPil makes them of it
  embeddings       (N, patches + 1, D) of all pictures; logits: (N, T, vocabulary) of the ids in `sequence`
blip/outputs.json
  NAME.ids         ids that generate() gives for each picture, by how it was asked: see `asked`
  word_pieces      [text, ids without special tokens, the text that these spell]
"""
import json
import pathlib

import numpy
import PIL
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

HERE = pathlib.Path(__file__).parent / "blip"
END_BIAS = 3.2  # so that captions end at several lengths
SIZES = [(37, 53), (90, 61), (32, 32), (200, 25), (16, 70)]
WORDS = """a photo picture of red white yellow daisy rose tulip flower flowers in the grass on green field with night at sun
##set ##s ##ing ##ed ##er ##ly ##ness ##ful close up can do not don cafe naive it is we re ve ll m t s 100 20 ##00 ##th 花 草 ü
el nino straße strasse ##ße""".split()
TEXTS = [
    "", " ", "a photo of", "A Photo OF", "  two   spaces ", "a red rose in the grass", "sunset", "sunflowers", "flowering",
    "colourful daisies", "close-up", "close - up", "can't do", "don't", "it's we're we've we'll i'm", "a, b. c! d? e; f: g",
    "(a)[b]{c}<d>", "a/b\\c|d", "$5 50% #1 @x &y *z", "café", "cafe\u0301", "naïve El Niño", "Straße", "ÜBER Ü", "İstanbul",
    "ΑΣ σ", "一朵红花", "花a草", "カタカナ", "한국어", "a\u00a0b\u3000c", "a\tb\nc\rd", "a\u0000b\ufffdc", "zero\u200bwidth", "soft\u00adhyphen",
    "a\u2028b", "“quotes” – dash…", "¿que? ¡si!", "a~b`c^d", "a+b=c", "100th 2000", "1,000.50", "🌹 rose", "\U0001f979 new", "a🌹b",
    "x" * 100, "x" * 101, "a " + "q" * 120 + " b", "[SEP] a [CLS]", "a[MASK]b", "[sep]", "a [UNK] b", "rose\u0301\u0323", "ﬁne", "Ⅳ ½ ²",
    "\u0301", "е ё", "do not", "a ' b", "n't", "\x7f\x1f", "a.b.", "it ' s", "a_b", "rose's", "\u1680a", "𝐚",
]


def vocabulary():
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    signs = list("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~")
    words = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + signs + list("0123456789") + letters
    words += ["##" + c for c in letters + list("0123456789")]
    return words + [word for word in WORDS if word not in words]


def tiny(words, vision):
    count = len(words)
    text = {"vocab_size": count + 2, "hidden_size": 32, "encoder_hidden_size": vision, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 40, "bos_token_id": count,
            "sep_token_id": words.index("[SEP]"), "eos_token_id": 2, "pad_token_id": 0}
    image = {"hidden_size": vision, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
             "patch_size": 8}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=image)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            wide = "position_embeddings" in name or "crossattention.output" in name or "vision_model" in name
            drawn = torch.randn(parameter.shape) * (0.6 if wide else 0.3)
            parameter.copy_((drawn + 1 if "orm" in name and name.endswith("weight") else drawn).half().float())
        model.text_decoder.cls.predictions.bias[text["sep_token_id"]] = END_BIAS
    return model


def pictures():
    draw = numpy.random.default_rng(23)
    found = []
    for i, (width, height) in enumerate(SIZES):
        pixels = draw.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
        if i % 2:  # hard edges, which overshoot
            pixels = (pixels > 127).astype(numpy.uint8) * 255
        found.append(pixels)
    return found


def asked(tokenizer):
    prompt = tokenizer("a photo of", return_tensors="pt").input_ids
    return {
        "greedy": {"max_new_tokens": 20},
        "greedy_long": {"max_new_tokens": 12, "min_new_tokens": 12},
        "beam3": {"max_new_tokens": 20, "num_beams": 3},
        "beam3_short": {"max_new_tokens": 6, "num_beams": 3},
        "beam3_long": {"max_new_tokens": 20, "min_new_tokens": 8, "num_beams": 3},
        "beam5": {"max_new_tokens": 15, "num_beams": 5},
        "prompted": {"max_new_tokens": 20, "input_ids": prompt},
        "prompted_beam3": {"max_new_tokens": 10, "min_new_tokens": 3, "num_beams": 3, "input_ids": prompt},
    }


def of_model(name, vision, seed, words, tensors, facts):
    torch.manual_seed(seed)  # of those tried, one whose captions are not all of a length
    model = tiny(words, vision)
    folder = HERE / name
    model.half().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    model = model.float()
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
    tokenizer = BertTokenizer.from_pretrained(folder)
    prepare = BlipImageProcessorPil(size={"height": 32, "width": 32})
    values = []
    for i, pixels in enumerate(pictures()):
        values.append(prepare(Image.fromarray(pixels), return_tensors="pt").pixel_values)
        tensors |= {f"picture.{i}": torch.tensor(pixels), f"values.{i}": values[-1]}
    values = torch.cat(values)
    embeddings = model.vision_model(values).last_hidden_state
    sequence = torch.randint(7, len(words), (len(values), 9))
    sequence[:, 0] = len(words)
    logits = model.text_decoder(sequence, encoder_hidden_states=embeddings).logits
    tensors |= {name + ".embeddings": embeddings, name + ".sequence": sequence, name + ".logits": logits}
    facts[name] = {}
    for how, options in asked(tokenizer).items():
        rows = []
        for one in values:  # `generate` writes into the ids that it is given
            own = {k: v.clone() if torch.is_tensor(v) else v for k, v in options.items()}
            rows.append(model.generate(pixel_values=one[None], **own)[0].tolist())
        facts[name][how] = {"ids": rows, "texts": [tokenizer.decode(row, skip_special_tokens=True) for row in rows]}
    facts["word_pieces"] = []
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        facts["word_pieces"].append([text, ids, tokenizer.decode(ids, skip_special_tokens=True)])


@torch.no_grad()
def main():
    assert int(PIL.__version__.split(".")[0]) < 13
    tensors, facts = {}, {}
    words = vocabulary()
    of_model("base", 32, 8, words, tensors, facts)
    of_model("large", 48, 4, words, tensors, facts)
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "outputs.safetensors")
    (HERE / "outputs.json").write_text(json.dumps(facts, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
