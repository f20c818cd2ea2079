#!/bin/sh
# on-private-server.sh ZKBOX PROGRAM: runs the program with a ZooKeeper server of its own.
# Twice, since an example that only works the first time is none.
exec "$1" --no-fsync -- sh -c '
    export LATCHKEY_SERVERS="$ZKBOX_SERVERS"
    "$0" && "$0" "$ZKBOX_SERVERS"' "$2"
