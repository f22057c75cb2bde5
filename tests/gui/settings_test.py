#!/usr/bin/env python3
"""Pictures that carry settings, opened and dropped: they are offered, used, told and taken back; a
LoRA that they name is loaded with the model.

Usage: settings_test.py KEEPSAKE_GUI KEEPSAKE SOURCE_TREE [SCREENSHOTS]
With a fourth argument, pictures of the steps are written to that folder.
"""
import os
import pathlib
import shutil
import struct
import subprocess
import zlib

import drive
from drive import Window, expect
from drop import drop

MINE = "my own words"
THEIRS = ("a (red:1.3) rose\nNegative prompt: blur\nSteps: 12, Sampler: Euler a, Schedule type: Karras, "
          "CFG scale: 6.5, Seed: 42, Size: 512x768, Model: roses-v2, Hires upscale: 2")


def with_text(png, keyword, text):
    """The PNG with a text chunk behind its header."""
    body = b"tEXt" + keyword.encode() + b"\0" + text.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]


class Settings(drive.Walk):
    def __init__(self, program, command_line, source, folder, pictures):
        super().__init__(folder, pictures)
        self.program, self.command_line, self.source = program, command_line, pathlib.Path(source)
        self.daisy = self.folder / "my daisy.jpg"
        self.daisy.write_bytes((self.source / "assets/photos/daisy-19813618946.jpg").read_bytes())
        os.environ["KEEPSAKE_FILES"] = str(self.folder / "root")

    def theirs(self, name, text):
        """A picture as AUTOMATIC1111 leaves it."""
        path = self.folder / name
        subprocess.run(["convert", str(self.daisy), "-strip", "-resize", "128x128!", f"PNG24:{path}"],
                       check=True)
        path.write_bytes(with_text(path.read_bytes(), "parameters", text))
        return path

    def run(self, *arguments):
        subprocess.run([self.command_line, *map(str, arguments), "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)

    def start(self, *arguments):
        self.window = Window(self.program, self.display, self.folder, *arguments)
        self.window.wait("the model", lambda state: state["model"] and state["activity"] == "idle")
        return self.window

    def opened(self):
        window = self.start(self.theirs("theirs.png", THEIRS))
        state = window.wait("the offer", lambda state: state["offer"] and "offer use" in state["widgets"])
        expect(state["photo"] == "theirs.png", "the picture is not the photo")
        expect(state["offer"]["by"] == "AUTOMATIC1111" and not state["offer"]["asks"], state["offer"])
        expect(state["field_text"] == "", "the text was set without being asked")
        before = state["field_sample"], state["field_seed"]
        self.look("offer")
        window.click("offer use")
        state = window.wait("the settings", lambda state: state["taken"])
        expect(state["field_text"] == "a red rose" and state["field_seed"] == 42, state["field_text"])
        sample = state["field_sample"]
        expect((sample["sampler"], sample["schedule"], sample["steps"], sample["guidance"],
                sample["negative"]) == ("euler_a", "karras", 12, 6.5, "blur"), sample)
        for told in "size 512x768", "model roses-v2", "Hires upscale 2", "attention weights":
            expect(told in state["taken"][1], f"'{told}' is not told: {state['taken']}")
        expect("theirs.png: used text, negative text, " in state["notice"] and
               "of its settings these are not used: " in state["notice"], state["notice"])
        self.look("offer-used")
        window.click("offer take back")
        window.wait("the fields of before", lambda state: state["field_text"] == "" and not state["taken"]
                    and (state["field_sample"], state["field_seed"]) == before)
        window.close()

    def dropped(self):
        own = self.folder / "ours.png"
        self.run("generate", "a yellow tulip", "--negative", "dark", "--size", 64, "--steps", 2,
                 "--seed", 9, "--sampler", "euler", "--guidance", 2, "--out", own)
        window = self.start(self.theirs("theirs.png", THEIRS))
        drop(window, [self.daisy])
        window.wait("a plain picture to open", lambda state: state["photo"] == "my daisy.jpg" and
                    not state["offer"])
        window.click("text")
        window.key("ctrl+a")
        window.type(MINE)
        drop(window, [own])
        state = window.wait("the question", lambda state: "dropped use" in state["widgets"])
        expect(state["offer"]["asks"] and state["offer"]["by"] == "Keepsake", state["offer"])
        expect(state["photo"] == "my daisy.jpg" and state["field_text"] == MINE, "it did not wait")
        self.look("dropped")
        window.click("dropped cancel")
        window.wait("nothing to have happened", lambda state: not state["offer"] and
                    "dropped use" not in state["widgets"] and state["field_text"] == MINE)
        drop(window, [own])
        window.click("dropped use")
        state = window.wait("its settings", lambda state: state["field_text"] == "a yellow tulip")
        expect(state["photo"] == "my daisy.jpg" and state["field_seed"] == 9 and
               state["field_sample"]["sampler"] == "euler" and
               state["field_sample"]["negative"] == "dark", state["field_sample"])
        self.look("dropped-used")
        window.click("offer take back")
        window.wait("my words", lambda state: state["field_text"] == MINE)
        drop(window, [own])
        window.click("dropped open")
        window.wait("the picture", lambda state: state["photo"] == "ours.png" and state["offer"] and
                    not state["offer"]["asks"])
        window.click("offer no")
        window.wait("no offer", lambda state: not state["offer"])
        window.close()

    def with_a_lora(self):
        """One that the settings name is loaded, and the fields stay as the settings say."""
        session, loras = self.folder / "s.keepsake", self.folder / "root/models/Lora"
        self.run("edit", self.daisy, "a photo of a red daisy", "--session", session, "--steps", 2,
                 "--embedding-steps", 1, "--finetune-steps", 1, "--eta", 1, "--out", self.folder / "e.png")
        loras.mkdir(parents=True)
        shutil.copy(session / "lora.safetensors", loras / "petals.safetensors")
        window = self.start(self.theirs("lora.png", "a rose <lora:petals:0.5> <lora:gone:1>\n" +
                                        THEIRS.split("\n", 1)[1]))
        before = window.state()["model_parts"]
        window.click("offer use")
        state = window.wait("the LoRA", lambda state: state["model_parts"][1].endswith(
            "petals.safetensors:0.5") and state["activity"] == "idle" and state["taken"])
        expect(state["field_text"] == "a rose" and state["field_sample"]["steps"] == 12 and
               state["field_seed"] == 42, f"{state['field_text']} {state['field_sample']}")
        expect("LoRA petals:0.5" in state["taken"][0] and "LoRA gone:1" in state["taken"][1], state["taken"])
        self.look("offer-lora")
        window.click("offer take back")
        window.wait("the model of before", lambda state: state["model_parts"] == before and
                    state["field_text"] == "" and state["field_sample"]["steps"] != 12)
        window.close()

    STEPS = [opened, dropped, with_a_lora]


if __name__ == "__main__":
    drive.play(Settings, "convert")
