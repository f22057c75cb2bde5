#!/usr/bin/env bash
# Installs what is missing, builds everything, runs every test but those labelled `large`.
# Arguments go to ctest, e.g. ./test.sh -R tokenizer. Environment variables: third_party/setup.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$root/third_party/build.sh" --gui all
cd "$root"
exec ctest --preset release "$@"
