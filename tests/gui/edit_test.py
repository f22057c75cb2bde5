#!/usr/bin/env python3
"""The window from end to end, as a person uses it: invitation, open, type, apply, slide, compare,
vary, export, undo, reopen, on the bundled model; the exported file has the pixels that the command
line renders for the same recipe. Then what goes wrong: files that are no photos, a missing model.

Usage: edit_test.py KEEPSAKE_GUI KEEPSAKE SOURCE_TREE [SCREENSHOTS]
With a fourth argument, pictures of the steps are written to that folder.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

import drive
from drive import Window, expect

TEXT = "a photo of a red daisy"
STEPS = 6  # of each stage
DRAWING_STEPS = 4


class Journey(drive.Walk):
    def __init__(self, program, command_line, source, folder, pictures):
        super().__init__(folder, pictures)
        self.program, self.command_line, self.source = program, command_line, pathlib.Path(source)
        self.photo = self.folder / "my daisy.jpg"
        self.photo.write_bytes((self.source / "assets/photos/daisy-19813618946.jpg").read_bytes())

    def start(self, *arguments):
        self.window = Window(self.program, self.display, self.folder, *arguments)
        return self.window

    def invitation(self):
        window = self.start()
        window.wait("the samples", lambda state: "sample 5" in state["widgets"])
        window.wait("the model", lambda state: state["activity"] == "idle")
        self.look("invitation")

    def open(self):
        window = self.window
        window.key("ctrl+o")
        window.fill("open path", str(self.folder))
        window.click("open path")
        window.key("Return")
        window.wait("the folder's photo", lambda state: "file my daisy.jpg" in state["widgets"])
        self.look("open")
        window.click("file my daisy.jpg")
        window.wait("the photo", lambda state: state["photo"] == "my daisy.jpg")

    def crop(self):
        window = self.window
        whole = window.wait("the crop", lambda state: "crop corner 3" in state["widgets"])["crop"]
        x, y = window.centre("crop corner 3")
        window.drag((x, y), (x - 60, y - 60))
        window.wait("a smaller square", lambda state: state["crop"][2] < whole[2])
        x, y = window.centre("crop square")
        window.drag((x, y), (x + 24, y + 24))
        window.wait("a moved square", lambda state: state["crop"][0] > 0 and state["crop"][1] > 0)
        self.look("crop")

    def type(self):
        window = self.window
        window.click("text")
        window.type("x " * 90)
        window.wait("what is cut", lambda state: "cut text" in state["widgets"])
        self.look("cut")
        window.key("ctrl+a")
        window.type(TEXT)
        window.wait("the text", lambda state: state["field_text"] == TEXT)
        window.key("Tab", "ctrl+d")
        for field, value in [("Drawing steps", DRAWING_STEPS), ("Word steps", STEPS),
                             ("Photo steps", STEPS)]:
            window.scroll_to(field, 660)
            if field == "Drawing steps":
                self.look("advanced")
                window.click("Sampler")
                window.click("Sampler dpmpp_2m")
                window.click("Schedule")
                window.click("Schedule karras")
            window.fill(field, str(value))
        window.key("ctrl+d")

    def apply(self):
        window = self.window
        window.key("ctrl+Return")
        state = window.wait("steps", lambda state: state["activity"] == "tuning" and state["done"] > 0)
        looks = state["quick_looks"]
        expect(len(looks) == 1 and not state["renders"], f"quick looks {looks}")
        window.place(f"quick look {round(looks[0] * 10)}")
        self.look("progress")
        window.click("Stop")
        state = window.wait("the stop", lambda state: state["activity"] == "idle")
        expect(state["tuned"] in ("partly", "fully"), "what was learned was not kept")
        window.click("Apply")
        state = window.wait("the strip", lambda state: len(state["renders"]) >= 13)
        expect(state["tuned"] == "fully" and state["shown"] == [state["eta"], 0],
               "the strip is there without an edit")
        self.session = pathlib.Path(state["session"])
        sampling = json.loads((self.session / "recipe.json").read_text())["keepsake"]["sample"]
        expect(sampling["schedule"] == "karras" and sampling["sampler"] == "dpmpp_2m",
               f"the session draws by {sampling}")
        self.first = state["shown"]
        expect(not [name for name in state["widgets"] if name.startswith("quick look")],
               "the quick look is not replaced by the learned picture")
        self.look("result")

    def slide(self):
        window = self.window
        x, y, width, height = window.place("slider")
        at = lambda eta: (x + width * eta / 1.2, y + height / 2)
        window.wait("the live pictures", lambda state: state["live"] >= 13)
        before = len(window.drawn(0))
        window.move(*at(0.9))
        window.xdotool("mousedown", 1)
        for eta in (0.86, 0.82, 0.78, 0.74):
            window.move(*at(eta))
            if eta == 0.82:
                self.look("sliding")
        window.xdotool("mouseup", 1)
        state = window.wait("the slider", lambda state: abs(state["field_eta"] - 0.74) < 0.02)
        eta = state["field_eta"]
        window.wait("the exact picture", lambda state: state["shown"] == [eta, 0])
        drawn = window.drawn(before)
        expect("live" in drawn, f"no live picture while the slider moved: {drawn}")
        expect("nearest" not in drawn and "other" not in drawn, f"the picture flickered: {drawn}")
        window.key("Right")
        state = window.wait("one more hundredth", lambda state: state["field_eta"] > eta)
        self.eta = state["field_eta"]
        expect(abs(self.eta - eta - 0.01) < 1e-9, f"an arrow key moved from {eta} to {self.eta}")
        window.wait("its picture", lambda state: state["shown"] == [self.eta, 0])

    def compare(self):
        window = self.window
        for key, view in [("2", "wipe"), ("3", "side_by_side"), ("4", "difference"), ("1", "edit")]:
            window.key(key)
            window.wait(view, lambda state: state["view"] == view)
            if view == "wipe":
                x, y = window.centre("wipe line")
                window.drag((x, y), (x - 120, y))
                window.wait("the line where it was dragged", lambda state: abs(
                    state["widgets"]["wipe line"][0] - (x - 120)) < 8)
            self.look(view)
        window.move(*window.centre("canvas"))
        for _ in range(3):
            window.xdotool("click", 4)
        window.wait("a closer look", lambda state: state["zoom"] > 1.5)
        window.key("0")
        window.wait("the whole picture", lambda state: state["zoom"] == 1)

    def mask(self):
        window = self.window
        window.key("m")
        window.wait("the mask", lambda state: state["view"] == "mask")
        window.click("mask Found automatically")
        window.wait("the automatic mask", lambda state: state["region"][0] == "automatic" and
                    state["region_shown"])
        x, y, width, height = window.place("mask threshold")
        window.drag((x + width * 0.5, y + height / 2), (x + width * 0.3, y + height / 2))
        window.wait("a lower threshold", lambda state: 0.2 < state["region"][1] < 0.4)
        self.look("mask-automatic")
        window.click("tint inside")
        self.look("mask-inside")
        window.click("tint outside")
        window.move(*window.centre("canvas"))
        window.key("o")
        window.wait("no tint", lambda state: not state["mask_tint"])
        window.key("o")
        window.wait("the tint", lambda state: state["mask_tint"])
        brush = window.state()["brush"]
        window.key("bracketright", "bracketright")
        window.wait("a larger brush", lambda state: state["brush"] > brush * 1.3)
        window.click("mask Clear")
        window.wait("nothing inside", lambda state: state["region"][0] == "painted" and
                    state["region_undo"] == [True, False])
        self.look("mask-nothing")
        x, y, width, height = window.place("mask square")
        at = lambda u, v: (x + width * u, y + height * v)
        window.drag(at(0.35, 0.4), at(0.65, 0.55))
        window.drag(at(0.65, 0.35), at(0.4, 0.6))
        self.look("mask-painted")
        window.drag(at(0.5, 0.45), at(0.52, 0.5), button=3)
        self.look("mask-erased")
        window.key("ctrl+z")
        window.wait("the stroke undone", lambda state: state["region_undo"] == [True, True])
        x, y, width, height = window.place("mask feather")
        window.drag((x + width * 0.12, y + height / 2), (x + width * 0.3, y + height / 2))
        state = window.wait("a wider feather", lambda state: state["region"][2] > 0.06)
        window.click("mask Done")
        window.wait("the picture", lambda state: state["view"] == "edit")
        # Numbers as the command line is given them.
        self.region = window.state()["region"]
        self.crop_square = state["crop"]
        self.look("masked")

    def vary(self):
        window = self.window
        window.key("5")
        window.wait("nine variations", lambda state: state["variations"] == 9)
        self.look("variations")
        window.click("variation 3")
        window.wait("the chosen one", lambda state: state["shown"] == [self.eta, 3])
        window.wait("its strip", lambda state: len(state["renders"]) >= 13)

    def choose_export(self, label, kind):
        self.window.click("export " + label)
        self.window.wait(label, lambda state: state["export_kind"] == kind)

    def export(self):
        window = self.window
        self.exported = self.folder / "out.png"
        window.key("ctrl+e")
        window.wait("the photo's own format",
                    lambda state: state["export_path"].endswith(".jpg") and "Export now" in state["widgets"])
        self.choose_export("The edited area", "square")
        window.wait("a PNG", lambda state: state["export_path"].endswith("-square.png"))
        window.fill("export path", str(self.exported))
        self.look("export")
        window.click("Export now")
        window.wait("the file", lambda state: state["exported"][0] == "written")
        first = self.exported.read_bytes()
        window.wait("the dialog to close", lambda state: "Export now" not in state["widgets"])
        self.exported.write_bytes(b"something else of mine")
        window.key("ctrl+e")
        window.fill("export path", str(self.exported))
        window.click("Export now")
        window.wait("the question", lambda state: "Replace it" in state["widgets"])
        expect(self.exported.read_bytes() == b"something else of mine", "overwritten without asking")
        window.click("Replace it")
        window.wait("the dialog to close", lambda state: "Export now" not in state["widgets"])
        expect(self.exported.read_bytes() == first, "the second export differs")
        self.exported_photo = self.folder / "photo.png"
        self.proofs = {}
        for kind, name in [("The edited photo", "photo.png"), ("The edited photo", "photo.jpg"),
                           ("The whole strip", "strip.jpg"), ("Before and after", "both.webp"),
                           ("Before and after", "both.tif")]:
            window.key("ctrl+e")
            self.choose_export(kind, {"The edited photo": "photo", "The whole strip": "strip",
                                      "Before and after": "before_after"}[kind])
            window.fill("export path", str(self.folder / name))
            window.click("Export now")
            window.wait(name, lambda state: state["exported"][:2] == ["written", str(self.folder / name)])
            window.wait("the dialog to close", lambda state: "Export now" not in state["widgets"])
            if kind == "The edited photo":
                state = window.wait("the comparison", lambda state: state["proof"] and
                                    state["notice"] == state["proof"]["text"])
                self.proofs[name] = state["proof"]
                self.look("exported-" + name.replace(".", "-"))
            else:
                expect(window.state()["proof"] is None, f"{name} was compared with the photo")

    def undo(self):
        window = self.window
        window.key("ctrl+z")
        window.wait("undo", lambda state: state["shown"] == [self.eta, 0])
        # One more than the results that lie before, however many the slider's rests became on a slow
        # machine; at the first nothing is undone.
        window.key(*["ctrl+z"] * (window.state()["history_at"] + 1))
        window.wait("the first result", lambda state: state["shown"] == self.first)
        window.key("ctrl+shift+z")
        window.wait("redo", lambda state: state["shown"] != self.first)
        window.click("history 0")
        window.wait("the first result by a click", lambda state: state["shown"] == self.first)
        window.key("F1")
        window.wait("the keys", lambda state: state["help"])
        self.look("keys")
        window.key("Escape")
        window.wait("the keys to go", lambda state: not state["help"])
        window.close()

    def render(self, name, seed, *options):
        """What the command line makes of the window's recipe."""
        out = self.folder / name
        subprocess.run([self.command_line, "render", self.session, "--eta", f"{self.eta:g}", "--seed",
                        str(seed), "--out", out, "--quiet", *options], check=True,
                       stdout=subprocess.DEVNULL)
        return drive.read_png(out)

    def same_pixels(self):
        square = drive.read_png(self.exported)
        expect(square == self.render("square.png", 3, "--no-full"),
               "the exported square is not what the command line renders")
        expect(square != self.render("other.png", 4, "--no-full"), "another seed has the same pixels")
        photo = drive.read_png(self.exported_photo)
        _, threshold, feather = self.region
        masked = self.render("whole.png", 3, "--mask", self.session / "mask.png", "--mask-threshold",
                             repr(threshold), "--mask-feather", repr(feather))
        expect(photo == masked, "the exported photo is not what the command line makes of it")
        expect(photo[:2] == (192, 192), f"the exported photo is {photo[:2]} pixels")
        expect(photo != self.render("unmasked.png", 3), "the mask changes nothing")
        self.outside_stays(photo, threshold)

    def outside_stays(self, photo, threshold):
        """Outside of what was painted, the exported photo is the photo itself."""
        columns, rows, mask = drive.read_png(self.session / "mask.png")
        left, top, width, height = self.crop_square
        expect((columns, rows) == (width, height),
               f"the mask has {columns} x {rows} pixels, the area {width} x {height}")
        original = drive.pixels_of(self.photo)[2]
        # The first and the last column and row of an area within the photo have faded to nothing.
        inside = [mask[3 * i] > 255 * threshold and 0 < i % columns < columns - 1 and
                  0 < i // columns < rows - 1 for i in range(columns * rows)]
        changed = 0
        for y in range(192):
            for x in range(192):
                at = 3 * (y * 192 + x)
                if photo[2][at:at + 3] == original[at:at + 3]:
                    continue
                u, v = x - left, y - top
                expect(0 <= u < columns and 0 <= v < rows and inside[v * columns + u],
                       f"the pixel {x}, {y} outside the mask was changed")
                changed += 1
        expect(changed > 300, f"only {changed} pixels inside the mask were changed")
        expect(left > 0 and top > 0 and left + columns < 192 and top + rows < 192,
               f"the area {self.crop_square} is not within the photo")
        told, outside = self.proofs["photo.png"], 192 * 192 - sum(inside)
        expect(told["outside"] == [0, outside, 0] and told["inside"][0] == changed,
               f"{outside} pixels are outside, {changed} were changed; the window told {told}")
        expect(f"photo.png: 0 of {outside:,} pixels outside the mask changed" in told["text"] and
               not told["lost"] and not told["fault"], told["text"])
        lossy = self.proofs["photo.jpg"]
        expect(lossy["outside"][1] == outside and 0 < lossy["outside"][2] < 64 and
               f"by at most {lossy['outside'][2]} of 255: JPEG loses a little" in lossy["text"],
               lossy["text"])

    def reopen(self):
        window = self.start()
        window.click("recent 0")
        state = window.wait("the session", lambda state: state["shown"] is not None)
        expect(state["session"] == str(self.session), "another session was opened")
        expect(len(state["renders"]) >= 13, "what was rendered is not there at once")
        expect(state["history"] >= 4, f"of the history, {state['history']} are there")
        expect(state["field_text"] == TEXT, "the text is not there")
        expect(state["region"] == self.region, f"the mask came back as {state['region']}")
        self.look("reopened")

    def faults(self):
        window = self.window
        damaged = self.folder / "damaged.jpg"
        damaged.write_bytes(self.photo.read_bytes()[:3000])
        window.key("ctrl+o")
        window.fill("open path", str(damaged))
        window.click("open path")
        window.key("Return")
        window.wait("the fault", lambda state: "damaged.jpg" in state["notice"])
        self.look("fault")
        window.click("Dismiss")
        window.close()
        window = self.start("--model", self.folder / "no-such-model", self.photo)
        window.wait("the fault", lambda state: "no-such-model" in state["model_fault"])
        window.wait("the photo all the same", lambda state: state["photo"] == "my daisy.jpg")
        window.click("Use bundled model")
        window.wait("the model", lambda state: state["model"].endswith("flowers") and
                    not state["model_fault"])
        window.close()

    def full_resolution(self):
        """A photo with more pixels than the compared pictures: zoomed in, its own are shown."""
        large = self.folder / "large.png"
        subprocess.run(["convert", str(self.photo), "-filter", "Lanczos", "-resize", "3000x2000!",
                        "-sharpen", "0x2", "-attenuate", "0.3", "+noise", "Gaussian",
                        f"PNG24:{large}"], check=True)
        session = self.folder / "large.keepsake"
        edited = self.folder / "large-edited.png"
        subprocess.run([self.command_line, "edit", large, TEXT, "--session", session, "--eta", "0.9",
                        "--embedding-steps", "2", "--finetune-steps", "2", "--steps", "4", "--out",
                        edited, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        before, after = drive.pixels_of(large), drive.pixels_of(edited)
        expect(before[:2] == after[:2] == (3000, 2000), f"the large photo is {after[:2]} pixels")
        window = self.start(session)
        state = window.wait("the edit", lambda state: state["shown"] is not None)
        expect(state["tiles"] == [0, 0], "tiles were made that nobody looks at")
        if state["shown"] != [0.9, 0]:
            window.click("strip 9")
        window.wait("strength 0.9", lambda state: state["shown"] == [0.9, 0])
        # Both pictures, and the edit alone.
        for key, view, widgets in [("3", "side_by_side", {"picture before": before,
                                                          "picture after": after}),
                                   ("1", "edit", {"picture": after})]:
            window.key(key)
            window.wait(view, lambda state: state["view"] == view)
            window.move(*window.centre("canvas"))
            window.key("0", "z")
            window.wait("100 %", lambda state: abs(state["percent"] - 100) < 0.01)
            window.wait("the photo's own pixels", self.tiles_are_there)
            self.same_as_shown(widgets)
            self.look("full-" + view)
        for _ in range(5):
            window.xdotool("click", 4)
        window.wait("single pixels", lambda state: state["percent"] > 250)
        self.look("full-pixels")
        window.key("0")
        window.wait("no part any more", lambda state: state["detail"][2] == 0)
        window.close()

    @staticmethod
    def tiles_are_there(state):
        x, y, width, height = state["detail"]
        count = ((x + width - 1) // 512 - x // 512 + 1) * ((y + height - 1) // 512 - y // 512 + 1)
        return width > 0 and state["tiles"][0] >= count and state["tiles"][1] >= count

    def same_as_shown(self, widgets):
        """What the screen shows in the middle of each widget's visible part is that picture."""
        time.sleep(0.5)
        screen = self.folder / "screen.ppm"
        self.window.picture(screen)
        screen = drive.pixels_of(screen)
        canvas = self.window.place("canvas")
        for i, (widget, picture) in enumerate(widgets.items()):
            x, y, _, _ = self.window.place(widget)
            left = round(canvas[0] + canvas[2] * (2 * i + 1) / (2 * len(widgets))) - 80
            top = round(canvas[1] + canvas[3] / 2) - 60
            shown = drive.block(screen, left, top, 160, 120)
            own = drive.block(picture, left - round(x), top - round(y), 160, 120)
            apart = max(abs(a - b) for row, line in zip(shown, own) for a, b in zip(row, line))
            expect(apart <= 1, f"at 100 %, {widget} is up to {apart} of 255 from the photo's pixels")

    def files(self):
        """Names of the folder that KEEPSAKE_FILES says are listed, completed and loaded."""
        folder = self.folder / "root/models/Lora"
        folder.mkdir(parents=True)
        shutil.copy(self.session / "lora.safetensors", folder / "my daisy.safetensors")
        (self.folder / "root/embeddings").mkdir()
        (self.folder / "root/embeddings/grain.safetensors").write_bytes(b"never read")
        if self.window:
            self.window.kill()
        os.environ["KEEPSAKE_FILES"] = str(self.folder / "root")
        window = self.start(self.photo)
        window.wait("the photo", lambda state: state["photo"] and state["activity"] == "idle")
        window.key("Tab", "ctrl+d")
        window.place("LoRAs")
        self.to_the_panels_end()
        # What came into the folder after the window was opened is listed when the list is.
        (folder / "late.safetensors").write_bytes(b"never read")
        window.click("list of LoRAs")
        window.place("LoRAs late")
        window.move(600, 706)  # the line of status
        window.xdotool("click", 1)
        window.wait("the list to close", lambda state: "LoRAs late" not in state["widgets"])
        (folder / "late.safetensors").unlink()
        window.click("list of LoRAs")
        window.wait("the list without it", lambda state: "LoRAs my daisy" in state["widgets"] and
                    "LoRAs late" not in state["widgets"])
        window.click("LoRAs my daisy")
        state = window.wait("the LoRA of the list", lambda state: state["model_parts"][1] and
                            state["activity"] == "idle")
        expect(state["model_parts"][1].split(":")[0].endswith("my daisy.safetensors"),
               f"{state['model_parts']}")
        self.to_the_panels_end()
        window.click("LoRAs")
        window.key("ctrl+a")
        window.type("my")
        window.wait("the name", lambda state: "complete my daisy" in state["widgets"])
        self.look("files")
        window.key("Tab")
        window.type(":0.5")
        window.key("Return")
        window.wait("the LoRA by its name", lambda state: state["model_parts"][1].endswith(
            "my daisy.safetensors:0.5"))
        window.scroll_to("text", 660)
        window.click("text")
        window.type("a photo of a daisy, gra")
        window.wait("the embedding", lambda state: "complete grain" in state["widgets"])
        window.close()

    def to_the_panels_end(self):
        self.window.move(1100, 300)
        for _ in range(40):
            self.window.xdotool("click", 5)

    STEPS = [invitation, open, crop, type, apply, slide, compare, mask, vary, export, undo,
             same_pixels, reopen, faults, full_resolution, files]


if __name__ == "__main__":
    drive.play(Journey, "import", "convert")
