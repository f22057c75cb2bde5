#!/usr/bin/env python3
"""What goes wrong, and what is out of the ordinary, in the real window: photos of every kind dropped
on it, damaged files and sessions, a library that cannot be written, a full disk, a window that is
killed while it learns, two windows on one session, small and finely resolved displays. Each ends in
the right picture or in an error that names the thing and what to do, and the program goes on.

Usage: robust_test.py KEEPSAKE_GUI KEEPSAKE SOURCE_TREE [SCREENSHOTS]
"""
import json
import os
import pathlib
import signal
import shutil
import subprocess
import time

import drive
from drive import Window, expect
from drop import drop, open_display

TEXT = "a photo of a red daisy"
# 0.6: the strength on which the window opens a session.
SHORT = ["--embedding-steps", "2", "--finetune-steps", "2", "--steps", "2", "--eta", "0.6", "--quiet"]

# Its name, what ImageMagick makes it with, and the part of it that the window proposes.
PHOTOS = [
    ("large.jpg", ["-resize", "6000x4000!", "-quality", "85"], [0, 0, 6000, 4000]),
    ("wide.jpg", ["-resize", "4000x500!"], [1500, 0, 1000, 500]),
    ("tall.jpg", ["-resize", "500x4000!"], [0, 1500, 500, 1000]),
    ("tiny.png", ["-resize", "20x16!"], [0, 0, 20, 16]),
    ("sixteen bits.png", ["-resize", "300x240!", "-depth", "16", "-define", "png:bit-depth=16"],
     [0, 0, 300, 240]),
    ("four colours.jpg", ["-resize", "320x240!", "-colorspace", "CMYK"], [0, 0, 320, 240]),
    ("transparent.png", ["-resize", "320x240!", "-alpha", "set", "-channel", "A", "-evaluate", "set",
                         "50%"], [0, 0, 320, 240]),
    ("grey & \u00e4lter.jpg", ["-colorspace", "Gray"], [0, 0, 192, 192]),
]


def turned(jpeg):
    """The JPEG with EXIF that says it was taken with the camera on its side (orientation 6)."""
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


