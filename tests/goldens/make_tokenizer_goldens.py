"""Token ids of transformers' CLIPTokenizer, for tests/pipeline/text/tokenizer_test.cpp.

Usage: python tests/goldens/make_tokenizer_goldens.py     (writes tokenizer.json beside itself)
Needs transformers 5.23.0 and tokenizers 0.23.3. Deterministic: one seed, no network.

tokenizer.json:
  texts           [text, ids] without special tokens, of the bundled model's tokenizer
  bytes           [hex of bytes that are not UTF-8, ids of them decoded with "replace"]
  padded          [text, ids] with padding="max_length", truncation=True; and the cut tokens decoded
  decoded         [ids, text] with skip_special_tokens=True
  configurations  the same vocabulary with other files beside it: the files, and ids of some texts
"""

import itertools
import json
import os
import pathlib
import random
import tempfile
import unicodedata

import tokenizers
import transformers
from transformers import CLIPTokenizer

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent / "assets" / "models" / "flowers" / "tokenizer"
START, END = "<|startoftext|>", "<|endoftext|>"
rng = random.Random(20221009)

FLOWERS = ["daisy", "dandelion", "rose", "sunflower", "tulip"]
COLOURS = ["red", "orange", "yellow", "pink", "purple", "blue", "white"]
STYLES = ["a photo of", "a close-up of", "a picture of", "a black and white photo of",
          "a sepia photo of", "a pencil sketch of", "a watercolor painting of", "an oil painting of"]
PLACES = ["", "at night", "at sunset", "in the fog", "on a green background", "in the grass",
          "on a black background", "on a dark background", "against a blue sky",
          "on a white background"]

