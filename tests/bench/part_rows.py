"""The rows of single parts: time beside diffusers and OpenVINO, and peak memory of one job."""

from dataclasses import dataclass

import environment
from programs import Program, Row, Side, measure, timing_row

BENCH = environment.BENCH


@dataclass
class Part:
    what: str
    diffusers: float | None           # bar: how many times as fast as diffusers at least
    openvino: float | None = None     # likewise; only where `in_openvino`
    in_openvino: bool = False


PARTS = {
    "load": Part("load the model", None),
    "unet-1": Part("U-Net forward, batch 1", 2, 1.1, True),
    "unet-2": Part("U-Net forward, batch 2", 2, 1.1, True),
    "unet-1-bfloat16": Part("U-Net forward, batch 1, bfloat16", None, None, True),
    "unet-2-bfloat16": Part("U-Net forward, batch 2, bfloat16", None, None, True),
    "train-embedding": Part("training step, embedding", 1.5),
    "train-all": Part("training step, all weights", 1.5),
    "train-lora": Part("training step, LoRA of rank 16, batch 4", 1.5),
    "learn-word": Part("step of textual inversion, batch 1", 1.5),
    "learn-subject": Part("step of DreamBooth, LoRA of rank 4, text encoder too, with prior", 1.5),
    "learn-captions": Part("step of caption tuning, LoRA of rank 4, batch 4, min-SNR", 1.5),
    "scratch-unet": Part("training step from nothing, U-Net, batch 8, min-SNR, EMA", 1.5),
    "scratch-vae": Part("training step from nothing, VAE, batch 8, EMA", 1.5),
    "generate": Part("generate in 20 steps, guidance 7.5", 1.5),
    "generate-few": Part("generate in 4 steps of LCM's sampler, no guidance", 1.5, 1.1, True),
    "generate-10": Part("generate ten pictures in 20 steps, guidance 7.5, in batches", 1.5),
    "vae-encode": Part("VAE encode", None),
    "vae-decode": Part("VAE decode", 1.3),
}
TRAINING_PARTS = ["train-embedding", "train-all", "train-lora"]
# Peak memory is that of a whole process, so each of these gets a process of its own.
MEMORY_PARTS = ["load", "generate", "generate-10", *TRAINING_PARTS]


class Parts:
    """The programs stay up from row to row; each is started by the first row that asks it."""

    def __init__(self, options, python):
        self.options, self.python, self.running = options, python, {}
        self.has_openvino = environment.has_openvino(python)

    def command(self, name, model):
        arguments = [model, self.options.threads]
        if name == "ours":
            return [self.options.bench, *arguments]
        script = {"diffusers": "peer.py", "OpenVINO": "openvino_peer.py"}[name]
        return [self.python, BENCH / script, *arguments]

    def start(self, name, model):
        return Program(self.command(name, model), self.options.environment)

    def side(self, name, part):
        if name not in self.running:
            self.running[name] = self.start(name, self.options.model)
        return Side(name, self.running[name], part)

    def close(self):
        for program in self.running.values():
            program.close()
        self.running = {}

    def rows(self, name):
        part = PARTS[name]
        if name.endswith("bfloat16") and not environment.multiplies_in_bfloat16():
            return [Row(part.what, "not measured: this processor does not multiply in bfloat16")]
        names = ["ours", "diffusers"]
        if part.in_openvino and self.has_openvino:
            names.append("OpenVINO")
        times, calls = measure(
            [self.side(side, name) for side in names], self.options.pairs, self.options.seconds
        )
        rows = [timing_row(part.what, times[0], ("diffusers", times[1]), part.diffusers, calls)]
        if len(names) == 3:
            rows.append(
                timing_row(part.what, times[0], ("OpenVINO", times[2]), part.openvino, calls)
            )
        elif part.in_openvino:
            rows.append(Row(part.what, "not measured", "OpenVINO: not installed"))
        return rows

    def recomputed_rows(self):
        """What --checkpointing on costs in time; what it saves is in the rows of large_rows.py."""
        rows = []
        for part in TRAINING_PARTS:
            times, calls = measure(
                [self.side("ours", part + "-recomputed"), self.side("ours", part)],
                self.options.pairs, self.options.seconds,
            )
            rows.append(timing_row(f"{PARTS[part].what}, activations recomputed", times[0],
                                   ("ours, activations kept", times[1]), None, calls))
        return rows

    def memory_rows(self):
        rows = []
        for part in MEMORY_PARTS:
            peaks = []
            for name in ("ours", "diffusers"):
                program = self.start(name, self.options.model)
                program.time(part, 1)
                peaks.append(program.peak_mib())
                program.close()
            rows.append(Row(
                f"peak memory: {PARTS[part].what} (1 process each)", f"{peaks[0]:.0f} MiB",
                f"diffusers: {peaks[1]:.0f} MiB", f"{peaks[1] / peaks[0]:.2f} x",
            ))
        return rows
