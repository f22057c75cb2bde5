#!/usr/bin/env python3
"""How long the window makes one wait: the time from a movement of the slider to the picture of that
strength, and from its rest to the exact one; from the end of the learning to the whole strip; frame times and the time from a key to the picture that
answers it, while the model learns on every core; under Xvfb with OpenGL in software; and what an idle
window costs. Prints the numbers and fails where a bar is missed (95 % of frames and of the slider's
pictures within 50 ms, the strip within 500 ms, 2 % of a core idle). Leave the machine alone while it runs.

Usage: frame_times.py KEEPSAKE_GUI SOURCE_TREE [SECONDS]
"""
import ctypes
import ctypes.util
import pathlib
import random
import sys
import tempfile
import time

import drive
from drop import open_display

FRAME_BAR, STRIP_BAR, IDLE_BAR = 50, 500, 0.02  # ms, ms; of a core
KEYS = {"Right": 0xFF53, "Left": 0xFF51}


class Hand:
    """Keys and pointer by XTest over an open connection: the time that starting xdotool takes is not
    ours."""

    def __init__(self, display_name):
        self.x, self.display = open_display(display_name)
        self.test = ctypes.CDLL(ctypes.util.find_library("Xtst") or "libXtst.so.6")
        self.test.XTestFakeKeyEvent.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_int,
                                                ctypes.c_ulong]
        self.test.XTestFakeMotionEvent.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int,
                                                   ctypes.c_int, ctypes.c_ulong]
        self.test.XTestFakeButtonEvent.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_int,
                                                   ctypes.c_ulong]
        self.x.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        self.x.XKeysymToKeycode.restype = ctypes.c_ubyte

    def press(self, name):
        """Returns when the key went down, in seconds of the monotonic clock."""
        code = self.x.XKeysymToKeycode(self.display, KEYS[name])
        begin = time.monotonic()
        self.test.XTestFakeKeyEvent(self.display, code, 1, 0)
        self.x.XFlush(self.display)
        time.sleep(0.02)
        self.test.XTestFakeKeyEvent(self.display, code, 0, 0)
        self.x.XFlush(self.display)
        return begin


    def move(self, x, y):
        """Returns when the pointer was there, likewise."""
        begin = time.monotonic()
        self.test.XTestFakeMotionEvent(self.display, -1, round(x), round(y), 0)
        self.x.XFlush(self.display)
        return begin

    def button(self, down):
        begin = time.monotonic()
        self.test.XTestFakeButtonEvent(self.display, 1, int(down), 0)
        self.x.XFlush(self.display)
        return begin


def read_log(path):
    """(begin, milliseconds, activity, inputs, drawn, eta) of each frame."""
    return [(float(begin), float(ms), what, int(inputs), drawn, float(eta))
            for begin, ms, what, inputs, drawn, eta in
            (line.split() for line in path.read_text().splitlines())]


def answers(frames, presses):
    """Of each press: milliseconds until the frame that answers it was on the screen, and how many
    frames were drawn in between."""
    found = []
    for press in presses:
        later = [frame for frame in frames if frame[0] > press]
        for i, (begin, ms, _, inputs, _, _) in enumerate(later):
            if inputs > 0:
                found.append((1000 * (begin - press) + ms, i))
                break
    return found


