#!/bin/sh
# install.sh [--tests]: installs with apt what is missing to build and run latchkey, and with --tests to test it.
#
# Asks dpkg first and leaves apt alone when everything is there, so that it works without a network then, and can be
# run as often as one likes. As root, or else by sudo.
set -eu

needed="gcc libc6-dev meson ninja-build pkgconf libzookeeper-mt-dev libxxhash-dev uthash-dev libconfig-dev libjansson-dev"
# The private servers of the tests, `latchkey dev` and `latchkey demo`.
needed="$needed libzookeeper-java default-jre-headless"
if [ "${1:-}" = --tests ]; then
    needed="$needed g++ clang clang-format libcmocka-dev valgrind git python3"
    # libFuzzer, for tests/fuzz/run.sh.
    needed="$needed libclang-rt-dev"
    # Those with whom tests/interop stands in line.
    needed="$needed libcurator-recipes-java python3-kazoo"
    # What the benchmark of the ledger stands beside, and what draws its picture.
    needed="$needed redis-server libhiredis-dev gnuplot-nox"
    command -v javac >/dev/null || needed="$needed default-jdk-headless"
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install.sh: this is no Debian; please have these, or what they are called here: $needed" >&2
    exit 0
fi

missing=
for package in $needed; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null; then
        echo "install.sh: neither root nor sudo; please have installed:$missing" >&2
        exit 1
    fi
fi
echo "installing:$missing"
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
apt update || echo "install.sh: the package lists could not be updated; trying with the ones that are here" >&2
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing
