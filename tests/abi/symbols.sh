#!/bin/sh
# What the shared library exports, against the checked-in list, or all of several lists.
#
#   symbols.sh check NM LIBRARY LIST...  fails, and shows the difference, when they are not the same
#   symbols.sh write NM LIBRARY LIST     writes the list anew
#
# A symbol that is gone from the list, or has changed its meaning, breaks programs: it needs a new soversion.
set -eu
order=$1 nm=$2 library=$3
shift 3

# The version's own name is no symbol; a sanitizer adds some of its own.
exported() {
    "$nm" -D --defined-only --format=posix "$library" |
        awk '$2 != "A" { sub(/@.*/, "", $1); print $1 }' | grep -v '^__[a-z]*san_' | LC_ALL=C sort
}

case $order in
write)
    exported >"$1"
    ;;
check)
    found=$(exported)
    stray=$(printf '%s\n' "$found" | grep -v '^lk_' || true)
    if [ -n "$stray" ]; then
        echo "exported, but not by a name that begins with lk_:" $stray
        exit 1
    fi
    listed=$(mktemp)
    trap 'rm -f "$listed"' EXIT
    LC_ALL=C sort "$@" >"$listed"
    if ! printf '%s\n' "$found" | diff -u "$listed" - ; then
        echo "the exported symbols are not those of $*; if that is meant: $0 write $nm $library LIST"
        exit 1
    fi
    echo "$(printf '%s\n' "$found" | wc -l) symbols"
    ;;
*)
    echo "symbols.sh check|write NM LIBRARY LIST" >&2
    exit 64
    ;;
esac
