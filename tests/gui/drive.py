"""Drives keepsake-gui under Xvfb with xdotool: starts both, finds widgets in the state file that the
window writes, clicks and types, waits for what should follow. Standard library only."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

PATIENCE = float(os.environ.get("KEEPSAKE_GUI_PATIENCE", "180"))  # seconds; a slow machine needs more


class Failed(Exception):
    pass


def expect(holds, what):
    if not holds:
        raise Failed(what)


def require_programs(*names):
    missing = [name for name in names if not shutil.which(name)]
    if missing:
        raise SystemExit(f"not installed: {' '.join(missing)} (third_party/apt-packages-gui.txt)")


class Display:
    """An X server without a screen, of the given size, while it is open."""

    def __init__(self, width, height):
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"],
            pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as number:
            self.name = ":" + number.readline().strip()
        if self.name == ":":
            raise Failed("Xvfb did not start")

    def close(self):
        self.server.terminate()
        self.server.wait()


class Window:
    """One run of keepsake-gui. What a person would do has a method; so has what they would see."""

    def __init__(self, program, display, folder, *arguments, size=(1280, 720), scale=None, before=()):
        """before: a command that ends in starting what follows it."""
        self.state_file = pathlib.Path(folder, "state.json")
        self.frame_log = pathlib.Path(folder, "frames.log")
        self.state_file.unlink(missing_ok=True)
        self.environment = {**os.environ, "DISPLAY": display.name, "LIBGL_ALWAYS_SOFTWARE": "1",
                            "OMP_WAIT_POLICY": "passive", "XDG_DATA_HOME": str(folder)}
        self.environment.pop("WAYLAND_DISPLAY", None)
        command = [*before, program, "--state-file", self.state_file, "--frame-log", self.frame_log,
                   "--width", str(size[0]), "--height", str(size[1])]
        if scale:
            command += ["--scale", str(scale)]
        self.errors = open(pathlib.Path(folder, "stderr.txt"), "ab")
        self.process = subprocess.Popen([*map(str, command), *map(str, arguments)],
                                        env=self.environment, stderr=self.errors)
        self.wait("the first frame", lambda state: True)
        self.focus()

    def focus(self):
        """Gives it the keyboard, which no window manager does here."""
        self.xdotool("search", "--sync", "--all", "--pid", self.process.pid, "--name", "Keepsake",
                     "windowfocus", "--sync")

    def state(self):
        try:
            return json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return None

    def wait(self, what, holds, patience=PATIENCE):
        """Waits until holds(state), and returns that state."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            state = self.state()
            if state is not None and holds(state):
                return state
            if self.process.poll() is not None:
                raise Failed(f"waiting for {what}: the window ended with {self.process.returncode}")
            time.sleep(0.03)
        if state:
            state.pop("widgets")
        raise Failed(f"waited {patience:g} s for {what}; the window says {state}")

    def xdotool(self, *arguments):
        subprocess.run(["xdotool", *map(str, arguments)], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL)

    def place(self, widget):
        """Its rectangle once it is drawn and stays where it is, over several frames, which take
        longer where PATIENCE is longer: x, y, width, height."""
        self.wait(f"the widget '{widget}'", lambda state: widget in state["widgets"])
        seen = []
        while True:
            seen = [*seen[-2:], self.state()["widgets"].get(widget)]
            if len(seen) == 3 and seen[0] and seen[0] == seen[1] == seen[2]:
                return seen[0]
            time.sleep(0.05 * max(1, PATIENCE / 180))

    def centre(self, widget):
        x, y, width, height = self.place(widget)
        return round(x + width / 2), round(y + height / 2)

    def move(self, x, y):
        self.xdotool("mousemove", round(x), round(y))
        time.sleep(0.05)

    def click(self, widget):
        self.move(*self.centre(widget))
        self.xdotool("click", 1)

    def drag(self, start, end, steps=8, button=1):
        self.move(*start)
        self.xdotool("mousedown", button)
        for i in range(1, steps + 1):
            self.move(*(a + (b - a) * i / steps for a, b in zip(start, end)))
        time.sleep(0.1)
        self.xdotool("mouseup", button)

    def key(self, *keys):
        self.xdotool("key", "--delay", 30, *keys)

    def type(self, text):
        self.xdotool("type", "--delay", 15, text)

    def fill(self, widget, text):
        """Replaces what is in a field."""
        self.click(widget)
        self.key("ctrl+a")
        self.type(text)
        self.key("Tab")

    def scroll_to(self, widget, lowest):
        """Turns the wheel over a panel until the widget is above `lowest`."""
        for _ in range(60):
            x, y = self.centre(widget)
            if 60 < y < lowest:
                return
            self.move(x, min(max(y, 120), lowest - 60))
            self.xdotool("click", 5 if y >= lowest else 4)
        raise Failed(f"'{widget}' cannot be scrolled to")

    def picture(self, path):
        """A screenshot."""
        subprocess.run(["import", "-window", "root", str(path)], env=self.environment, check=True)

    def close(self):
        """Ctrl+Q, and the exit status is 0."""
        self.key("ctrl+q")
        status = self.process.wait(timeout=PATIENCE)
        self.errors.close()
        if status != 0 and not only_unloaded_leaks(pathlib.Path(self.errors.name).read_text()):
            raise Failed(f"the window ended with {status}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def frames(self, activity):
        """Milliseconds of the frames drawn during `activity`, sorted."""
        lines = [line.split() for line in self.frame_log.read_text().splitlines()]
        return sorted(float(line[1]) for line in lines if line[2] == activity)

    def drawn(self, since):
        """What the canvas showed in each frame from the log's line `since` on."""
        return [line.split()[4] for line in self.frame_log.read_text().splitlines()[since:]]

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def only_unloaded_leaks(report):
    """Whether LeakSanitizer found nothing but what Mesa's swrast_dri.so keeps (240 bytes). GLFW has
    unloaded that driver by then, so its frames have no names, which a suppression file would need; a
    leak of our own has them."""
    leaks = [part for part in report.split("\n\n") if "leak of" in part]
    named = [line for leak in leaks for line in leak.splitlines()
             if line.strip().startswith("#") and " in " in line and "interceptor" not in line]
    return bool(leaks) and not named and "ERROR: AddressSanitizer" not in report


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))]