HAND_WRITTEN = [
    "", " ", "a", "A", "  two  spaces  ", "hello", "Hello, World!", "hello , world !",
    # Contractions, in each case and with each apostrophe.
    *[f"{p}{q}{s}{e}" for p in ("I", "WE", "the dog", "", "!", "5")
      for q in ("'", "\u2019", "\u2018", "\u02bc", "`", "\u00b4", "\uff07", "''")
      for s in ("s", "t", "re", "ve", "m", "ll", "d", "S", "RE", "Ll", "x") for e in ("", "n now")],
    # Numbers.
    "1", "12", "1234567890", "3.14159", "1,000,000", "1e-5", "0xFF", "2nd", "50%", "$5", "#1", "½",
    "x²", "Ⅳ ⅳ", "①②③", "१२३", "٣٤٥", "𝟘𝟙𝟚", "一二三", "〇", "1st-2nd", "v1.5", "768x768", "10:30",
    # Accents, composed and decomposed, and marks out of order.
    "café", "cafe\u0301", "naïve", "Ångström", "A\u030angstro\u0308m", "Å", "\u212b", "\u2126", "\u212a",
    "a\u0301\u0323", "a\u0323\u0301", "\u1ea5\u0323", "e\u0301\u0301\u0302", "Việt Nam", "Tiếng Việt",
    "\u0344", "\u0958", "\u0f73", "\u1fef", "\u2000\u2001", "\u0340\u0341", "\ufb1d", "\u0301 alone",
    # Case: final sigma, dotted I, sharp s, ligatures, titlecase digraphs, letters without case.
    "ΟΔΥΣΣΕΥΣ", "ΣΑΣ ΣΟΦΟΣ", "Σ", "ΑΣ.", "İstanbul", "I İ ı i", "DİYARBAKIR", "ẞ ß STRASSE Straße",
    "ﬁne ﬂow ﬃ ﬄ ﬅ ﬆ", "Ǆ ǅ ǆ Ǳ", "ŉ ǰ ΐ", "ÀÉÎÕÜ", "ЁЖИК ёжик", "Ѐ", "ᲐᲑᲒ აბგ", "Ꭰ ꭰ Ᏸ ᏸ", "Ａｂｃ", "𝐀𝐁",
    "𐐀𐐨", "Ⓐⓐ", "Ꞌꞌ", "ẚ", "Ω\u0345", "ᾼ ᾳ ᾈ",
    # Scripts.
    "一只红色的花", "漢字かなカナ", "ひらがなと漢字", "ｶﾞ ガ カ\u3099", "한국어", "\u1112\u1161\u11ab\u1100\u1173\u11af", "각\u11a8", "ㅎㅏㄴ",
    "مرحبا بالعالم", "صورة \u064b\u0651 زهرة", "שלום עולם", "שָׁלוֹם", "नमस्ते दुनिया", "क्षत्रिय", "สวัสดีชาวโลก", "น้ำ", "ภาพถ่าย",
    "ကမ္ဘာ", "སངས་རྒྱས", "ខ្មែរ", "தமிழ்", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી", "ਪੰਜਾਬੀ", "සිංහල", "አማርኛ", "Հայերեն", "ქართული",
    "Ελληνικά ώ \u1f7d", "Русский язык", "Українська ї и\u0308 й и\u0306", "ⴰⵎⴰⵣⵉⵖ", "ᠮᠣᠩᠭᠣᠯ", "ᏣᎳᎩ", "ᐃᓄᒃᑎᑐᑦ", "𓀀𓁐", "𒀀𒁀", "𐎀𐎁", "ꦗꦮ",
    # Emoji: sequences, flags, skin tones, keycaps, tags.
    "😀", "a 😀b", "😀😀😀", "👩‍👩‍👧‍👦", "👍🏽", "👩🏿‍🚀", "🇩🇪🇫🇷", "🏳️‍🌈", "❤️", "❤", "☺︎", "1️⃣", "#️⃣", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "🫠🫱🏻‍🫲🏿", "🌹🌷🌻 red", "🦰", "\u200d", "\ufe0f", "\U0001fae9", "\U0001f6d8",
    # White space and what only looks like it.
    *[f"a{c}b{c}{c} c{c}" for c in "\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2003\u2007"
      "\u200a\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff\u2800\u3164\u115f\xad\x00\x08\x7f\x1b"],
    " \t\n ", "\u3000", "\r\n\r\n", "trailing\n", "\nleading", "a \u0301b", "a\u00a0\u0301b",
    # Controls, private use, noncharacters, unassigned.
    *[chr(c) for c in range(0xa0)], "nul\0inside", "\0\0", "\ue000\uf8ff", "\U000f0000\U0010fffd", "\ufdd0", "\ufffe",
    "\uffff", "\U0001ffff", "\U0010ffff", "\u0378", "\u0530", "\U0002fa20", "\ufffd", "\ufff9\ufffa\ufffb", "\ufffc",
    # Special tokens inside, whole, broken and in other cases.
    *[t.format(a=a, b=b) for t in ("{a}", "{a}{b}", " {a} ", "x{a}y", "x {a} y", "{a}'s", "'{a}", "!{a}!", "<{a}>", "{a}\u0338",
                                   "{a}{a}", "\t{a}\n{b}", "é{a}É") for a in (START, END) for b in (START, END)],
    *[t.format(a=a) for t in ("{a}", "x{a}y", "{a}!!", "!!{a}!!", "{a}{a}", "{a}'s", "{a}1", "({a})", " {a}")
      for a in ("<|STARTOFTEXT|>", "<|EndOfText|>", "<|ENDOFTEXT|>", "<|endoftext|", "|endoftext|>", "<|endoftext>",
                "<| endoftext |>", "<|\u0130|>", "<|startoftext|\u0338>", "<|pad|>", "</w>", "<|endofte\u017ft|>")],
    # Punctuation.
    "...", "?!", "—–-‐‑", "«guillemets»", "„quotes“", "(a)[b]{c}", "a/b\\c", "a_b", "__init__", "a@b.co", "http://x.y/z?q=1&r=2",
    "C++", "C#", "x=y", "~`^|", "<b>bold</b>", "&amp; &lt;", "\"'\"'s", "''s", "'", "''", "'s's't", "can't've", "o'clock", "rock'n'roll",
    "'tis", "y'all'd've", "''ll", "'lll", "'rere", "d'd", "€£¥₿", "©®™", "†‡•", "∀x∈ℝ", "√2≈1.414", "→←↑↓", "♠♥♦♣", "\u02bcn",
]

