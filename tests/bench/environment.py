"""The Python that the references run in, and what a machine says about itself.

compare.py and this module need nothing but Python's own library; torch, diffusers and OpenVINO are
in that other Python. It is --python, else $KEEPSAKE_BENCH_PYTHON, else build/bench-venv, which is
made from requirements.txt. Its torch is the one that Keepsake was built with where that is an
installed package (KEEPSAKE_TORCH or build/venv), else the CPU build of PyTorch, a download of
190 MB; the rest is some 200 MB.
"""

import fcntl
import json
import os
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests" / "bench"
VENV = ROOT / "build" / "bench-venv"


class NoPython(Exception):
    """There is no Python with the references, and none can be made here; the message says why."""


def pinned(name):
    for line in (ROOT / "tests" / "goldens" / "requirements.txt").read_text().splitlines():
        if line.startswith(name + "=="):
            return line.removeprefix(name + "==").strip()
    raise LookupError(f"tests/goldens/requirements.txt: no line {name}==")


def torch_that_is_here():
    """The site-packages of an installed torch of our version that this Python can use, or None."""
    folders = list((ROOT / "build" / "venv").glob("lib/python3*/site-packages/torch"))
    if os.environ.get("KEEPSAKE_TORCH"):
        folders.insert(0, pathlib.Path(os.environ["KEEPSAKE_TORCH"]).resolve())
    this = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in folders:
        site = folder.parent
        cpu_build = site / f"torch-{pinned('torch')}+cpu.dist-info"
        if (folder / "__init__.py").exists() and cpu_build.exists() and site.parent.name == this:
            return site
    return None


def pip(*arguments):
    """Returns pip's last lines where it failed, else None."""
    index = os.environ.get("KEEPSAKE_TORCH_INDEX")
    command = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--retries", "1",
               "--disable-pip-version-check", "--no-cache-dir", *arguments]
    if index:
        command += ["--extra-index-url", index]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return None if done.returncode == 0 else "\n".join(done.stdout.strip().splitlines()[-3:])


def install_torch():
    site = torch_that_is_here()
    if site:
        (python_folder,) = (VENV / "lib").glob("python3*")
        (python_folder / "site-packages" / "keepsake_torch.pth").write_text(f"{site}\n")
        return
    # Never the plain wheel: its CUDA packages are 2.7 GB.
    failed = pip(f"torch=={pinned('torch')}+cpu")
    if failed:
        raise NoPython("pip finds no CPU build of torch; set KEEPSAKE_TORCH_INDEX to PyTorch's "
                       f"index for CPU, or KEEPSAKE_BENCH_PYTHON. pip said: {failed}")


def install_references():
    """All of requirements.txt; without OpenVINO, whose rows are then left out, where it is not to
    be had."""
    requirements = BENCH / "requirements.txt"
    failed = pip("-r", requirements)
    if not failed:
        return
    lines = requirements.read_text().splitlines()
    fewer = VENV / "requirements-without-openvino.txt"
    goldens = ROOT / "tests" / "goldens" / "requirements.txt"
    fewer.write_text("\n".join(
        f"-r {goldens}" if line.startswith("-r") else line
        for line in lines if not line.startswith("openvino")
    ))
    without = pip("-r", fewer)
    if without:
        raise NoPython(f"pip could not install tests/bench/requirements.txt: {without}")
    print(f"bench: going on without OpenVINO; pip said: {failed}", file=sys.stderr)


def make_venv():
    print(f"bench: making {VENV} for the references", file=sys.stderr)
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise NoPython(f"{sys.executable} -m venv failed: {made.stdout.strip()}")
    install_torch()
    install_references()


def lacking(python, modules):
    """Those that `python` cannot find. Ends the program where it is no Python."""
    question = ("import importlib.util, sys; "
                "print(*(m for m in sys.argv[1:] if importlib.util.find_spec(m) is None))")
    try:
        done = subprocess.run([python, "-c", question, *modules], text=True, check=True,
                              stdout=subprocess.PIPE)
    except (OSError, subprocess.CalledProcessError) as why:
        sys.exit(f"bench: {python}: does not run: {why}")
    return done.stdout.split()


def bench_python(given):
    """The path of the references' Python. Throws NoPython; one that is given and does not have
    them ends the program."""
    given = given or os.environ.get("KEEPSAKE_BENCH_PYTHON")
    if given:
        missing = lacking(given, ["torch", "diffusers", "transformers", "peft", "PIL", "numpy"])
        if missing:
            sys.exit(f"bench: {given} lacks {', '.join(missing)}; tests/bench/requirements.txt "
                     "lists what it needs")
        return given
    done = VENV / "complete"
    wanted = "".join(
        (folder / "requirements.txt").read_text() for folder in (BENCH, ROOT / "tests" / "goldens")
    )
    VENV.parent.mkdir(exist_ok=True)
    with open(VENV.parent / "bench-venv.lock", "w") as lock:  # two runs at once would spoil it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            make_venv()
            done.write_text(wanted)
    return str(VENV / "bin" / "python")


def has_openvino(python):
    return not lacking(python, ["openvino"])


def peaks(python, threads, environment):
    """The versions, and what the processor reaches: see peaks.py."""
    done = subprocess.run([python, BENCH / "peaks.py", str(threads)], check=True, text=True,
                          stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout)


def cpuinfo(wanted):
    """The last value of a field, or None."""
    value = None
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, text = line.partition(":")
        if key.strip() == wanted:
            value = text.strip()
    return value


def multiplies_in_bfloat16():
    return "avx512_bf16" in (cpuinfo("flags") or "").split()


def processor():
    model = cpuinfo("model name") or platform.machine()
    flags = (cpuinfo("flags") or "").split()
    wanted = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"]
    return f"{model}, {os.cpu_count()} cores, {' '.join(f for f in wanted if f in flags)}"


def available_gib():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1024**2
    return 0.0


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip() or "unknown"
