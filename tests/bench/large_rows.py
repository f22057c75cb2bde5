"""The rows of Stable Diffusion 1.5's size (random weights, 512 x 512): speed of the U-Net beside
OpenVINO and diffusers, a picture beside stable-diffusion.cpp's, and what the program's three jobs
need of memory."""

import pathlib
import shutil
import subprocess
import tempfile

import environment
from edit_rows import PHOTO, TEXT
from programs import Program, Row, Side, measure, run, timing_row

MODEL = environment.ROOT / "build" / "bench-sd15"
CHECKPOINT = environment.ROOT / "build" / "bench-sd15.safetensors"
# Peak resident memory at most, and what a job must find free to be tried at all, GiB.
BARS = {"render": 5, "lora": 8, "lora-recomputed": 5, "full": 19, "full-recomputed": 17.5}
NEEDED = {"unet": 16, "sdcpp": 7, "render": 7, "lora": 11, "lora-recomputed": 7, "full": 20,
          "full-recomputed": 19}
PAIRS = 3  # a call takes 10 s and more; compare.py --pairs can only make it fewer
# One step of each stage: Adam's state and gradients are there, and another step needs no more.
ONE_STEP = ["--embedding-steps", "1", "--finetune-steps", "1"]


class Large:
    def __init__(self, options, python):
        self.options, self.python = options, python
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keepsake-bench-"))
        self.session = None
        if not MODEL.exists():
            subprocess.run([python, environment.BENCH / "large_model.py", MODEL], check=True)

    def close(self):
        shutil.rmtree(self.folder)

    def lacks_memory(self, job, what):
        """The row that says so, or None."""
        free = environment.available_gib()
        if free >= NEEDED[job]:
            return None
        bar = f"<= {BARS[job]} GiB" if job in BARS else ">= 1.1 x"
        return Row(what, f"not measured: {NEEDED[job]} GiB must be free, {free:.0f} are", bar=bar)

    def unet_rows(self, part="unet-2"):
        rounded = part.endswith("-bfloat16")
        what = "U-Net forward, batch 2" + (", bfloat16" if rounded else "")
        what += ", SD 1.5 layout at 512x512"
        if rounded and not environment.multiplies_in_bfloat16():
            return [Row(what, "not measured: this processor does not multiply in bfloat16")]
        lacking = self.lacks_memory("unet", what)
        if lacking:
            return [lacking]
        arguments, where = [MODEL, self.options.threads], self.options.environment
        bench = environment.BENCH
        sides = []
        # OpenVINO first: it needs three copies of the weights for a moment when it compiles.
        if environment.has_openvino(self.python):
            program = Program([self.python, bench / "openvino_peer.py", *arguments], where)
            program.time(part, 1)
            sides.append(Side("OpenVINO", program, part))
        eager = Program([self.python, bench / "peer.py", *arguments], where)
        sides.append(Side("diffusers eager", eager, part))
        if not rounded:
            sides.append(Side("diffusers eager, channels_last", eager, part + "-channels-last"))
        ours = Program([self.options.bench, *arguments], where)
        times, calls = measure([Side("ours", ours, part), *sides],
                               min(PAIRS, self.options.pairs), self.options.seconds)
        for program in {id(side.program): side.program for side in sides}.values():
            program.close()
        ours.close()
        bars = {} if rounded else {"OpenVINO": 1.1}
        return [
            timing_row(what, times[0], (side.name, theirs), bars.get(side.name), calls)
            for side, theirs in zip(sides, times[1:])
        ]

    def rounded_unet_rows(self):
        return self.unet_rows("unet-2-bfloat16")

    def edit(self, mode, checkpointing):
        session = self.folder / f"{mode}-{checkpointing}.keepsake"
        done = run([
            self.options.keepsake, "edit", PHOTO, TEXT, "--mode", mode, *ONE_STEP, "--model", MODEL,
            "--eta", "1", "--steps", "2", "--session", session, "--out",
            self.folder / f"{mode}.png", "--threads", self.options.threads, "--quiet",
            "--checkpointing", checkpointing,
        ], self.options.environment)
        return done, session

    def memory_row(self, job, what, measure_job):
        what = f"peak memory, SD 1.5 layout at 512x512: {what} (1 process)"
        lacking = self.lacks_memory(job, what)
        if lacking:
            return lacking
        peak = measure_job().peak_gib
        return Row(what, f"{peak:.2f} GiB", bar=f"<= {BARS[job]} GiB", holds=peak <= BARS[job])

    def lora_edit(self):
        done, self.session = self.edit("fast", "off")
        return done

    def lora_rows(self):
        what = "keepsake edit --mode fast"
        return [
            self.memory_row("lora", what, self.lora_edit),
            self.memory_row("lora-recomputed", f"{what} --checkpointing on",
                            lambda: self.edit("fast", "on")[0]),
        ]

    def full_rows(self):
        what = "keepsake edit --mode paper, all weights"
        return [
            self.memory_row("full", what, lambda: self.edit("paper", "off")[0]),
            self.memory_row("full-recomputed", f"{what}, --checkpointing on",
                            lambda: self.edit("paper", "on")[0]),
        ]

    def sdcpp_rows(self):
        """A picture from words by stable-diffusion.cpp, whole processes by turns: what it takes
        from one checkpoint on disk to the file."""
        what = "generate in 4 steps, guidance 7.5, SD 1.5 layout at 512x512, one .safetensors file"
        lacking = self.lacks_memory("sdcpp", what)
        if lacking:
            return [lacking]
        if environment.lacking(self.python, ["stable_diffusion_cpp"]):
            return [Row(what, "not measured", "stable-diffusion.cpp: not installed "
                        "(stable-diffusion-cpp-python)", bar=">= 1.5 x")]
        if not CHECKPOINT.exists():
            subprocess.run([self.python, environment.BENCH / "ldm_model.py", CHECKPOINT], check=True)
        ours = [self.options.keepsake, "generate", TEXT, "--steps", "4", "--guidance", "7.5",
                "--sampler", "euler", "--size", "512", "--model", CHECKPOINT, "--threads",
                self.options.threads, "--quiet", "--out", self.folder / "ours.png"]
        theirs = [self.python, environment.BENCH / "sdcpp_peer.py", CHECKPOINT,
                  self.folder / "theirs.png", TEXT, "4", self.options.threads]
        rounds = [[run(command, self.options.environment) for command in (ours, theirs)]
                  for _ in range(min(PAIRS, self.options.pairs))]
        seconds = [[done.seconds for done in side] for side in zip(*rounds)]
        peaks = [max(done.peak_gib for done in side) for side in zip(*rounds)]
        return [
            timing_row(what, seconds[0], ("stable-diffusion.cpp", seconds[1]), 1.5, 1),
            Row(f"peak memory: {what} (1 process each)", f"{peaks[0]:.2f} GiB",
                f"stable-diffusion.cpp: {peaks[1]:.2f} GiB", f"{peaks[1] / peaks[0]:.2f} x"),
        ]

    def render_rows(self):
        """From words alone; and from a session, whose LoRA is put on the weights, if there is one."""
        run_ours = lambda words: run([self.options.keepsake, *words, "--steps", "2", "--model",
                                      MODEL, "--out", self.folder / "render.png", "--threads",
                                      self.options.threads, "--quiet"], self.options.environment)
        rows = [self.memory_row("render", "keepsake generate", lambda: run_ours(["generate", TEXT]))]
        if self.session:
            rows.append(self.memory_row(
                "render", "keepsake render of a session with a LoRA",
                lambda: run_ours(["render", self.session, "--eta", "1"]),
            ))
        return rows
