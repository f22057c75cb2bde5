"""Runs the programs that are compared, by turns, and writes the table's rows. Python's own library
only."""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass


class Program:
    """A program that waits for its next line "PART ITERATIONS" and answers with seconds."""

    def __init__(self, command, environment):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def time(self, part, iterations):
        self.process.stdin.write(f"{part} {iterations}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            status = self.process.wait()
            sys.exit(f"{' '.join(self.command)}: ended with status {status} at '{part}'")
        return float(answer)

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Finished:
    """A process that has ended well."""

    output: str
    seconds: float
    processor_seconds: float
    peak_gib: float  # resident memory, by the kernel's own account


def run(command, environment):
    """Runs a process to its end. A status other than 0 ends the benchmark with what it wrote."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                                   stderr=messages, env=environment, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            messages.seek(0)
            sys.exit(f"{' '.join(map(str, command))}: ended with status {process.returncode}: "
                     + messages.read()[-3000:])
    return Finished(output, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024**2)


@dataclass
class Row:
    what: str
    ours: str
    reference: str = "-"
    ratio: str = "-"
    bar: str = "-"
    holds: bool | None = None  # None: there is no bar, or it was not measured

    def __str__(self):
        holds = {True: "yes", False: "no", None: "-"}[self.holds]
        cells = [self.what, self.ours, self.reference, self.ratio, self.bar, holds]
        return f"| {' | '.join(cells)} |"


HEADER = "| what | ours | reference | ratio | bar | holds |\n| --- | --- | --- | --- | --- | --- |"


def spread(values, unit, digits=1):
    """Median and range."""
    middle, least, most = (f"{f(values):.{digits}f}" for f in (statistics.median, min, max))
    return f"{middle} {unit}" if len(values) == 1 else f"{middle} {unit} ({least} to {most})"


@dataclass
class Side:
    name: str
    program: Program
    part: str


def measure(sides, pairs, seconds):
    """Seconds of a call of each side: one list a side, one entry a round. A round asks all sides,
    each as often as takes the slowest about `seconds`; every other round goes backwards, so that
    whatever else the machine does falls on all."""
    for side in sides:
        side.program.time(side.part, 1)  # allocations, page faults, the choice of kernels
    slowest = max(side.program.time(side.part, 1) for side in sides)
    calls = max(1, round(seconds / slowest))
    rounds = []
    for index in range(pairs):
        numbers = range(len(sides))  # by number: two sides may have one program, and its name
        order = numbers if index % 2 == 0 else reversed(numbers)
        times = {i: sides[i].program.time(sides[i].part, calls) for i in order}
        rounds.append([times[i] for i in numbers])
    return [list(times) for times in zip(*rounds)], calls


def timing_row(what, ours, reference, bar, calls):
    """ours, reference: (name, seconds of each round); bar: least ratio, or None."""
    unit, scale = ("s", 1) if statistics.median(ours) >= 10 else ("ms", 1e3)
    name, theirs = reference
    ratios = [b / a for a, b in zip(ours, theirs)]
    return Row(
        f"{what} ({len(ours)} x {calls})", spread([x * scale for x in ours], unit),
        f"{name}: {spread([x * scale for x in theirs], unit)}", spread(ratios, "x", 2),
        "-" if bar is None else f">= {bar:g} x",
        None if bar is None else statistics.median(ratios) >= bar,
    )
