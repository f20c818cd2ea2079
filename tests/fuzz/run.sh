#!/bin/sh
# run.sh [N [TARGET...]] - fuzzes each decoder, or those named, for N executions; without N for ten million together, of
# which the configuration's gets a hundredth: a file is read a hundred times more slowly than a record.
#
# With clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer; where there is no libFuzzer, with driver.c and
# gcc's. Builds in $LATCHKEY_FUZZ_BUILD, else in a temporary folder. What libFuzzer learns is forgotten at the end, unless
# $LATCHKEY_FUZZ_CORPUS names a folder for it. An input that finds something is left in the working directory, is told,
# and belongs into corpus/TARGET once the bug is mended. Exit 1 then.
set -eu
exec </dev/null

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
build=${LATCHKEY_FUZZ_BUILD:-$work/build}
learnt=${LATCHKEY_FUZZ_CORPUS:-$work/corpus}
together=10000000

log() {
    "$@" >"$work/log" 2>&1 || {
        tail -n 40 "$work/log" >&2
        return 1
    }
}

echo 'int LLVMFuzzerTestOneInput(const char *data, long size); int LLVMFuzzerTestOneInput(const char *data, long size)
{ return size > 0 && data[0] == 1; }' >"$work/probe.c"
libfuzzer=no
if clang -fsanitize=fuzzer "$work/probe.c" -o "$work/probe" 2>/dev/null; then
    libfuzzer=yes
fi

# Not debugging's -O0: most of the time is the sanitizers' as it is.
if [ ! -f "$build/build.ninja" ]; then
    if [ $libfuzzer = yes ]; then
        CC=clang CXX=clang++ log meson setup "$build" "$root" -Dfuzz=true -Dexamples=disabled -Dtesting=disabled \
            -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=2
    else
        log meson setup "$build" "$root" -Dexamples=disabled -Dtesting=disabled -Db_sanitize=address,undefined
    fi
fi
log ninja --quiet -C "$build" fuzz_targets

each=${1:-}
[ $# -eq 0 ] || shift
if [ $# -eq 0 ]; then
    for program in "$build"/tests/fuzz/fuzz_*; do
        if [ -f "$program" ] && [ -x "$program" ]; then
            set -- "$@" "${program##*/fuzz_}"
        fi
    done
fi

ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=1:allocator_may_return_null=1
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
LSAN_OPTIONS=suppressions=$root/tests/lsan.supp:print_suppressions=0
export ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS
failed=0
targets=$#
for target; do
    if [ -n "$each" ]; then
        runs=$each
    elif [ "$target" = config ]; then
        runs=$((together / 100))
    else
        runs=$((together / (targets > 1 ? targets - 1 : 1)))
    fi
    mkdir -p "$learnt/$target"
    began=$(date +%s)
    if [ $libfuzzer = yes ]; then
        set -- -runs="$runs" -seed="${SEED:-1}" -max_len=4096 -timeout=20 -verbosity=0 -print_final_stats=1 \
            -artifact_prefix="$PWD/$target-" "$learnt/$target" "$here/corpus/$target"
    else
        set -- --runs "$runs" --seed "${SEED:-1}" "$here/corpus/$target"
    fi
    if "$build/tests/fuzz/fuzz_$target" "$@" >"$work/out" 2>&1; then
        done=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/out")
        echo "$target: ${done:-$runs} executions in $(($(date +%s) - began)) s, no finding"
    else
        failed=$((failed + 1))
        tail -n 60 "$work/out"
        echo "$target: FOUND something"
    fi
done
exit $((failed > 0))
