#!/usr/bin/env bash
# Installs what is missing, builds everything, runs every test but those labelled `large`.
# Arguments go to ctest, e.g. ./test.sh -R tokenizer. Environment variables: third_party/setup.sh.
# Warnings are errors where KEEPSAKE_WERROR=ON or CI is set (third_party/build.sh).
# One test, of label `bench`, compares numbers with the reference libraries in a Python of its own
# (KEEPSAKE_BENCH_PYTHON, else build/bench-venv, a download of some 200 MB the first time). Where
# there is none and none can be made, that test is skipped and says why; -LE bench leaves it out.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$root/third_party/build.sh" --gui --mpi all
cd "$root"
exec ctest --preset release --parallel "$(nproc)" "$@"