def read_png(path):
    """(width, height, RGB bytes) of an 8-bit RGB PNG without interlacing, as Keepsake writes it."""
    data = pathlib.Path(path).read_bytes()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise Failed(f"{path} is no PNG")
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            if (depth, colour, interlace) != (8, 2, 0):
                raise Failed(f"{path} is no plain 8-bit RGB PNG")
        if kind == b"IDAT":
            packed += body
        at += length + 12
    raw, stride, rows = zlib.decompress(packed), width * 3, []
    above = bytearray(stride)
    for y in range(height):
        line = raw[y * (stride + 1):(y + 1) * (stride + 1)]
        above = unfiltered(line[0], bytearray(line[1:]), above)
        rows.append(bytes(above))
    return width, height, b"".join(rows)


def pixels_of(path, *options):
    """(width, height, RGB bytes) of any picture, as ImageMagick reads it."""
    ppm = subprocess.run(["convert", str(path), *options, "-strip", "+set", "comment", "-depth", "8", "ppm:-"], check=True,
                         stdout=subprocess.PIPE).stdout
    magic, width, height, _ = ppm[:40].split(maxsplit=4)[:4]
    width, height = int(width), int(height)
    if magic != b"P6":
        raise Failed(f"{path} cannot be read")
    return width, height, ppm[-width * height * 3:]


def block(picture, x, y, width, height):
    """The rows of a part of (width, height, RGB bytes)."""
    whole, _, rgb = picture
    return [rgb[(row * whole + x) * 3:(row * whole + x + width) * 3] for row in range(y, y + height)]


def unfiltered(kind, line, above):
    """PNG specification, section 9: filters 0 to 4, three bytes a pixel."""
    for i in range(len(line)):
        left = line[i - 3] if i >= 3 else 0
        up, corner = above[i], above[i - 3] if i >= 3 else 0
        if kind == 1:
            line[i] = (line[i] + left) & 255
        elif kind == 2:
            line[i] = (line[i] + up) & 255
        elif kind == 3:
            line[i] = (line[i] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            distances = abs(guess - left), abs(guess - up), abs(guess - corner)
            line[i] = (line[i] + (left, up, corner)[distances.index(min(distances))]) & 255
    return line


class Walk:
    """Of a test with one display and one window after another: what play() asks for, and pictures
    of the steps. pictures: their folder, or None."""
    def __init__(self, folder, pictures):
        self.display, self.folder = Display(1280, 720), pathlib.Path(folder)
        self.pictures, self.window = pictures, None

    def end(self):
        if self.window:
            self.window.kill()
        self.display.close()

    def look(self, name):
        if self.pictures:
            time.sleep(0.5)
            self.window.picture(pathlib.Path(self.pictures, name + ".png"))


def play(make, *programs, chosen=()):
    """The whole of a test that is called with KEEPSAKE_GUI KEEPSAKE SOURCE_TREE [SCREENSHOTS]. make
    is called with these (the tree, a folder that is removed afterwards, the screenshots' folder or
    None) and gives what has STEPS, its `window` (or None) and end(). chosen: of STEPS, by name; none
    is all."""
    require_programs("Xvfb", "xdotool", *programs)
    program, command_line, source = sys.argv[1:4]
    pictures = sys.argv[4] if len(sys.argv) > 4 else None
    if pictures:
        require_programs("import")
        pathlib.Path(pictures).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="keepsake-gui-") as folder:
        trial = make(program, command_line, source, folder, pictures)
        try:
            for step in trial.STEPS:
                if chosen and step.__name__ not in chosen:
                    continue
                begin = time.monotonic()
                step(trial)
                print(f"{step.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
        except (Failed, subprocess.SubprocessError) as error:
            print(f"{step.__name__}: FAILED: {error}", flush=True)
            for errors in sorted(pathlib.Path(folder).rglob("stderr.txt")):
                print(errors.read_text(errors="replace"))
            if pictures and trial.window:
                trial.window.picture(pathlib.Path(pictures, "failed.png"))
            sys.exit(1)
        finally:
            trial.end()