# Characters by the Unicode version that brought them: the reference's parts know different versions.
NEW_CHARACTERS = [
    0x1E134, 0x1E2EC, 0x0EBA, 0x119E0, 0x1ABF, 0x1AC0, 0x10EAB, 0x16FF0, 0x11943, 0x1193D, 0xA82C, 0x11935, 0x11930,
    0x0898, 0x08CA, 0x1AC1, 0x1DFA, 0x0C3C, 0x11070, 0x1715, 0x10F82, 0x1E2AE, 0x10EFD, 0x1E08F, 0x1E4EC, 0x11F41,
    0x1E944, 0x1E94A, 0x1DF6, 0x11A34, 0x10D24, 0x1133B, 0x08D3, 0x09FE, 0x1145E, 0x16D63, 0x16D67, 0x16D69,
    0x113C2, 0x113B8, 0x1611E, 0x11382, 0x113C9, 0x105D2, 0x0307, 0x1C89, 0x1C8A, 0xA7CB, 0xA7CC, 0xA7CE, 0xA7CF,
    0xA7D2, 0xA7D4, 0xA7DA, 0xA7DC, 0x10D50, 0x10D65, 0x10D70, 0x16EA0, 0x16EAC, 0x16EB8, 0x16EBB, 0x16ED3, 0x10D40,
    0x116D0, 0x11BF0, 0x16130, 0x16D70, 0x1CCF0, 0x1E5F1, 0x105C0, 0x105F3, 0x10EC2, 0x11380, 0x1138E, 0x113D1,
    0x11BC0, 0x13460, 0x143FA, 0x16100, 0x16D40, 0x18CFF, 0x1E5D0, 0x1E5F0, 0x2EBF0, 0x2EE5D, 0x323B0, 0x2FFFC, 0x31EF,
    0x1FAE9, 0x20C1, 0xA7F1, 0x10D4A, 0x10D6F, 0x1C89, 0x0870, 0x2C2F, 0xA7C0, 0xA7D0, 0x10570, 0x1DF00, 0x31350,
    0x1E4D0, 0x11F04, 0x11F50, 0x1D2C0, 0x11240, 0x0CF3, 0x1E030, 0x1AFF0, 0x16E40, 0x1C90, 0x1CBD, 0x2C5F, 0xA7B8,
]


def captions(count):
    every = []
    for style, colour, flower, place in itertools.product(STYLES, COLOURS, FLOWERS, PLACES):
        for noun in (flower, flower + " flower"):
            article = "an" if colour == "orange" else "a"
            every.append(f"{style} {article} {colour} {noun} {place}".strip())
    chosen = rng.sample(every, count)
    case = [str, str.title, str.upper, str.capitalize, lambda s: s + ".", lambda s: s.replace(" ", "  ")]
    return [case[i % 6](c) if i % 3 == 0 else c for i, c in enumerate(chosen)]


def any_character():
    """One character: of all planes, but mostly of where the planes are inhabited."""
    ranges = [(0, 0x7F), (0x80, 0x24F), (0x250, 0x6FF), (0x300, 0x36F), (0x700, 0x1FFF), (0x2000, 0x2BFF),
              (0x2C00, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x3FFFF), (0x40000, 0x10FFFF)]
    low, high = rng.choice(ranges)
    return chr(rng.randint(low, high))


MARKS = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
BASES = list("aeiouAEIOUnNsSyYcC") + ["α", "Ω", "и", "И", "क", "가", "ᄀ", "か", "א", "ل", "<", "=", "ꪖ"]
SNIPPETS = [" ", " ", "  ", "'", "'s", "'LL", "’t", "!", "...", "<|", "|>", START, END, "</w>", "12", "a", "Photo",
            "ROSE", "\n", "\u00a0", "\u0301", "é", "İ", "Σ", "ß", "花", "😀", "\u200d", "🏽", "\u0000", "\u3000", "-", "_"]


def fuzz(count):
    for i in range(count):
        kind = i % 4
        if kind == 0:
            yield "".join(any_character() for _ in range(rng.randint(1, 10)))
        elif kind == 1:
            yield "".join(rng.choice(BASES) + "".join(rng.choices(MARKS, k=rng.randint(0, 4)))
                          for _ in range(rng.randint(1, 4)))
        elif kind == 2:
            yield "".join(rng.choice(SNIPPETS) for _ in range(rng.randint(1, 14)))
        else:
            start = rng.choice([0x20, 0xA0, 0x370, 0x400, 0x590, 0x900, 0x1100, 0x1E00, 0x1F00, 0x2070, 0x3040, 0x4E00,
                                0xAC00, 0xFB00, 0xFF00, 0x10400, 0x1D400, 0x1F300])
            yield "".join(chr(start + rng.randint(0, 255)) if rng.random() < 0.85 else " "
                          for _ in range(rng.randint(2, 10)))


def words(count):
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    made = []
    for _ in range(count):
        made.append("".join(rng.choices(letters, weights=range(26, 0, -1), k=rng.randint(1, 9))))
    return " ".join(made)


