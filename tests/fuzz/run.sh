#!/usr/bin/env bash
# Builds the fuzzer with clang and runs each of its targets for as many seconds.
# Usage: tests/fuzz/run.sh [SECONDS=150] [TARGET...]
# Needs a release build (for the parts that are not fuzzed), clang, libclang-rt-14-dev, ImageMagick
# and exiftool. Ends with a failure at the first find, which lies in build/fuzz as crash-<hash>.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-150}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(photo exif xmp tiff safetensors recipe history tar \
    config tokenizer lora checkpoint)
out=$root/build/fuzz
mkdir -p "$out/objects"
cd "$out"

# Debian's clang-14 package alone has no plain name.
compiler=${CLANGXX:-$(command -v clang++ || command -v clang++-14)}
# Debian's rapidjson (behind cereal) adds 0 to a null pointer, which pointer-overflow would report.
torch=$(sed -n 's/^KEEPSAKE_TORCH:[A-Z]*=//p' "$root/build/release/CMakeCache.txt")
[ -n "$torch" ] || torch=$(echo "$root"/build/venv/lib/python3*/site-packages/torch)
flags=(-MMD -std=c++20 -O1 -g -w -I"$root" -isystem "$torch/include"
    -isystem "$torch/include/torch/csrc/api/include" -isystem /usr/include/opencv4
    -DKEEPSAKE_VERSION='"fuzz"' -DKEEPSAKE_ASSETS="\"$root/assets\"" -fno-omit-frame-pointer
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=vptr,function,pointer-overflow)
read -ra vips <<<"$(pkg-config --cflags vips libtiff-4 libexif libpng16 lcms2 exempi-2.0)"
# Most of the time goes into torch's headers: they are read once.
if ! [ -e torch.pch ]; then
    printf '#include <ATen/ATen.h>\n#include <nlohmann/json.hpp>\n' >torch.h
    "$compiler" "${flags[@]}" "${vips[@]}" -x c++-header torch.h -o torch.pch
fi
# What is fuzzed is built with sanitizers and coverage; the rest comes from the release build.
sources=(tests/fuzz/fuzz_loaders.cpp tests/fuzz/fuzz_models.cpp)
for source in "$root"/pipeline/{files,text}/*.cpp; do sources+=("${source#"$root"/}"); done
for name in model/diffusers_folder model/single_file model/stated_prediction \
    networks/unet_config networks/vae_config networks/text_encoder networks/lora \
    sampling/schedule sampling/schedule_config sampling/timetable; do
    sources+=("pipeline/$name.cpp")
done
for source in "$root"/editor/photo/*.cpp; do
    case $(basename "$source" .cpp) in
    contact_sheet | pixel_tensors) ;; # read no files
    *) sources+=("editor/photo/$(basename "$source")") ;;
    esac
done
for name in transfer/export_photo transfer/apply_change transfer/change_model transfer/colour_grid \
    transfer/region_strength transfer/full_resolution session/recipe \
    session/recipe_ranges session/json_fields session/shards session/option_overrides \
    workbench/history workbench/edit_draft; do
    sources+=("editor/$name.cpp")
done
# Whether a source, or one of our headers that it includes, is newer than its object.
is_stale() {
    local object=$1 files
    [ -e "$object" ] && [ -e "${object%.o}.d" ] || return 0
    files=$(tr ' ' '\n' <"${object%.o}.d" | grep "^$root/" || true)
    # shellcheck disable=SC2086
    [ -n "$(find $files -newer "$object" -print -quit 2>&1)" ]
}
objects=() stale=()
for source in "${sources[@]}"; do
    object=objects/$(basename "$source" .cpp).o
    objects+=("$object")
    ! is_stale "$object" || stale+=("$source")
done
if [ ${#stale[@]} -gt 0 ]; then
    printf '%s\n' "${stale[@]}" | xargs -P "$(nproc)" -I{} sh -c '
        source=$1; shift; exec "$@" -c "'"$root"'/$source" -o "objects/$(basename "$source" .cpp).o"' \
        _ {} "$compiler" "${flags[@]}" "${vips[@]}" -include-pch torch.pch
fi
read -ra libraries <<<"$(pkg-config --libs vips libwebp libwebpmux libjpeg libtiff-4 libexif libpng16 lcms2 exempi-2.0)"
# A second run beside the first must not touch the program that runs.
[ ${#stale[@]} -eq 0 ] && [ fuzz_loaders -nt "$root/build/release/editor/libkeepsake_editor.a" ] ||
    "$compiler" -fsanitize=fuzzer,address,undefined "${objects[@]}" \
    "$root"/build/release/editor/libkeepsake_editor.a \
    "$root"/build/release/optimize/libkeepsake_optimize.a \
    "$root"/build/release/pipeline/libkeepsake_pipeline.a \
    -L"$torch/lib" -Wl,-rpath,"$torch/lib" -ltorch_cpu -lc10 -lgomp "${libraries[@]}" \
    -lopencv_imgproc -lopencv_core -licuuc -licui18n -o fuzz_loaders

[ -d seeds/tar ] || "$root/tests/fuzz/make_seeds.sh" seeds
# LibTorch and the decoders' own start-up never end: leaks are not looked for.
export VIPS_CONCURRENCY=1 OPENCV_FOR_THREADS_NUM=1
export ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    FUZZ_TARGET=$target ./fuzz_loaders "corpus/$target" "seeds/$target" -max_total_time="$seconds" \
        -max_len=131072 -rss_limit_mb=3000 -malloc_limit_mb=2500 -timeout=20 -print_final_stats=1 2>&1 |
        tee "$target.log" | grep -E "stat::|ERROR|SUMMARY|crash-|Test unit" || true
    ! grep -qE "^==.*ERROR|SUMMARY" "$target.log"
done
