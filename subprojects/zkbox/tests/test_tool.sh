#!/bin/sh
# The tool runs a command with ZKBOX_SERVERS, passes its status on, and leaves nothing behind.
# Usage: test_tool.sh ZKBOX
set -eu
zkbox=$1
parent=$(mktemp -d)
trap 'rm -rf "$parent"' EXIT

fail() {
    echo "failed: $1" >&2
    exit 1
}
nothing_left() {
    [ -z "$(ls "$parent")" ] || fail "$1 left $(ls "$parent") behind"
}

status=0
"$zkbox" --folder "$parent" -- sh -c 'case $ZKBOX_SERVERS in 127.0.0.1:*) exit 7;; esac' || status=$?
[ "$status" = 7 ] || fail "status of the command is 7, not $status"
nothing_left "a command"

status=0
"$zkbox" --folder "$parent" -- sh -c 'kill -TERM $$' || status=$?
[ "$status" = 143 ] || fail "a command ended by SIGTERM gives 143, not $status"
nothing_left "a killed command"

status=0
"$zkbox" --folder "$parent" -- no-such-command 2>"$parent.err" || status=$?
rm -f "$parent.err"
[ "$status" = 127 ] || fail "a command that is not there gives 127, not $status"
nothing_left "a missing command"

status=0
"$zkbox" --folder "$parent" --nodes 3 --heap 123 --tick 700 --sync-limit 7 --no-fsync -- sh -c '
    cd "$1"/*/node0
    for line in tickTime=700 syncLimit=7 forceSync=no; do grep -qx "$line" zoo.cfg || exit 1; done
    for process in /proc/[0-9]*; do
        tr "\0" "\n" 2>/dev/null <"$process/cmdline" | grep -qx -- -Xmx123m && exit 0
    done
    exit 1' sh "$parent" || status=$?
[ "$status" = 0 ] || fail "the servers take tick, sync limit, heap and fsync from the options"
nothing_left "a box with options"

# Serves until told; the fifo lets us wait for the address.
mkfifo "$parent.fifo"
"$zkbox" --nodes 3 --folder "$parent" >"$parent.fifo" &
pid=$!
read -r servers <"$parent.fifo"
rm -f "$parent.fifo"
case $servers in 127.0.0.1:*,127.0.0.1:*,127.0.0.1:*) ;; *) fail "printed $servers" ;; esac
kill -TERM "$pid"
wait "$pid" || fail "SIGTERM ends it in order"
nothing_left "a served box"

status=0
"$zkbox" --nodes 2 2>/dev/null || status=$?
[ "$status" = 2 ] || fail "wrong usage gives 2, not $status"
