#!/usr/bin/env python3
"""The room Teach from end to end, as a person uses it: drop photos, name a word, write a caption,
start, watch, stop, go on, use the word in an edit, delete it; the command line goes on with the
window's run and the window with the command line's.

Usage: teach_test.py KEEPSAKE_GUI KEEPSAKE SOURCE_TREE [SCREENSHOTS]
With a fourth argument, pictures of the steps are written to that folder.
"""
import json
import pathlib
import subprocess
import time

import drive
from drive import Window, expect
from drop import drop

STEPS = 8
PHOTOS = ["daisy-19813618946.jpg", "rose-394990940.jpg", "tulip-9048307967.jpg"]


class Lesson(drive.Walk):
    def __init__(self, program, command_line, source, folder, pictures):
        super().__init__(folder, pictures)
        self.program, self.command_line, self.source = program, command_line, pathlib.Path(source)
        self.photos = self.folder / "photos"
        self.photos.mkdir()
        for name in PHOTOS:
            (self.photos / name).write_bytes((self.source / "assets/photos" / name).read_bytes())
        (self.photos / "broken.jpg").write_bytes(b"no picture")
        (self.photos / PHOTOS[1]).with_suffix(".txt").write_text("a <my-rose> in the garden")

    def start(self, *arguments):
        self.window = Window(self.program, self.display, self.folder, *arguments)
        return self.window

    def wait(self, what, holds):
        return self.window.wait(what, lambda state: holds(state["teach"]))

    def photos_come(self):
        window = self.start()
        window.wait("the model", lambda state: state["activity"] == "idle" and state["model"])
        window.click("room Teach")
        window.wait("the room", lambda state: state["room"] == "teach" and
                    "Add photos" in state["widgets"])
        self.look("teach-invitation")
        drop(window, [self.photos])
        state = self.wait("the photos", lambda teach: len(teach["captions"]) == 3)
        expect(state["teach"]["captions"] == ["", "a <my-rose> in the garden", ""],
               f"the captions are {state['teach']['captions']}")
        expect([line for line in state["teach"]["remarks"] if "broken.jpg" in line],
               "nothing is said of the broken photo")
        self.look("teach-remarks")
        window.click("remarks read")
        self.wait("no remarks", lambda teach: not teach["remarks"])

    def add_by_dialog(self):
        window = self.window
        window.click("remove 2")
        self.wait("two photos", lambda teach: len(teach["captions"]) == 2)
        window.key("ctrl+o")
        window.fill("open path", str(self.photos))
        window.click("open path")
        window.key("Return")
        window.wait("the folder", lambda state: "file " + PHOTOS[2] in state["widgets"])
        self.look("teach-add")
        window.click("file " + PHOTOS[2])
        self.wait("three photos", lambda teach: len(teach["captions"]) == 3)
        window.click("Done adding")

    def caption(self):
        """Those without a caption get one; the others' stay."""
        window = self.window
        window.click("Caption")
        state = self.wait("the captions", lambda teach: all(teach["captions"]) and
                          not teach["captioning"][0])
        captions = state["teach"]["captions"]
        expect(captions[1] == "a <my-rose> in the garden", f"the captions are {captions}")
        expect(len({captions[0], captions[2]}) == 2 and "daisy" in captions[0],
               f"the captions are {captions}")
        window.move(500, 600)  # where no tooltip comes
        self.look("teach-captions")
        window.click("caption 2")
        window.key("ctrl+a", "BackSpace", "Tab")
        self.wait("an empty field", lambda teach: teach["captions"][2] == "")
        expect(not list(self.photos.glob("daisy*.txt")), "a file is written beside the photos")

    def name_the_word(self):
        window = self.window
        window.fill("token", "rose")
        window.wait("the refusal", lambda state: "token fault" in state["widgets"])
        self.look("teach-refused")
        window.fill("token", "<my-rose>")
        window.wait("no refusal", lambda state: "token fault" not in state["widgets"])
        window.fill("init", "red rose")
        window.fill("caption 0", "a <my-rose> on its stem")
        self.wait("the caption", lambda teach: teach["captions"][0] == "a <my-rose> on its stem")
        window.fill("learning steps", "2000")

    def stop_and_go_on(self):
        window = self.window
        window.click("Start")
        self.wait("steps", lambda teach: teach["losses"] >= 3)
        self.look("teach-learning")
        window.click("Stop learning")
        state = self.wait("the stop", lambda teach: teach["run"][0] == "stopped")
        self.run, done = pathlib.Path(state["teach"]["run"][1]), state["teach"]["losses"]
        expect(done >= 3, f"{done} steps were kept")
        window.click("Start")
        self.wait("going on", lambda teach: teach["run"][0] == "running" and teach["losses"] > done)
        window.key("ctrl+t")
        window.wait("the other room", lambda state: state["room"] == "edit")
        window.close()  # which saves
        begun = json.loads((self.run / "run.json").read_text())
        expect(begun["recipe"]["steps"] == 2000, "the run has other steps")

    def command(self, *more):
        return [self.command_line, "learn", "word", self.run / "pictures", "--token", "<my-rose>",
                "--init", "red rose", "--out", self.run, "--every", "0", "--quiet", *more]

    def command_line_goes_on(self):
        """With the same run: it has its steps, and another number of them is another recipe."""
        lines = lambda: len((self.run / "log.jsonl").read_text().splitlines())
        before = lines()
        program = subprocess.Popen(list(map(str, self.command("--tune", "2000"))))
        time.sleep(6)
        program.send_signal(2)
        expect(program.wait(60) == 130, "the command line does not go on with the window's run")
        expect(lines() > before, "the command line has learned nothing")
        refused = subprocess.run(list(map(str, self.command("--tune", "5"))), capture_output=True,
                                 text=True)
        expect(refused.returncode == 1 and "steps 2000, not 5" in refused.stderr, refused.stderr)

    def reopen(self):
        window = self.start()
        window.key("ctrl+t")
        self.wait("the unfinished run", lambda teach: teach["unfinished"] == 1)
        window.click("open <my-rose>")
        self.wait("its photos", lambda teach: len(teach["captions"]) == 3 and
                  teach["token"] == "<my-rose>" and teach["run"][0] == "stopped")
        self.look("teach-reopened")
        expect(self.window.state()["teach"]["captions"][0] == "a <my-rose> on its stem",
               "the caption is lost")

    def learn(self):
        """Another word, in few steps."""
        window = self.window
        window.fill("token", "<meadow>")
        window.fill("learning steps", str(STEPS))
        window.click("show photos")
        for i in range(3):
            window.fill(f"caption {i}", "a <meadow>" if i < 2 else "")
        window.key("ctrl+Return")
        self.wait("pictures on the way", lambda teach: teach["samples"] >= 2 and teach["on_the_way"])
        self.look("teach-samples")
        state = self.wait("the end", lambda teach: teach["run"][0] == "finished")
        expect(state["teach"]["words"] == {"<meadow>": 1}, f"My words: {state['teach']['words']}")
        expect(state["teach"]["losses"] == STEPS, "the curve is not whole")
        expect(state["teach"]["evaluations"] >= 3, "the evaluations are not there")
        self.look("teach-learned")
        self.learned = pathlib.Path(state["teach"]["run"][1])
        expect((self.learned / "meadow.safetensors").is_file(), "there is no file of the word")

    def use(self):
        """The text field completes it, and the edit has it."""
        window = self.window
        window.click("room Edit")
        window.key("ctrl+o")
        window.fill("open path", str(self.photos / PHOTOS[0]))
        window.click("open path")
        window.key("Return")
        window.wait("the photo", lambda state: state["photo"] == PHOTOS[0])
        window.click("text")
        window.key("ctrl+a")
        window.type("a photo of a mea")
        window.wait("the proposal", lambda state: "complete <meadow>" in state["widgets"])
        self.look("teach-complete")
        window.key("Tab")
        window.wait("the word", lambda state: state["field_text"] == "a photo of a <meadow>")
        window.key("ctrl+a")
        window.type("a photo of a <me")
        window.click("complete <meadow>")
        window.wait("the word by a click", lambda state: state["field_text"] == "a photo of a <meadow>")
        window.key("ctrl+d")
        for field, value in [("Drawing steps", 2), ("Word steps", 2), ("Photo steps", 2)]:
            window.scroll_to(field, 660)
            window.fill(field, str(value))
        window.key("ctrl+d", "ctrl+Return")
        state = window.wait("the edit", lambda state: state["shown"] is not None)
        recipe = json.loads(pathlib.Path(state["session"], "recipe.json").read_text())
        expect("<meadow>" in json.dumps(recipe["keepsake"]["words"]), "the edit does not know the word")

    def delete(self):
        window = self.window
        window.key("ctrl+t")
        window.scroll_to("delete <meadow>", 660)
        window.click("delete <meadow>")
        window.wait("the question", lambda state: "Keep it" in state["widgets"])
        self.look("teach-delete")
        window.click("Keep it")
        window.wait("no question", lambda state: "Keep it" not in state["widgets"])
        expect(self.learned.is_dir(), "deleted without a yes")
        window.click("delete <meadow>")
        window.click("Delete it")
        self.wait("its end", lambda teach: teach["words"] == {} and teach["run"][0] == "nothing")
        expect(not self.learned.exists(), "the run is still there")
        expect(sorted(path.name for path in self.photos.iterdir()) ==
               sorted([*PHOTOS, "broken.jpg", "rose-394990940.txt"]), "the person's files changed")
        window.close()

    def open_the_command_lines(self):
        """A run of the command line's, opened by dropping its folder, goes on."""
        out = self.folder / "own.run"
        command = [self.command_line, "learn", "word", self.photos, "--token", "<own>", "--tune",
                   "100000", "--every", "0", "--out", out, "--quiet"]
        program = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
        end = time.monotonic() + drive.PATIENCE
        while not (out / "run.json").is_file() and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(3)
        program.send_signal(2)
        expect(program.wait(60) == 130, "the command line was not stopped in order")
        window = self.start()
        window.key("ctrl+t")
        window.wait("the room", lambda state: state["room"] == "teach" and state["model"])
        drop(window, [out])
        state = self.wait("the run", lambda teach: teach["run"][0] == "stopped" and
                          teach["token"] == "<own>")
        done = state["teach"]["losses"]
        window.click("Start")
        self.wait("going on", lambda teach: teach["losses"] > done and teach["run"][0] == "running")
        window.key("Escape")
        self.wait("the stop", lambda teach: teach["run"][0] == "stopped")
        window.close()

    STEPS = [photos_come, add_by_dialog, caption, name_the_word, stop_and_go_on, command_line_goes_on, reopen,
             learn, use, delete, open_the_command_lines]


if __name__ == "__main__":
    drive.play(Lesson, "import", "convert")
