#!/usr/bin/env bash
# The numeric tests as other processors would compute them: LibTorch, MKL and our own kernels are
# told to take the code of older ones, or to work with other numbers of threads.
# Usage: tests/other_processors.sh PROGRAM[:FILTER]... (test programs and what they run)
# Environment: KEEPSAKE_STAND_INS, some of those below, separated by spaces.
set -u
stand_ins=${KEEPSAKE_STAND_INS:-MKL_CBWR=COMPATIBLE ATEN_CPU_CAPABILITY=default \
    ATEN_CPU_CAPABILITY=avx2 KEEPSAKE_KERNELS=avx2 KEEPSAKE_KERNELS=none OMP_NUM_THREADS=1 \
    OMP_NUM_THREADS=8}
failed=0
for stand_in in $stand_ins; do
    for test in "$@"; do
        program=${test%%:*}
        filter='*'
        [[ $test != *:* ]] || filter=${test#*:}
        echo "$stand_in $(basename "$program") $filter"
        env "$stand_in" "$program" --gtest_filter="$filter" --gtest_brief=1 || failed=1
    done
done
exit "$failed"