def slide(window, hand, movements=60):
    """Drags the slider to and fro, a hundredth or more at a time, while the strip is there. Returns of
    each movement the milliseconds until a frame with the picture of that strength was on the screen
    (none where another movement came first), and of each rest those until the exact picture was."""
    x, y, width, height = window.place("slider")
    at = lambda eta: x + width * eta / 1.2
    dice, moved, rested = random.Random(2), [], []
    for _ in range(3):
        eta = 0.6
        hand.move(at(eta), y + height / 2)
        time.sleep(0.1)
        hand.button(True)
        time.sleep(0.3)
        for _ in range(movements // 3):
            eta = round(min(1.19, max(0.01, eta + dice.choice((-1, 1)) * dice.uniform(0.02, 0.12))), 2)
            moved.append((hand.move(at(eta), y + height / 2), eta))
            time.sleep(dice.uniform(0.06, 0.15))
        hand.button(False)
        rested.append(moved[-1])
        window.wait("the exact picture", lambda state: state["drawn"] == "exact")
        time.sleep(0.3)
    frames = read_log(window.frame_log)

    def milliseconds(since, eta, drawn):
        """Until that strength, give or take the hundredth that a pixel is, was shown as `drawn`."""
        for begin, ms, _, _, what, at_eta in frames:
            if begin > since and abs(at_eta - eta) < 0.015 and what in drawn:
                return 1000 * (begin - since) + ms
        return None

    live = [milliseconds(since, eta, ("exact", "live")) for since, eta in moved]
    exact = [milliseconds(since, eta, ("exact",)) for since, eta in rested]
    return [ms for ms in live if ms is not None], [ms for ms in exact if ms is not None], len(moved)


def time_to_strip(window):
    """Milliseconds from the end of the learning to a strip that shows all its strengths, and to the
    exact renders of all."""
    tuned = shown = None
    while True:
        state = window.state()
        now = time.monotonic()
        if tuned is None and state["tuned"] == "fully":
            tuned = now
        previews = sum(name.startswith("strip preview ") for name in state["widgets"])
        if tuned and shown is None and previews + len(state["renders"]) >= 13:
            shown = now
        if len(state["renders"]) >= 13 and state["activity"] == "idle":
            return 1000 * (shown - tuned), 1000 * (now - tuned)
        time.sleep(0.004)


def row(name, values):
    values = sorted(values)
    parts = [f"{drive.percentile(values, part):7.1f}" for part in (.5, .95, .99)]
    print(f"{name:32} {len(values):5} {' '.join(parts)} {values[-1]:7.1f}")
    return values


def apply(window, text, word_steps, photo_steps):
    window.click("text")
    window.key("ctrl+a")
    window.type(text)
    window.key("Tab", "ctrl+d")
    for field, value in (("Word steps", word_steps), ("Photo steps", photo_steps)):
        window.scroll_to(field, 660)
        window.fill(field, str(value))
    window.key("ctrl+d", "ctrl+Return")


def main():
    drive.require_programs("Xvfb", "xdotool")
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 20
    display = drive.Display(1280, 720)
    memory = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    folder = tempfile.TemporaryDirectory(prefix="keepsake-gui-", dir=memory)
    window = drive.Window(program, display, folder.name, source / "assets/photos/daisy-19813618946.jpg")
    try:
        window.wait("the photo", lambda state: state["photo"] and state["activity"] == "idle")
        time.sleep(2)
        before, begin = window.cpu_seconds(), time.monotonic()
        time.sleep(10)
        idle = (window.cpu_seconds() - before) / (time.monotonic() - begin)
        hand = Hand(display.name)
        apply(window, "a photo of a red daisy", word_steps=6, photo_steps=6)
        strip, renders = time_to_strip(window)
        window.wait("the strip", lambda state: len(state["renders"]) >= 13 and
                    state["live"] >= 13 and state["activity"] == "idle")
        live, exact, movements = slide(window, hand)
        apply(window, "a photo of a blue daisy", word_steps=6, photo_steps=5000)
        window.wait("steps", lambda state: state["activity"] == "tuning" and state["done"] > 0)
        window.move(400, 300)
        presses, dice = [], random.Random(1)
        since = end = time.monotonic()
        while end < since + seconds:
            presses.append(hand.press(dice.choice(list(KEYS))))
            time.sleep(dice.uniform(0.05, 0.3))
            end = time.monotonic()
        time.sleep(0.5)
        frames = [frame for frame in read_log(window.frame_log) if since <= frame[0] <= end]
        window.close()
        answered = answers(frames, presses[:-1])
        print(f"strip after learning: {strip:.0f} ms, its exact renders {renders:.0f} ms")
        print(f"idle: {100 * idle:.2f} % of a core over 10 s")
        print(f"{'milliseconds':32} {'of':>5} {'50 %':>7} {'95 %':>7} {'99 %':>7} longest")
        slid = row("slider to its live picture", live)
        row("its last movement to the exact", exact)
        print("while it learns")
        times = row("frame", [frame[1] for frame in frames if frame[2] == "tuning"])
        row("key to the picture", [ms for ms, _ in answered])
        next_frame = sum(between == 0 for _, between in answered)
        print(f"answered in the next frame: {next_frame} of {len(answered)} keys")
        within = sum(ms <= FRAME_BAR for ms in times) / len(times)
        print(f"frames within {FRAME_BAR} ms: {100 * within:.1f} %")
        follows = sum(ms <= FRAME_BAR for ms in slid) / movements
        print(f"movements of the slider whose picture came within {FRAME_BAR} ms: {100 * follows:.1f} %")
        sys.exit(0 if within >= 0.95 and follows >= 0.95 and strip <= STRIP_BAR and
                 idle < IDLE_BAR else 1)
    finally:
        window.kill()
        display.close()
        folder.cleanup()


if __name__ == "__main__":
    main()
