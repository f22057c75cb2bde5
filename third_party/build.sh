#!/usr/bin/env bash
# Set-up, configuration and build of the release preset: what run.sh and test.sh share.
# Usage: third_party/build.sh [--gui] [--mpi] TARGET...
# --gui: with the packages of the window; --mpi: with those of training by several processes.
# KEEPSAKE_WERROR=ON in the environment makes warnings errors, OFF warnings; without it, they are
# errors where CI (GitHub's, GitLab's and most others' variable) is set, and else what the build
# folder was last configured with.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
setup=()
while [ "${1:-}" = --gui ] || [ "${1:-}" = --mpi ]; do
    setup+=("$1")
    shift
done
"$root/third_party/setup.sh" "${setup[@]}"
torch=${KEEPSAKE_TORCH:+$(realpath -- "$KEEPSAKE_TORCH")}

# A source file that includes ATen takes 0.7 GB to compile (GCC 12): no more at once than memory holds.
memory_kb=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
jobs=$((memory_kb / 1000000))
cores=$(nproc)
if [ "$jobs" -gt "$cores" ]; then jobs=$cores; fi
if [ "$jobs" -lt 1 ]; then jobs=1; fi

werror=${KEEPSAKE_WERROR:-${CI:+ON}}
options=("-DKEEPSAKE_TORCH=$torch")
if [ -n "$werror" ]; then options+=("-DKEEPSAKE_WERROR=$werror"); fi

cd "$root"
cmake --preset release "${options[@]}"
cmake --build --preset release --parallel "$jobs" --target "$@"
