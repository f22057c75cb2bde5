#!/usr/bin/env python3
"""The mode inpaint in the window: Apply asks to paint, what is painted is drawn anew, and the export is
the photo itself everywhere else.

Usage: inpaint_test.py KEEPSAKE_GUI KEEPSAKE SOURCE_TREE [SCREENSHOTS]
"""
import json
import pathlib
import subprocess

import drive
from drive import Window, expect

TEXT = "a photo of a red rose"


class Inpainting(drive.Walk):
    def __init__(self, program, command_line, source, folder, pictures):
        super().__init__(folder, pictures)
        self.program, self.command_line = str(pathlib.Path(program).resolve()), command_line
        self.daisy = pathlib.Path(source) / "assets/photos/daisy-19813618946.jpg"

    def apply(self):
        self.window = window = Window(self.program, self.display, self.folder, self.daisy)
        window.wait("the photo and the model", lambda state: state["photo"] and state["model"]
                    and state["activity"] == "idle")
        window.click("text")
        window.type(TEXT)
        window.key("Tab", "ctrl+d")
        window.scroll_to("Mode", 660)
        window.click("Mode")
        window.click("Mode inpaint")
        window.scroll_to("Drawing steps", 660)
        self.look("before")
        # At once: what was chosen last must not come after the edit, with the strength before it.
        window.fill("Drawing steps", "6")
        window.key("ctrl+d", "ctrl+Return")
        state = window.wait("the mask to be painted", lambda state: state["view"] == "mask" and
                            state["tuned"] == "fully")
        expect(state["region"][0] == "painted" and not state["renders"],
               f"something was drawn without a mask: {state['renders']}")
        window.wait("the strength 1", lambda state: state["field_eta"] == 1)
        self.session = pathlib.Path(state["session"])
        self.look("asks")

    def paint(self):
        window = self.window
        x, y, width, height = window.place("mask square")
        at = lambda u, v: (x + width * u, y + height * v)
        window.drag(at(0.35, 0.4), at(0.65, 0.5))
        window.drag(at(0.35, 0.6), at(0.65, 0.6))
        window.wait("the strokes", lambda state: state["region_undo"][0] and state["region_shown"])
        self.look("painted")
        window.click("mask Done")
        window.wait("the strip", lambda state: state["view"] == "edit" and state["shown"] == [1, 0]
                    and len(state["renders"]) == 13 and state["activity"] == "idle")
        self.look("drawn")

    def export(self):
        window, out = self.window, self.folder / "out.png"
        window.key("ctrl+e")
        window.fill("export path", str(out))
        window.click("Export now")
        window.wait("the export", lambda state: state["exported"][0] == "written")
        said = self.keepsake("compare", self.daisy, out, "--mask", self.session / "mask.png", "--json")
        report = json.loads(said.stdout)
        expect(report["outside"]["differing"] == 0 and report["inside"]["differing"] > 500,
               f"compare says {report}")
        window.close()

    def opened_again(self):
        """The session is whole: mask and picture are there, and the command line draws the same."""
        self.window = window = Window(self.program, self.display, self.folder, self.session)
        window.wait("the picture", lambda state: state["shown"] == [1, 0] and
                    state["region"][0] == "painted" and len(state["renders"]) == 13)
        window.close()
        self.keepsake("render", self.session, "--mask", self.session / "mask.png", "--eta", "1",
                      "--out", self.folder / "again.png", "--format", "png", "--quiet")
        pixels = [drive.read_png(self.folder / name) for name in ("out.png", "again.png")]
        expect(pixels[0] == pixels[1], "the command line draws another picture")

    def keepsake(self, *arguments):
        run = subprocess.run([self.command_line, *map(str, arguments)], capture_output=True, text=True)
        expect(run.returncode == 0, f"{arguments}: {run.stderr}")
        return run

    STEPS = [apply, paint, export, opened_again]


if __name__ == "__main__":
    drive.play(Inpainting)
