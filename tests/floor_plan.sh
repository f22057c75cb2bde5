#!/usr/bin/env bash
# gui -> editor -> optimize -> pipeline: an #include that points up, or a graphics library in the
# command line, is an error. Usage: floor_plan.sh KEEPSAKE_PROGRAM SOURCE_FOLDER
set -euo pipefail
program=$(realpath "$1")
cd "$2"
floors=(pipeline optimize editor gui)
status=0

for below in "${!floors[@]}"; do
    for above in "${floors[@]:below+1}"; do
        if grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[\"<]$above/" "${floors[below]}" 2>/dev/null; then
            echo "floor_plan: ${floors[below]} includes $above, which lies above it" >&2
            status=1
        fi
    done
done
# An include that names no folder would slip through the check above.
if grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^/"]+"' pipeline optimize editor; then
    echo "floor_plan: write the folder in the #include" >&2
    status=1
fi
if readelf -d "$program" | grep -E 'NEEDED.*(libGL|libOpenGL|libEGL|glfw|imgui)'; then
    echo "floor_plan: $program links a graphics library" >&2
    status=1
fi
exit "$status"