def malformed():
    fixed = ["ff", "fe", "80", "bf", "c0af", "c1bf", "c3", "c328", "e28228", "e282", "eda080", "edbfbf", "eda080edb080",
             "f0808080", "f09f98", "f09f9841", "f4908080", "f5808080", "f8888080 80".replace(" ", ""), "e0808080", "e09f80",
             "61e28262", "61ff62", "6180c3a9", "f09f9880f09f98", "efbfbd", "c3a9c3", "00ff00", "f0f0f0", "e2e282ac"]
    made = [bytes.fromhex(h) for h in fixed]
    for _ in range(170):
        good = "".join(any_character() for _ in range(rng.randint(1, 4))).encode()
        data = bytearray(good + b" a")
        for _ in range(rng.randint(1, 4)):
            position = rng.randrange(len(data))
            action = rng.randrange(3)
            if action == 0:
                data[position] = rng.randrange(256)
            elif action == 1 and len(data) > 1:
                del data[position]
            else:
                data.insert(position, rng.randrange(0x80, 256))
        made.append(bytes(data))
    return made


def added(content, normalized, **flags):
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False, **flags}


def typed(content):
    return {"__type": "AddedToken", **added(content, True)}


def configurations():
    """Files beside vocab.json and merges.txt, as different versions of transformers wrote them."""
    old = {"bos_token": typed(START), "eos_token": typed(END), "unk_token": typed(END), "model_max_length": 77,
           "tokenizer_class": "CLIPTokenizer", "errors": "replace", "do_lower_case": True, "add_prefix_space": False}
    old_map = {"bos_token": added(START, True), "eos_token": added(END, True), "unk_token": added(END, True)}
    new = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": "!", "model_max_length": 77,
           "added_tokens_decoder": {"0": added("!", False, special=True), "49406": added(START, True, special=True),
                                    "49407": added(END, True, special=True)}}
    listed = [{"id": 49406, **added(START, False, special=True)}, {"id": 49407, **added(END, False, special=True)}]
    return [
        {"name": "no configuration", "files": {}},
        {"name": "Stable Diffusion 1.5", "files": {
            "tokenizer_config.json": {**old, "pad_token": END}, "special_tokens_map.json": {**old_map, "pad_token": END}}},
        {"name": "Stable Diffusion 2.1", "files": {
            "tokenizer_config.json": {**old, "pad_token": END}, "special_tokens_map.json": {**old_map, "pad_token": "!"}}},
        {"name": "pad token as an object", "files": {
            "tokenizer_config.json": {**old, "pad_token": typed("!")}}},
        {"name": "pad token as an object of the map", "files": {
            "special_tokens_map.json": {**old_map, "pad_token": added("!", False)}}},
        {"name": "added_tokens_decoder wins over the map", "files": {
            "tokenizer_config.json": new, "special_tokens_map.json": {"pad_token": END}}},
        {"name": "shorter limit", "files": {"tokenizer_config.json": {**old, "pad_token": END, "model_max_length": 20}}},
        {"name": "added_tokens.json", "files": {"added_tokens.json": {"<my-style>": 49408, "Garden": 49409}}},
        {"name": "flags", "files": {"tokenizer_config.json": {**new, "pad_token": END, "added_tokens_decoder": {
            "49406": added(START, False, special=True), "49407": added(END, False, special=True),
            "49408": {**added("<left>", False), "lstrip": True}, "49409": {**added("<right>", False), "rstrip": True},
            "49410": {**added("rose", True), "single_word": True}, "49411": {**added("<BOTH>", True), "lstrip": True, "rstrip": True},
            "49412": added("rosebud", True), "49413": {**added("<Secret>", True), "special": True}}}}},
        {"name": "additional special tokens", "files": {
            "special_tokens_map.json": {**old_map, "pad_token": "!", "additional_special_tokens": ["<one>", "two"]}}},
        {"name": "a vocabulary that lacks most bytes", "files": TINY},
        {"name": "merges with the line ends of Windows", "files": {**TINY, "merges.txt": TINY["merges.txt"].replace("\n", "\r\n")}},
        {"name": "tokenizer.json, merges as lines", "tokenizer.json": {"merges": "lines", "added_tokens": listed}, "files": {}},
        {"name": "tokenizer.json, merges as pairs, pad token !", "tokenizer.json": {"merges": "pairs", "added_tokens": listed},
         "files": {"tokenizer_config.json": {**old, "pad_token": "!"}}},
    ]


# "t h" stands twice: its last place counts. What is not here is the unknown token, <|endoftext|>.
TINY = {
    "vocab.json": {"i": 0, "n": 1, "in": 2, "t": 3, "h": 4, "th": 5, "thi": 6, "hi": 7, "n</w>": 8, "in</w>": 9, "i</w>": 10,
                   "<|endoftext|>i": 11, START: 12, END: 13, "e": 14},
    "merges.txt": "#version: 0.2\nt h\nh i\ni n</w>\ni n\nt h\nth i\n<|endoftext|> i\n",
}

