"""The ten photos and the two texts of each that the fast mode is judged on. Python's own library
only."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES, MORE = ROOT / "assets" / "photos", ROOT / "tests" / "bench" / "photos"
EDITS = [
    (SAMPLES / "daisy-19813618946.jpg", "daisy", ("red", "purple")),
    (SAMPLES / "tulip-9048307967.jpg", "tulip", ("red", "pink")),
    (SAMPLES / "pink-tulip-480228053.jpg", "tulip", ("yellow", "red")),
    (SAMPLES / "rose-394990940.jpg", "rose", ("yellow", "purple")),
    (SAMPLES / "sunflower-14925397651.jpg", "sunflower", ("red", "purple")),
    (SAMPLES / "dandelion-1128626197.jpg", "dandelion", ("red", "purple")),
    (MORE / "daisy-2513618768.jpg", "daisy", ("pink", "yellow")),
    (MORE / "tulips-17295127995.jpg", "tulip", ("yellow", "red")),
    (MORE / "sunflower-14928117202.jpg", "sunflower", ("red", "purple")),
    (MORE / "daisy-15207766.jpg", "daisy", ("red", "blue")),
]


def texts(word, colours):
    return [f"a photo of a {colour} {word}" for colour in colours]
