#!/usr/bin/env python3
"""The room Queue as a person uses it: drop photos, write texts, let them be worked off, pause, change
the order, take one out, open a result, close the window and go on in the next one; a broken photo
stops nothing.

Usage: queue_test.py KEEPSAKE_GUI KEEPSAKE SOURCE_TREE [SCREENSHOTS]
With a fourth argument, pictures of the steps are written to that folder.
"""
import json
import pathlib
import shutil

import drive
from drive import Window, expect
from drop import drop

PHOTOS = ["daisy-19813618946.jpg", "rose-394990940.jpg"]
TEXTS = ["a photo of a red daisy", "a photo of a sunflower"]


class Queue(drive.Walk):
    def __init__(self, program, command_line, source, folder, pictures):
        super().__init__(folder, pictures)
        self.program, self.source = program, pathlib.Path(source)
        self.photos = [self.folder / name for name in PHOTOS]
        for photo in self.photos:
            photo.write_bytes((self.source / "assets/photos" / photo.name).read_bytes())
        self.broken = self.folder / "broken.jpg"
        self.broken.write_bytes(b"no picture")
        self.model = self.folder / "model"
        shutil.copytree(self.source / "assets/models/flowers", self.model)
        stage = {"steps": 12}
        (self.model / "keepsake.json").write_text(json.dumps(
            {"fast": {"embedding": stage, "finetune": {**stage, "learning_rate": 0.001}},
             "sample": {"steps": 2}}))

    def start(self, *arguments, **options):
        self.window = Window(self.program, self.display, self.folder, "--model", self.model,
                             *arguments, **options)
        self.window.wait("the model", lambda state: state["model"] and state["activity"] == "idle")
        return self.window

    def wait(self, what, holds):
        return self.window.wait(what, lambda state: holds(state["queue"]))["queue"]

    def rows(self):
        return [(edit["name"], edit["text"]) for edit in self.window.state()["queue"]["edits"]]

    def photos_come(self):
        window = self.start()
        window.key("ctrl+j")
        window.wait("the room", lambda state: "Add photos" in state["widgets"])
        self.look("queue-invitation")
        window.key("ctrl+j")
        window.wait("the room Edit", lambda state: state["room"] == "edit")
        drop(window, [self.photos[0], self.broken, self.photos[1]])
        self.wait("the photos", lambda queue: len(queue["edits"]) == 3 and
                  queue["edits"][2]["pictures"][0])
        state = window.state()
        expect(state["room"] == "queue", "several photos do not lead to the queue")
        expect(all(edit["state"] == "waiting" and not edit["text"] for edit in
                   state["queue"]["edits"]), "a photo without a text does not wait for it")
        expect(state["activity"] == "idle", "something is worked on without a text")
        self.look("queue-photos")

    def texts(self):
        window = self.window
        window.fill("queue text 1", "for the broken one")
        self.wait("its failure", lambda queue: queue["edits"][1]["state"] == "failed" and
                  "broken.jpg" in queue["edits"][1]["remark"])
        window.click("queue texts")
        for text in TEXTS:
            window.type(text)
            window.key("Return")
        self.look("queue-texts")
        self.choose_euler()
        window.click("queue add")
        queue = self.wait("an edit under way", lambda queue: len(queue["edits"]) == 5 and
                          queue["edits"][0]["state"] == "working" and queue["fraction"] > 0.1)
        expect(self.rows() == [(PHOTOS[0], TEXTS[0]), (PHOTOS[0], TEXTS[1]),
                               ("broken.jpg", "for the broken one"),
                               (PHOTOS[1], TEXTS[0]), (PHOTOS[1], TEXTS[1])],
               f"the queue is {self.rows()}")
        expect([edit["sampler"] for edit in queue["edits"]] == ["euler", "euler", "pndm", "euler", "euler"],
               f"the settings are {queue['edits']}")
        self.look("queue-working")

    def choose_euler(self):
        """Under Advanced, as in the room Edit; what was added before stays as it was."""
        window = self.window
        window.key("ctrl+d")
        window.scroll_to("Sampler", 600)
        self.look("queue-advanced")
        window.click("Sampler")
        window.click("Sampler euler")
        window.key("ctrl+d")

    def pause_and_order(self):
        window = self.window
        window.click("queue pause")
        window.wait("the pause", lambda state: state["activity"] == "idle" and
                    state["queue"]["paused"])
        # One or the other may be done by now on a quick machine; the last two hardly.
        window.click("queue up 4")
        self.wait("another order", lambda queue: queue["edits"][3]["text"] == TEXTS[1])
        window.click("queue remove 4")
        self.wait("one less", lambda queue: len(queue["edits"]) == 4)
        self.look("queue-paused")

    def next_window(self):
        self.window.close()
        window = self.start()
        queue = window.state()["queue"]
        expect(queue["paused"] and len(queue["edits"]) == 4, f"the next window has {queue}")
        self.look("queue-waits")
        window.click("queue waits")
        window.click("queue go on")
        window.wait("what is left", lambda state: "queue time" in state["widgets"])
        self.look("queue-time")
        self.wait("the end", lambda queue: [edit["state"] for edit in queue["edits"]] ==
                  ["done", "done", "failed", "done"] and
                  all(queue["edits"][i]["pictures"][1] for i in (0, 1, 3)))
        self.look("queue-done")

    def open(self):
        window = self.window
        last = window.state()["queue"]["edits"][3]
        window.click("queue open 3")
        state = window.wait("the session", lambda state: state["shown"] is not None)
        expect(state["room"] == "edit" and state["session"] == last["session"],
               "another session was opened")
        expect(state["field_text"] == TEXTS[1] and state["photo"] == PHOTOS[1],
               f"the session is of {state['photo']}, {state['field_text']}")
        expect(len(state["renders"]) >= 13, "its strip is not there at once")
        self.look("queue-opened")

    def of_the_open_photo(self):
        """Texts alone are for the photo that is open; what is done can be taken out."""
        window = self.window
        window.click("room Queue")
        window.click("queue clear")
        self.wait("what failed alone", lambda queue: len(queue["edits"]) == 1)
        window.click("queue remove 0")
        window.click("queue texts")
        window.type("a photo of a tulip")
        window.key("ctrl+Return")
        queue = self.wait("the edit", lambda queue: queue["edits"] and
                          queue["edits"][0]["state"] == "done")
        expect(queue["edits"][0]["name"] == PHOTOS[1], f"it is of {queue['edits'][0]['name']}")
        expect(self.window.state()["photo"] == PHOTOS[1], "the open photo was closed")
        expect("queue time" not in self.window.state()["widgets"], "time is left of nothing")
        self.narrow()
        window.close()

    def narrow(self):
        """At the smallest width the bar's buttons lie beside each other and none is cut off."""
        self.window.close()
        window = self.start(self.photos[0], size=(900, 600))
        window.wait("the photo", lambda state: state["photo"])
        self.look("queue-narrow")
        names = ["room Teach", "room Queue", "Open\u2026", "view Crop", "view Mask",
                 "view Edited", "view Wipe", "view Side by side", "view Difference",
                 "view Variations", "Export\u2026"]
        right = 0
        for name in names:
            x, _, width, _ = window.place(name)
            expect(x >= right, f"{name} begins at {x}, where another ends at {right}")
            right = x + width
        expect(right <= 900, f"the bar ends at {right}")

    STEPS = [photos_come, texts, pause_and_order, next_window, open, of_the_open_photo]


if __name__ == "__main__":
    drive.play(Queue)
