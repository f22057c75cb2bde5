#!/usr/bin/env bash
# Installs what is missing on a Debian 12 machine: packages, and LibTorch in build/venv.
# Quick when everything is there. Usage: third_party/setup.sh [--gui] [--mpi]
#
#   KEEPSAKE_TORCH        a LibTorch folder, or an installed torch package: nothing is downloaded
#   KEEPSAKE_TORCH_INDEX  the package index to take torch from: the address that the selector on
#                         PyTorch's "Start locally" page shows after --index-url when CPU is chosen
#   KEEPSAKE_TORCH_BUILD  cpu (default), or cuda: the plain wheel with all its CUDA packages
#   KEEPSAKE_SKIP_APT     1: leave the system's packages alone
set -euo pipefail

# The wheel that this source was tested with, and what pip downloaded for it when it was measured.
torch_version=2.13.0
cpu_size="192 MB"
plain_size="540 MB (527 MB torch, 13 MB for the two CUDA libraries it does not start without)"
cuda_size="2.7 GB (527 MB torch, 2.2 GB CUDA packages)"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/build/venv

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$@"
    exit 1
}

# The package names in a list of ours.
listed() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$root/third_party/$1"; }

install_packages() {
    local wanted missing
    mapfile -t wanted < <(for list in "$@"; do listed "$list"; done)
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        fail "apt-get: not found, so this is no Debian system. Install the counterparts of these" \
            "packages, then run again with KEEPSAKE_SKIP_APT=1: ${wanted[*]}"
    fi
    mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
            sed -n 's/^installed //p' | sort -u))
    [ "${#missing[@]}" -gt 0 ] || return 0

    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "sudo: not found. As root, run:" \
            "apt-get update && apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing Debian packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -q ||
        say "apt-get update failed; going on with the package lists that are there"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null ||
        fail "apt-get install failed; its messages are above"
}

# A Python that can make a virtual environment. Debian's own is asked last: python3-venv belongs to
# it, but a python3 of the user's that comes first in PATH will do as well.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' \
            2>/dev/null; then
            echo "$python"
            return
        fi
    done
    fail "python3: none of version 3.10 or newer that has the module venv (Debian: python3-venv)"
}

# pip install with our choice of index. --no-cache-dir: a wheel of this size is not worth keeping
# twice, and older versions of pip read it whole into memory to do so.
pip_install() {
    local index=()
    if [ -n "${KEEPSAKE_TORCH_INDEX:-}" ]; then
        index=(--index-url "$KEEPSAKE_TORCH_INDEX")
    fi
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-cache-dir "${index[@]}" "$@"
}

torch_package() { echo "$venv"/lib/python3*/site-packages/torch; }

# Only the libraries in the wheel are used, never torch's Python side, so its Python dependencies
# stay out (--no-deps).
install_cpu_build() {
    local log=$venv/pip.log
    say "asking pip for the CPU build of PyTorch $torch_version, a download of about $cpu_size"
    if [ -n "${KEEPSAKE_TORCH_INDEX:-}" ]; then
        # The person chose the index: what it has of this version is what they want.
        pip_install --no-deps "torch==$torch_version" ||
            fail "torch $torch_version: not installed from KEEPSAKE_TORCH_INDEX=$KEEPSAKE_TORCH_INDEX"
        return
    fi
    if pip_install --no-deps "torch==$torch_version+cpu" 2>"$log"; then
        return
    fi
    if ! grep -q 'No matching distribution found' "$log"; then
        cat "$log" >&2
        fail "torch $torch_version: not installed; pip's messages are above"
    fi
    say "pip finds no CPU build here, so the plain one comes, which is made for CUDA."
    say "downloading instead: about $plain_size."
    say "To have the CPU build ($cpu_size), stop now (Ctrl-C) and set KEEPSAKE_TORCH_INDEX; see README.md."
    pip_install --no-deps "torch==$torch_version" ||
        fail "torch $torch_version: not installed; pip's messages are above"
}

# The CPU half of a CUDA wheel still links libcudart and libcupti. Their packages are a few
# megabytes; the gigabytes are cuBLAS, cuDNN and the like, which only a GPU needs. (pip would warn
# that torch lacks its other dependencies; that is the point.)
install_cuda_remainder() {
    local metadata needed
    [ -e "$(torch_package)/lib/libtorch_cuda.so" ] || return 0
    metadata=$(cat "$(torch_package)"-*.dist-info/METADATA)
    # Wheels since CUDA 13 name one package with parts, older ones a package for each part.
    mapfile -t needed < <(sed -n -E \
        -e 's/^Requires-Dist: cuda-toolkit\[.*\](==[0-9.]+).*/cuda-toolkit[cudart,cupti]\1/p' \
        -e 's/^Requires-Dist: (nvidia-cuda-(runtime|cupti)-cu[0-9]+==[0-9.]+).*/\1/p' <<<"$metadata")
    [ "${#needed[@]}" -gt 0 ] || return 0
    pip_install --no-warn-conflicts "${needed[@]}" || fail "${needed[*]}: not installed; pip's messages are above"
}

install_torch() {
    local build=${KEEPSAKE_TORCH_BUILD:-cpu} done_file=$venv/keepsake-torch python
    case $build in
        cpu | cuda) ;;
        *) fail "KEEPSAKE_TORCH_BUILD: '$build' is neither cpu nor cuda" ;;
    esac
    # The last thing written, so that an interrupted download is noticed and begun again.
    if [ -e "$done_file" ] && [ "$(<"$done_file")" = "$torch_version $build" ]; then
        return 0
    fi
    python=$(find_python)
    rm -rf "$venv"
    mkdir -p "$root/build"
    "$python" -m venv "$venv" || fail "$venv: $python could not make a virtual environment there"
    if [ "$build" = cuda ]; then
        say "downloading PyTorch $torch_version with its CUDA packages: about $cuda_size"
        pip_install "torch==$torch_version" ||
            fail "torch $torch_version: not installed; pip's messages are above"
    else
        install_cpu_build
        install_cuda_remainder
    fi
    [ -e "$(torch_package)/lib/libtorch_cpu.so" ] ||
        fail "$(torch_package): pip was content, but there is no lib/libtorch_cpu.so"
    echo "$torch_version $build" >"$done_file"
}

lists=(apt-packages.txt)
for option in "$@"; do
    case $option in
        --gui) lists+=(apt-packages-gui.txt) ;;
        --mpi) lists+=(apt-packages-mpi.txt) ;;
        *) fail "$option: unknown option; usage: third_party/setup.sh [--gui] [--mpi]" ;;
    esac
done
if [ "${KEEPSAKE_SKIP_APT:-0}" != 1 ]; then
    install_packages "${lists[@]}"
fi
if [ -n "${KEEPSAKE_TORCH:-}" ]; then
    [ -e "$KEEPSAKE_TORCH/lib/libtorch_cpu.so" ] ||
        fail "KEEPSAKE_TORCH: no lib/libtorch_cpu.so in '$KEEPSAKE_TORCH'"
else
    install_torch
fi
