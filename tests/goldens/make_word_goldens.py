"""Token ids of texts with words that textual inversion adds: tests/pipeline/text/added_words_test.cpp.

Usage: python make_word_goldens.py      with the packages of requirements.txt. Writes words.json
beside itself, of the bundled model's tokenizer:
  words   [name, vectors]; a name's vectors are added as name, name_1, ... as diffusers'
          load_textual_inversion adds them
  texts   [text, ids] without special tokens. A name of several vectors is replaced by all of them
          after the text is tokenised; where the text has it as it was added, diffusers'
          maybe_convert_prompt before it gives the same ids, which is checked here.
  padded  [text, ids] with padding="max_length", truncation=True, likewise replaced before cutting
"""

import json
import pathlib

from diffusers.loaders.textual_inversion import TextualInversionLoaderMixin
from transformers import CLIPTokenizer

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


if __name__ == "__main__":
    make_ids()