class Trials:
    def __init__(self, program, command_line, source, folder, pictures):
        self.program, self.command_line, self.source = program, command_line, pathlib.Path(source)
        self.folder, self.pictures = pathlib.Path(folder), pictures
        self.daisy = self.source / "assets/photos/daisy-19813618946.jpg"
        self.windows, self.displays = [], []

    @property
    def window(self):
        return self.windows[-1] if self.windows else None

    def display(self, width=1280, height=720):
        self.displays.append(drive.Display(width, height))
        return self.displays[-1]

    def start(self, display, *arguments, home=None, **options):
        home = home or self.folder / f"home {len(self.windows)}"
        home.mkdir(exist_ok=True)
        window = Window(self.program, display, home, *arguments, **options)
        self.windows.append(window)
        window.wait("the model", lambda state: state["model"] and state["activity"] == "idle" and
                    ("sample 5" in state["widgets"] or state["photo"]))
        return window

    def look(self, window, name):
        if self.pictures:
            time.sleep(0.5)
            window.picture(pathlib.Path(self.pictures, f"{name}.png"))

    def end(self):
        for window in self.windows:
            window.kill()
        for display in self.displays:
            display.close()

    def make(self, name, options):
        path = self.folder / name
        subprocess.run(["convert", str(self.daisy), *options, str(path)], check=True)
        return path

    def opened(self, window, paths, name, square=None):
        """Dropped, it is open, without an error on the screen."""
        drop(window, paths)
        state = window.wait(name, lambda state: state["photo"] == name and
                            state["activity"] == "idle")
        window.wait("no error", lambda state: "Dismiss" not in state["widgets"])
        expect(square is None or state["crop"] == square, f"{name}: its part is {state['crop']}")

    def refused(self, window, path, *words):
        """Dropped, the window says so and stays with what is open."""
        before = window.state()["photo"]
        drop(window, [path])
        state = window.wait(f"an error with {words}", lambda state: "Dismiss" in state["widgets"] and
                            all(word in state["notice"] for word in words))
        expect(state["photo"] == before, f"{path}: the photo that was open is gone")

    def photos(self):
        window = self.start(self.display())
        for name, options, square in PHOTOS:
            self.opened(window, [self.make(name, options)], name, square)
            self.look(window, name)
        wide = self.make("upright.jpg", ["-resize", "320x240!"])
        wide.write_bytes(turned(wide.read_bytes()))
        self.opened(window, [wide], wide.name, [0, 0, 240, 320])
        self.refused(window, self.source / "README.md", "README.md", "is not an image")
        cut = self.folder / "cut.jpg"
        cut.write_bytes(self.daisy.read_bytes()[:3000])
        self.refused(window, cut, "cut.jpg", "damaged", "another copy")
        (self.folder / "empty.png").write_bytes(b"")
        self.refused(window, self.folder / "empty.png", "empty.png", "is an empty file")
        self.refused(window, self.make("small.png", ["-resize", "8x8!"]), "small.png", "16x16")
        self.look(window, "refused")
        photos = self.source / "assets/photos"
        rose = "rose-394990940.jpg"
        self.opened(window, [photos / "README.md", photos / rose], rose)
        drop(window, [photos / "README.md", photos / rose, self.daisy])
        state = window.wait("the queue", lambda state: state["room"] == "queue" and
                            len(state["queue"]["edits"]) == 2)
        expect(state["photo"] == rose, "the open photo is gone")
        window.click("room Edit")
        drop(window, [photos])
        window.wait("the folder", lambda state: "file " + rose in state["widgets"])
        window.click("file " + self.daisy.name)
        window.wait("the daisy", lambda state: state["photo"] == self.daisy.name)
        # A folder by a relative name, and what is above it.
        window.key("ctrl+o")
        window.click("open path")
        window.key("ctrl+a")
        window.type(os.path.relpath(self.source / "assets"))
        window.key("Return")
        window.wait("the folder", lambda state: "file photos" in state["widgets"])
        window.click("Up")
        window.wait("the folder above", lambda state: "file assets" in state["widgets"])
        window.key("Escape")
        window.wait("the dialog to close", lambda state: "open path" not in state["widgets"])
        window.close()

    def sessions(self):
        """Made by the command line of a photo eight times as wide as it is high, then spoilt."""
        whole = self.folder / "wide.keepsake"
        subprocess.run([self.command_line, "edit", self.folder / "wide.jpg", TEXT, *SHORT, "--session",
                        whole, "--out", self.folder / "wide-edit.png"], check=True,
                       stdout=subprocess.DEVNULL)
        window = self.start(self.display())

        def spoilt(name, spoil):
            folder = self.folder / f"{name}.keepsake"
            shutil.copytree(whole, folder)
            spoil(folder)
            return folder

        def cut(file):
            return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:300])

        grey = self.folder / PHOTOS[-1][0]
        self.refused(window, spoilt("lacks its photo", lambda folder: (folder / "photo.jpg").unlink()),
                     "lacks its photo", "photo is missing", "put it back")
        self.refused(window, spoilt("cut photo", cut("photo.jpg")), "photo.jpg", "another copy")
        self.refused(window, spoilt("other photo", lambda folder: shutil.copy(grey, folder / "photo.jpg")),
                     "other photo.keepsake", "put that one back")
        self.refused(window, spoilt("cut recipe", cut("recipe.json")), "recipe.json",
                     "open " + str(self.folder / "cut recipe.keepsake/photo.jpg"))
        for file in "lora.safetensors", "embeddings.safetensors", "losses.json":
            drop(window, [spoilt("cut " + file, cut(file))])
            window.wait(f"what is wrong with {file}", lambda state: file in state["notice"] and
                        "remove that file" in state["notice"] and "Dismiss" in state["widgets"])
        self.look(window, "spoilt session")
        # What it says to do.
        again = self.folder / "cut lora.safetensors.keepsake"
        (again / "lora.safetensors").unlink()
        drop(window, [again])
        window.wait("the session", lambda state: state["tuned"] == "partly" and
                    state["session"] == str(again))
        window.click("Apply")
        window.wait("what was learned again", lambda state: state["shown"] and
                    len(state["renders"]) >= 13)
        drop(window, [spoilt("cut history", lambda folder: (folder / "history.json").write_text("[{"))])
        window.wait("the session without its history", lambda state: len(state["renders"]) >= 13 and
                    state["session"].endswith("cut history.keepsake") and state["photo"] == "wide.jpg")
        self.look(window, "wide edit")
        window.key("ctrl+e")
        out = self.folder / "wide from window.png"
        window.fill("export path", str(out))
        window.click("Export now")
        window.wait("the file", lambda state: state["exported"][:2] == ["written", str(out)])
        expect(drive.read_png(out) == drive.read_png(self.folder / "wide-edit.png"),
               "the wide photo's export is not what the command line made")
        window.close()

    def disks(self):
        """A library on a disk of its own, in a mount namespace."""
        if subprocess.run(["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"],
                          stderr=subprocess.DEVNULL).returncode != 0:
            print("disks: skipped, no file systems can be mounted here")
            return
        display = self.display()
        for options, words in [("ro", ["sessions", "Read-only", "--library"]),
                               ("size=64k", ["No space left", "make room", "Go on"])]:
            library = self.folder / f"library {options}"
            library.mkdir()
            script = f'mount -t tmpfs -o {options} none "{library}" && exec "$@"'
            window = self.start(display, "--library", library, self.daisy,
                                before=["unshare", "-rm", "sh", "-c", script, "sh"])
            window.click("text")
            window.type(TEXT)
            self.short_tuning(window)
            window.key("ctrl+Return")
            window.wait(f"an error with {words}", lambda state: "Dismiss" in state["widgets"] and
                        all(word in state["notice"] for word in words))
            self.look(window, f"disk {options}")
            whole = self.folder / "wide.keepsake"
            drop(window, [whole])
            window.wait("a session elsewhere", lambda state: state["session"] == str(whole) and
                        state["shown"] and state["activity"] == "idle")
            window.close()

    def short_tuning(self, window, steps=2):
        window.key("Tab", "ctrl+d")
        for field, value in ("Drawing steps", 2), ("Word steps", steps), ("Photo steps", steps):
            window.scroll_to(field, 660)
            window.fill(field, str(value))
        window.key("ctrl+d")

    def ends(self):
        """Closed and terminated while it learns, then killed; a second window; what is learned at
        last is whole."""
        display, home = self.display(), self.folder / "ends"
        window = self.start(display, self.daisy, home=home)
        window.click("text")
        window.type(TEXT)
        self.short_tuning(window, 60)
        window.key("ctrl+Return")
        steps = window.wait("steps", lambda state: state["stage"] == "embedding" and
                            state["done"] > 2)["done"]
        begin = time.monotonic()
        window.close()
        print(f"closed while it learned in {time.monotonic() - begin:.1f} s")
        window = self.start(display, home=home)
        window.click("recent 0")
        state = window.wait("what was learned", lambda state: state["tuned"] == "partly")
        expect(state["field_text"] == TEXT and state["photo"] == self.daisy.name, "the edit is lost")
        window.click("Apply")
        before = window.wait("more steps", lambda state: state["stage"] == "embedding" and
                             state["done"] > steps + 1)["done"]
        window.process.send_signal(signal.SIGTERM)
        expect(window.process.wait(60) == 128 + signal.SIGTERM, "SIGTERM did not end the window well")
        window = self.start(display, home=home)
        window.click("recent 0")
        window.wait("what was learned", lambda state: state["tuned"] == "partly")
        window.click("Apply")
        state = window.wait("steps", lambda state: state["activity"] == "tuning" and state["done"] > 0)
        expect(state["done"] >= before, f"of {before} steps {state['done']} were saved at SIGTERM")
        window.wait("the second part", lambda state: state["stage"] == "finetune" and
                    state["done"] > 2)
        window.kill()
        window = self.start(display, home=home)
        window.click("recent 0")
        state = window.wait("what was learned", lambda state: state["tuned"] == "partly")
        expect(state["photo"] == self.daisy.name, f"the photo is now called {state['photo']}")
        other = self.start(display)
        self.refused(other, state["session"], state["session"], "in use", "wait for it or stop it")
        other.close()
        window.focus()
        window.click("Apply")
        window.wait("the strip", lambda state: state["tuned"] == "fully" and
                    len(state["renders"]) >= 13)
        window.move(*window.centre("canvas"))
        for view in "1", "2":
            window.key(view)
            window.xdotool("keydown", "b")
            window.wait("the original", lambda state: "original" in state["widgets"])
            window.xdotool("keyup", "b")
            window.wait("the edit", lambda state: "original" not in state["widgets"])
        window.close()

    def whole_on(self, window, widgets):
        """All of these are on the screen, none cut off by its edge."""
        width, height = self.size
        for name in widgets:
            x, y, w, h = window.place(name)
            expect(x >= 0 and y >= 0 and x + w <= width and y + h <= height,
                   f"{name} is cut off at {width}x{height}: {x}, {y}, {w}x{h}")

    def layout(self, display, size, scale, text_height):
        self.size = size
        home = self.folder / f"layout {size[0]}"
        (home / "keepsake").mkdir(parents=True)
        (home / "keepsake/recent.json").write_text(json.dumps([str(self.folder / "wide.keepsake")]))
        window = self.start(display, home=home, size=size, scale=scale)
        self.whole_on(window, ["Open a photo", *(f"sample {i}" for i in range(6)), "recent 0"])
        self.look(window, f"invitation {size[0]}")
        height = window.place("Open a photo")[3]
        expect(height == text_height, f"the button is {height} pixels high, not {text_height}")
        window.click("recent 0")
        window.wait("the edit", lambda state: len(state["renders"]) >= 13)
        self.whole_on(window, ["view Variations", "Undo", "Export\u2026", "?", "text", "Apply",
                               "strip 0", "strip 12", "slider", "canvas"])
        window.key("ctrl+e")
        self.whole_on(window, ["export The whole strip", "quality", "export path", "Export now"])
        window.key("Escape")
        window.wait("the dialog to close", lambda state: "Export now" not in state["widgets"])
        window.key("ctrl+o")
        self.whole_on(window, ["open path", "Up"])
        window.key("Escape")
        window.wait("the dialog to close", lambda state: "open path" not in state["widgets"])
        window.key("F1")
        self.whole_on(window, ["help"])
        window.key("Escape")
        window.wait("the keys to go", lambda state: not state["help"])
        window.key("ctrl+d")
        window.scroll_to("Model", size[1] - 40)
        self.look(window, f"advanced {size[0]}")
        window.close()

    def layouts(self):
        self.layout(self.display(1024, 700), (1024, 700), None, 40)
        self.layout(self.display(2560, 1440), (2560, 1440), 2, 80)
        # What a desktop sets for a fine display, which GLFW reads.
        fine = self.display(2560, 1440)
        x, connection = open_display(fine.name)
        resources = b"Xft.dpi:\t192\n"
        x.XChangeProperty(connection, x.XDefaultRootWindow(connection),
                          x.XInternAtom(connection, b"RESOURCE_MANAGER", False), 31, 8, 0, resources,
                          len(resources))
        x.XFlush(connection)
        window = self.start(fine)
        expect(window.place("Open a photo")[3] == 80, "the display's scale is not followed")
        window.close()

    STEPS = [photos, sessions, disks, ends, layouts]


if __name__ == "__main__":
    os.environ["OMP_WAIT_POLICY"] = "passive"
    drive.play(Trials, "convert", chosen=os.environ.get("KEEPSAKE_GUI_TRIALS", "").split())
