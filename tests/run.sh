#!/bin/sh
# run.sh [--long] - installs what is missing, builds, and runs all tests; ends with the line "N passed, N failed".
#
#   the gate   formatting, headers alone, symbols: cheap, so first
#   gcc        everything
#   clang      compiled with its warnings; what needs no server is run
#   asan       everything under AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan       what has threads, under ThreadSanitizer
#   valgrind   the unit tests, with every leak an error
#   --long     also soaks, long runs of seeds, and benchmarks; hours
#
# Builds in build/, or in $LATCHKEY_BUILD. Servers are private ones on free ports, so nothing that is left running on
# this machine is in the way; with CI set, builds of earlier runs are thrown away first. $MESON_TEST_ARGS goes to each
# `meson test`.
set -u
exec </dev/null
long=no
case ${1:-} in
'') ;;
--long) long=yes ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac

cd "$(dirname "$0")/.." || exit 1
root=$PWD
builds=${LATCHKEY_BUILD:-$root/build}
if ! { mkdir -p "$builds" && builds=$(cd "$builds" && pwd); }; then
    echo "0 passed, 1 failed"
    exit 1
fi
passed=0 failed=0 began=$(date +%s)
# Most wait for servers now and then.
jobs=$(($(nproc) + 1))
unset LATCHKEY_SERVERS LATCHKEY_ROOT
LATCHKEY_CONFIG=/dev/null LC_ALL=C.UTF-8
export LATCHKEY_CONFIG LC_ALL

say() {
    printf '[%4ds] %s\n' $(($(date +%s) - began)) "$*"
}

# check NAME COMMAND...: one test, whose output is shown only when it fails.
check() {
    name=$1
    shift
    if "$@" >"$builds/check.log" 2>&1; then
        passed=$((passed + 1))
        say "ok: $name"
    else
        failed=$((failed + 1))
        tail -n 80 "$builds/check.log"
        say "FAILED: $name"
        return 1
    fi
}

formatted() {
    git ls-files -z '*.c' '*.h' | xargs -0 -r clang-format --dry-run -Werror
}

readme_is_compiled() {
    python3 - <<'EOT'
import re, sys
block = re.search(r"```c\n(.*?)\n```", open("README.md").read(), re.S).group(1)
sys.exit(block not in open("examples/acquire.c").read() and "README.md shows other C than examples/acquire.c")
EOT
}

untracked() {
    git ls-files --others --exclude-standard | LC_ALL=C sort
}

nothing_left_behind() {
    untracked >"$builds/untracked.after"
    diff "$builds/untracked.before" "$builds/untracked.after"
}

set_up() {
    meson setup "$@" "$root" -Dwerror=true -Dconfig=enabled -Dcli=enabled -Dtests=enabled -Dexamples=enabled
}

# What is there from an earlier run is used again, unless it no longer fits; then it is made anew.
compiled() {
    folder=$builds/$1
    shift
    if [ -f "$folder/build.ninja" ] && set_up --reconfigure "$@" "$folder" && ninja --quiet -k 0 -C "$folder"; then
        return 0
    fi
    # Only what meson made.
    [ ! -d "$folder/meson-private" ] || rm -rf "$folder"
    set_up "$@" "$folder" && ninja --quiet -k 0 -C "$folder"
}

# build NAME CC CXX [MESON-ARGUMENT...]
build() {
    build=$1
    CC=$2 CXX=$3
    export CC CXX
    shift 3
    check "$build: builds without a warning" compiled "$build" "$@"
}

# run NAME [MESON-TEST-ARGUMENT...]: in the build of that name.
run() {
    folder=$builds/$1
    shift
    rm -f "$folder"/meson-logs/run*.json "$folder"/meson-logs/run*.txt
    # shellcheck disable=SC2086
    meson test -C "$folder" --no-rebuild --print-errorlogs --logbase run --num-processes "$jobs" "$@" ${MESON_TEST_ARGS:-}
    if counts=$(python3 tools/count-tests.py "$folder"/meson-logs/run*.json); then
        # shellcheck disable=SC2086
        set -- $counts
        passed=$((passed + $1)) failed=$((failed + $2))
        say "$1 passed, $2 failed, $3 skipped"
    else
        failed=$((failed + 1))
        say "FAILED: meson test left no log"
    fi
}

# Where the kernel spreads addresses further than this runtime can bear, a program needs them fixed.
tsan_wrapper() {
    printf 'int main(void) { return 0; }\n' >"$builds/tsan.c"
    gcc -fsanitize=thread "$builds/tsan.c" -o "$builds/tsan.probe" || return 1
    for wrapper in env 'setarch -R'; do
        if $wrapper "$builds/tsan.probe" >/dev/null 2>&1; then
            echo "$wrapper"
            return 0
        fi
    done
    return 1
}

finish() {
    say "done"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

say "packages"
sh tools/install.sh --tests || say "not everything could be installed; going on with what is here"
if [ -n "${CI:-}" ]; then
    for folder in gcc clang asan tsan; do
        [ ! -d "$builds/$folder/meson-private" ] || rm -rf "${builds:?}/$folder"
    done
fi

in_git=no
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    in_git=yes
    untracked >"$builds/untracked.before"
fi
if [ $in_git = no ]; then
    say "no git checkout: formatting and left-over files are not looked at"
elif clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    check "formatting" formatted
else
    say "no clang-format 14: formatting is not looked at"
fi
check "the README's C is an example's" readme_is_compiled

say "gcc"
built=no
if build gcc gcc g++; then
    built=yes
    run gcc --suite abi
    run gcc --no-suite abi --no-suite long
fi

say "clang"
if build clang clang clang++; then
    run clang --suite abi --suite unit --suite sim --suite examples --no-suite long --no-suite once
fi

say "asan"
ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
LSAN_OPTIONS=suppressions=$root/tests/lsan.supp:print_suppressions=0
export ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS
if build asan gcc g++ -Db_sanitize=address,undefined; then
    run asan --no-suite abi --no-suite zkbox --no-suite long --no-suite once --timeout-multiplier 4
fi

if [ $built = yes ]; then
    say "valgrind"
    # What runs on one thread, or one at a time. Live tests take minutes more under it, in which sessions expire that
    # should not; ASan looks at those.
    run gcc --setup valgrind --suite unit --suite memcheck
fi

say "tsan"
if wrapper=$(tsan_wrapper); then
    TSAN_OPTIONS=halt_on_error=0:exitcode=66:die_after_fork=0:suppressions=$root/tests/tsan.supp
    export TSAN_OPTIONS
    # Not the simulation: of its threads one alone runs at a time.
    if build tsan gcc g++ -Db_sanitize=thread; then
        run tsan --suite live --suite examples --no-suite long --no-suite once --no-suite calm --timeout-multiplier 4 --wrapper "$wrapper"
    fi
else
    say "ThreadSanitizer can't run on this machine"
fi

if [ $long = yes ] && [ $built = yes ]; then
    say "long"
    run asan --suite long --timeout-multiplier 0
    run gcc --suite long --timeout-multiplier 0
    run gcc --benchmark --verbose --timeout-multiplier 0
fi

[ $in_git = no ] || check "no file is left behind in the tree" nothing_left_behind
finish
