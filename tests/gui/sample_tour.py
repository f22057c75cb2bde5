#!/usr/bin/env python3
"""The first sample as one click edits it, with the model's own settings: screenshots for README, and
how long frames took while it was tuned.

Usage: sample_tour.py KEEPSAKE_GUI FOLDER [WIDTH HEIGHT [SCALE]]
"""
import pathlib
import sys
import tempfile
import time

import drive


def main():
    drive.require_programs("Xvfb", "xdotool", "import")
    program, out = sys.argv[1], pathlib.Path(sys.argv[2])
    size = tuple(map(int, sys.argv[3:5])) or (1280, 720)
    scale = sys.argv[5] if len(sys.argv) > 5 else None
    out.mkdir(parents=True, exist_ok=True)
    display = drive.Display(*size)
    folder = tempfile.TemporaryDirectory(prefix="keepsake-gui-")
    window = drive.Window(program, display, folder.name, size=size, scale=scale)

    def look(name):
        time.sleep(0.6)
        window.picture(out / f"{name}.png")

    try:
        window.wait("the samples", lambda state: "sample 5" in state["widgets"] and
                    state["activity"] == "idle")
        look("invitation")
        before, begin = window.cpu_seconds(), time.monotonic()
        time.sleep(10)
        idle = (window.cpu_seconds() - before) / (time.monotonic() - begin)
        print(f"idle: {100 * idle:.2f} % of a core over 10 s")
        window.click("sample 0")
        window.wait("the second part", lambda state: state["stage"] == "finetune" and
                    state["done"] >= 25 and state["has_preview"], 900)
        window.move(600, 300)
        look("learning")
        window.wait("the strip", lambda state: len(state["renders"]) >= 13 and
                    state["activity"] == "idle", 900)
        time.sleep(3)  # a busy machine: what is shown has faded in
        look("result")
        window.key("2")
        look("wipe")
        window.key("3")
        look("side-by-side")
        window.key("m")
        window.click("strip 6")
        window.wait("a stronger edit", lambda state: state["shown"] == [0.6, 0])
        window.click("mask Clear")
        x, y, width, height = window.place("mask square")
        window.move(x + width / 2, y + height / 2)
        window.key(*["bracketright"] * 6)
        # The petals of the left half, from the top to the bottom.
        path = [(0.45, 0.18), (0.28, 0.26), (0.2, 0.45), (0.22, 0.62), (0.32, 0.76), (0.45, 0.84)]
        for start, end in zip(path, path[1:]):
            window.drag(*((x + width * u, y + height * v) for u, v in (start, end)))
        time.sleep(1)
        look("mask")
        window.click("mask The whole area")
        window.click("mask Done")
        window.click("strip 6")
        window.key("5")
        window.wait("nine variations", lambda state: state["variations"] == 9, 300)
        look("variations")
        window.key("1", "ctrl+e")
        window.wait("the dialog", lambda state: "Export now" in state["widgets"])
        look("export")
        window.key("Escape")
        frames = window.frames("tuning")
        print(f"frames while tuning: {len(frames)}, median "
              f"{drive.percentile(frames, .5):.1f} ms, 95 % {drive.percentile(frames, .95):.1f} ms, "
              f"99 % {drive.percentile(frames, .99):.1f} ms, longest {frames[-1]:.1f} ms")
        window.close()
    finally:
        window.kill()
        display.close()
        folder.cleanup()


if __name__ == "__main__":
    main()
