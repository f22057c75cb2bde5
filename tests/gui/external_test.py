#!/usr/bin/env python3
"""keepsake-gui --external as darktable, RawTherapee and their like start it: a 16-bit TIFF with a
profile and metadata comes back changed, and of the same size, depth, profile and metadata; discarded
it is byte for byte what it was; one that is changed meanwhile is left alone; what could not come back
is refused before a window opens.

Usage: external_test.py KEEPSAKE_GUI KEEPSAKE SOURCE_TREE [SCREENSHOTS]
"""
import json
import os
import pathlib
import struct
import subprocess

import drive
from drive import Window, expect

TEXT = "a photo of a red daisy"


def profile():
    """A small RGB profile that is not sRGB: Adobe RGB's primaries, gamma 2.2 (ICC.1, version 2)."""
    fixed = lambda value: struct.pack(">i", round(value * 65536))
    xyz = lambda *values: b"XYZ \0\0\0\0" + b"".join(map(fixed, values))
    text = b"a profile of the test\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    tags = [(b"desc", description + b"\0" * (-len(description) % 4)),
            (b"cprt", b"text\0\0\0\0none\0\0\0\0"), (b"wtpt", xyz(0.9642, 1, 0.8249)),
            (b"rXYZ", xyz(0.6097, 0.3111, 0.0195)), (b"gXYZ", xyz(0.2053, 0.6257, 0.0609)),
            (b"bXYZ", xyz(0.1492, 0.0632, 0.7446)),
            (b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)]
    table, data, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags:
        table += name + struct.pack(">II", at + len(data), len(content))
        data += content
    size = 128 + len(table) + len(data)
    header = (struct.pack(">I4sI4s4s4s", size, b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ") +
              struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 +
              fixed(0.9642) + fixed(1) + fixed(0.8249)).ljust(128, b"\0")
    return header + table + data


def tiff(width, height, samples):
    """A TIFF of one strip of 16-bit RGB samples (TIFF 6.0), little-endian."""
    expect(len(samples) == width * height * 6, f"{len(samples)} bytes of samples")
    short, long, ascii_, undefined, rational = 3, 4, 2, 7, 5
    entries = [(256, short, 1, struct.pack("<H", width)), (257, short, 1, struct.pack("<H", height)),
               (258, short, 3, struct.pack("<3H", 16, 16, 16)), (259, short, 1, b"\1\0"),
               (262, short, 1, b"\2\0"), (271, ascii_, 7, b"Camera\0"), (273, long, 1, None),
               (277, short, 1, b"\3\0"), (278, short, 1, struct.pack("<H", height)),
               (279, long, 1, struct.pack("<I", len(samples))),
               (282, rational, 1, struct.pack("<2I", 240, 1)),
               (283, rational, 1, struct.pack("<2I", 240, 1)), (284, short, 1, b"\1\0"),
               (296, short, 1, b"\2\0"), (315, ascii_, 15, b"A Photographer\0"),
               (34675, undefined, len(profile()), profile())]
    directory, data = struct.pack("<H", len(entries)), b""
    at = 8 + 2 + 12 * len(entries) + 4
    outside = sum(len(value) + len(value) % 2 for *_, value in entries if value and len(value) > 4)
    for tag, kind, count, value in entries:
        if value is None:
            value = struct.pack("<I", at + outside)
        if len(value) > 4:
            place = struct.pack("<I", at + len(data))
            data += value + b"\0" * (len(value) % 2)
        else:
            place = value.ljust(4, b"\0")
        directory += struct.pack("<HHI", tag, kind, count) + place
    return b"II*\0\x08\0\0\0" + directory + b"\0\0\0\0" + data + samples


class Trials(drive.Walk):
    def __init__(self, program, command_line, source, folder, pictures):
        super().__init__(folder, pictures)
        self.program, self.command_line = str(pathlib.Path(program).resolve()), command_line
        self.daisy = pathlib.Path(source) / "assets/photos/daisy-19813618946.jpg"

    def photo(self, name):
        """As a developer of raw photos writes it: 16 bits, a wide profile, the camera's name."""
        samples = subprocess.run(["convert", str(self.daisy), "-resize", "300x240!", "-depth", "16",
                                  "-attenuate", "0.2", "+noise", "Gaussian", "-endian", "LSB",
                                  "rgb:-"], check=True, stdout=subprocess.PIPE).stdout
        path = self.folder / name
        path.write_bytes(tiff(300, 240, samples))
        return path

    def start(self, *arguments):
        self.window = Window(self.program, self.display, self.folder, *arguments)
        self.window.wait("the photo and the model", lambda state: state["photo"] and state["model"]
                         and state["activity"] == "idle")
        return self.window

    def edited(self, path):
        """A window with a finished edit of the file."""
        window = self.start("--external", path)
        widgets = window.state()["widgets"]
        for gone in "Open\u2026", "Home", "Export\u2026":
            expect(gone not in widgets, f"'{gone}' leads away from the photo")
        window.key("ctrl+o")
        self.apply(window)
        expect("open path" not in window.state()["widgets"], "the dialog to open others came up")
        return window

    def apply(self, window):
        """Has the edit made, in few steps."""
        window.click("text")
        window.type(TEXT)
        window.key("Tab", "ctrl+d")
        for field, value in ("Drawing steps", 2), ("Word steps", 2), ("Photo steps", 2):
            window.scroll_to(field, 660)
            window.fill(field, str(value))
        window.key("ctrl+d", "ctrl+Return")
        window.wait("the edit", lambda state: state["shown"] and state["activity"] == "idle")

    def ended(self):
        status = self.window.process.wait(timeout=drive.PATIENCE)
        report = (self.folder / "stderr.txt").read_text()
        expect(status == 0 or drive.only_unloaded_leaks(report), f"the window ended with {status}")

    def discard(self):
        path = self.photo("left alone.tif")
        before = path.read_bytes()
        window = self.edited(path)
        self.look("external")
        window.click("Discard")
        self.ended()
        expect(path.read_bytes() == before, "the discarded photo was changed")
        self.start("--external", path).key("ctrl+w")
        self.ended()
        expect(path.read_bytes() == before, "the photo was changed by closing")

    def described(self, path):
        return subprocess.run(["identify", "-format", "%wx%h %z %C %[resolution.x]", str(path)],
                              check=True, stdout=subprocess.PIPE, text=True).stdout

    def save(self):
        path = self.photo("lent photo.tif")
        os.chmod(path, 0o640)
        before = path.read_bytes()
        original = self.folder / "original.tif"
        original.write_bytes(before)
        window = self.edited(path)
        window.key("ctrl+s")
        self.ended()
        expect(path.read_bytes() != before, "nothing was saved")
        expect(path.stat().st_mode & 0o777 == 0o640, "who may read it was changed")
        expect([entry.name for entry in self.folder.glob(".keepsake-tmp-*")] == [], "a rest was left")
        was, now = self.described(original), self.described(path)
        expect(was.split()[:2] == now.split()[:2] == ["300x240", "16"], f"{was} became {now}")
        expect(was.split()[3] == now.split()[3], f"the resolution {was} became {now}")
        icc = subprocess.run(["convert", str(path), "icc:-"], check=True, stdout=subprocess.PIPE).stdout
        expect(icc == profile(), "the profile was changed")
        # Other programs read it: the samples differ, and by more than the lowest bit.
        apart = subprocess.run(["compare", "-metric", "AE", str(original), str(path), "null:"],
                               stderr=subprocess.PIPE, text=True).stderr.split()[0]
        expect(float(apart) > 1000, f"only {apart} pixels differ")
        report = json.loads(subprocess.run([self.command_line, "compare", original, path, "--json"],
                                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
        kept = [field for field in report["metadata"] if field["fate"] == "kept"]
        expect(any(field["before"] == "A Photographer" for field in kept), f"kept was {kept}")
        lost = [field for field in report["metadata"] if field["fate"] == "lost"]
        expect(not lost, f"metadata was lost: {lost}")
        told = json.loads((self.folder / "state.json").read_text())["proof"]
        expect(told and not told["lost"] and "size, profile and metadata kept" in told["text"],
               f"the window told {told}")

    def what_is_lost_is_read(self):
        """A profile that is none cannot come back: the window says so, and waits to be closed."""
        path = self.photo("broken profile.tif")
        broken = path.read_bytes().replace(profile(), b"no profile".ljust(len(profile())))
        path.write_bytes(broken)
        window = self.edited(path)
        window.key("ctrl+s")
        window.wait("the loss", lambda state: "broken profile.tif: " in state["notice"] and
                    "profile lost" in state["notice"] and "Close" in state["widgets"])
        self.look("lost")
        expect(path.read_bytes() != broken, "nothing was saved")
        expect("Save and close" not in window.state()["widgets"], "it can be saved twice")
        window.click("Close")
        self.ended()

    def by_button(self):
        """A PNG, by the name that programs without arguments call."""
        path = self.folder / "lent.png"
        subprocess.run(["convert", str(self.daisy), "-resize", "160x120!", "-depth", "16",
                        "-define", "png:bit-depth=16", str(path)], check=True)
        link = self.folder / "keepsake-external"
        link.symlink_to(self.program)
        own, self.program = self.program, link
        try:
            window = self.start(path)
        finally:
            self.program = own
        expect("Save and close" in window.state()["widgets"], "it was not opened for another program")
        self.apply(window)
        # Changed by somebody else meanwhile: left alone.
        theirs = path.read_bytes() + b"theirs"
        own_bytes = path.read_bytes()
        path.write_bytes(theirs)
        window.click("Save and close")
        window.wait("the refusal", lambda state: "was changed by another program" in state["notice"]
                    and "Dismiss" in state["widgets"])
        self.look("refused")
        expect(path.read_bytes() == theirs, "what another program wrote was overwritten")
        path.write_bytes(own_bytes)
        window.click("Save and close")
        self.ended()
        expect(path.read_bytes() not in (own_bytes, theirs), "nothing was saved")
        expect(self.described(path).split()[:2] == ["160x120", "16"], self.described(path))

    def refusals(self):
        def refused(arguments, status, *words):
            run = subprocess.run([self.program, *map(str, arguments)], stderr=subprocess.PIPE,
                                 text=True, env={**os.environ, "DISPLAY": ":none"})
            expect(run.returncode == status and all(word in run.stderr for word in words),
                   f"{arguments}: {run.returncode}: {run.stderr}")

        pages = self.folder / "pages.tif"
        subprocess.run(["convert", str(self.daisy), str(self.daisy), str(pages)], check=True)
        refused(["--external", pages], 1, "pages.tif", "has 2 pages")
        refused(["--external", self.folder / "nothing.tif"], 1, "nothing.tif")
        refused(["--external", self.folder], 1, "is a folder")
        refused(["--external", pages, pages], 2, "--external")

    STEPS = [refusals, discard, save, what_is_lost_is_read, by_button]


if __name__ == "__main__":
    drive.play(Trials, "convert", "identify", "compare")
