#!/bin/sh
# quickstart.sh - latchkey in one command, on Debian 12: installs what is missing, builds the tool, and holds a flash
# sale on a private ZooKeeper server: four worker processes, 2,000 users, 500 coupons, and workers killed with SIGKILL
# on the way. Ends with the sale's own result: a table, the audit, and exit code 0 if not one coupon is wrong.
#
# What it builds is in build-quickstart/ (or $LATCHKEY_BUILD); nothing is installed but Debian's packages.
set -eu
cd "$(dirname "$0")/.."
build=${LATCHKEY_BUILD:-build-quickstart}

sh tools/install.sh

# A folder that is left over from another state of the tree is set up again, or else made anew.
setup() {
    meson setup "$build" . "$@" --buildtype=debugoptimized -Dtests=disabled -Dexamples=disabled -Dcli=enabled \
        -Dconfig=enabled
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "building"
if ! { [ -f "$build/build.ninja" ] && setup --reconfigure >"$log" 2>&1 && ninja -C "$build" >>"$log" 2>&1; }; then
    [ ! -d "$build/meson-private" ] || rm -rf "$build"
    if ! { setup >"$log" 2>&1 && ninja -C "$build" >>"$log" 2>&1; }; then
        tail -n 60 "$log"
        echo "quickstart.sh: the build failed; above is why" >&2
        exit 1
    fi
fi
rm -f "$log"
trap - EXIT

# On servers of its own, whatever this user's environment and configuration say.
unset LATCHKEY_SERVERS LATCHKEY_ROOT
LATCHKEY_CONFIG=/dev/null
export LATCHKEY_CONFIG
set -- demo --workers 4 --users 2000 --stock 500 --kill
echo "\$ latchkey $*"
exec "$build/src/cli/latchkey" "$@"