CONFIGURATION_TEXTS = [
    "thin", "in thi i", "xi ixin", "ththiin hithin",
    "", "hello!", "! ! !!", "a photo of a red rose!", f"a {START} b {END} c", "A <|STARTOFTEXT|> B <|EndOfText|>!", f"{END}\u0338",
    "x <left> y", "x<left>y", "x <right> y", "x  <both>  y", "x <BOTH> y", "rose", "Rose roses prose rose, rose_ rose1", "ROSEBUD rosebuds",
    "a rose", "in the <my-style> garden", "in the Garden", "<MY-STYLE>", "<one> two TWO twofold", "<secret> <Secret>", "<left> <right> <left>",
    "caf\u00e9 <left>", "<right>\u3000\u00a0z", " ".join(["red tulip!"] * 40),
]


def fill(folder, configuration):
    whole = configuration.get("tokenizer.json")
    if whole:
        vocabulary = json.loads((SOURCE / "vocab.json").read_text("utf-8"))
        merges = (SOURCE / "merges.txt").read_text("utf-8").splitlines()[1:]
        if whole["merges"] == "pairs":
            merges = [m.split(" ") for m in merges]
        model = {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": vocabulary, "merges": merges}
        parts = {"truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": None, "post_processor": None,
                 "decoder": None}
        (folder / "tokenizer.json").write_text(
            json.dumps({"version": "1.0", **parts, "added_tokens": whole["added_tokens"], "model": model}), "utf-8")
    else:
        for name in {"vocab.json", "merges.txt"} - configuration["files"].keys():
            os.symlink(SOURCE / name, folder / name)
    for name, content in configuration["files"].items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def padded_ids(tokenizer, text):
    limit = min(tokenizer.model_max_length, 77)
    return tokenizer(text, padding="max_length", max_length=limit, truncation=True)["input_ids"]


def main():
    transformers.logging.set_verbosity_error()
    tokenizer = CLIPTokenizer.from_pretrained(SOURCE)

    texts = HAND_WRITTEN + captions(700)
    texts += [t.format(chr(c)) for c in NEW_CHARACTERS for t in ("{}", "x{0}y {0} ", "a\u0345{}", "a{}\u0334")]
    texts += list(fuzz(3200))
    texts += [words(10000), "".join(rng.choices("etaoinshrdlu", k=5000)), "a" * 5000, "ab" * 700, "!" * 1000, "7" * 300,
              "\u0301" * 300, "花" * 300, "😀" * 100, END * 90, "a" + "\u0323\u0301" * 100]
    texts = list(dict.fromkeys(texts))

    padded = []
    for text in [words(n) for n in range(15, 60)] + ["red " * n for n in range(70, 82)] + captions(20) + \
            ["", " ", "a" * 5000, END * 90, "花" * 60, "😀" * 60, f"{'red ' * 80}{END} a 'Tail', here! é</w>"]:
        limited = padded_ids(tokenizer, text)
        cut = ids_of(tokenizer, text)[75:]
        padded.append([text, limited, len(cut), tokenizer.decode(cut, skip_special_tokens=True)])

    decoded = []
    for i in range(600):
        if i % 2:
            ids = [rng.randrange(49408) for _ in range(rng.randint(1, 8))]
        else:
            ids = rng.sample(range(512), 6) + [49406, 49407]
        decoded.append([ids, tokenizer.decode(ids, skip_special_tokens=True)])
    for text in rng.sample(texts, 300):
        if len(text) < 200:
            decoded.append([ids_of(tokenizer, text), tokenizer.decode(ids_of(tokenizer, text), skip_special_tokens=True)])

    tested = []
    for configuration in configurations():
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            fill(folder, configuration)
            other = CLIPTokenizer.from_pretrained(folder)
            cases = []
            for text in CONFIGURATION_TEXTS:
                ids = ids_of(other, text)
                cases.append([text, ids, padded_ids(other, text), other.decode(ids, skip_special_tokens=True)])
            tested.append({**configuration, "cases": cases})

    golden = {
        "reference": f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}",
        "texts": [[t, ids_of(tokenizer, t)] for t in texts],
        "bytes": [[b.hex(), ids_of(tokenizer, b.decode("utf-8", "replace"))] for b in malformed()],
        "padded": padded,
        "decoded": decoded,
        "configurations": tested,
    }
    path = HERE / "tokenizer.json"
    path.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    print(f"{path.name}: {len(texts)} texts, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
