#!/bin/sh
# test_run.sh SIM_RUN MADE_UP - what sim_run promises about its seeds. MADE_UP is sim_run with the workloads of
# test_run_workloads.c: `lock` passes, `election` fails in each tenth seed, `ledger` aborts in the thirteenth.
set -u

real=$1 made_up=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out failed=0
export SEEN="$work/seen"

# What it is that must hold, then the command that shows it.
must() {
    what=$1
    shift
    "$@" && return
    echo "FAILED: $what"
    sed 's/^/    /' "$out" | tail -n 20
    failed=1
}

# Runs a command, with all that it prints in $out; answers whether it exits with the status.
exits() {
    expected=$1
    shift
    rm -f "$SEEN"
    "$@" >"$out" 2>&1
    status=$?
    [ "$status" -eq "$expected" ] || { echo "exit status $status, not $expected" >>"$out"; return 1; }
}

says() { grep -q "$1" "$out"; }
says_not() { ! says "$1"; }
has_seen() { [ "$(sort -n "$SEEN" | tr '\n' ' ')" = "$* " ]; } # each seed as often as it is named
has_seen_once() { [ "$(sort -n "$SEEN")" = "$(seq "$1" "$2")" ]; }

replays() { # workload
    "$real" --seed 7 --workload "$1" --trace >"$work/first" &&
        "$real" --seed 7 --workload "$1" --trace >"$work/second" &&
        "$real" --seed 8 --workload "$1" --trace >"$work/other" && cp "$work/first" "$out" &&
        cmp -s "$work/first" "$work/second" && ! cmp -s "$work/first" "$work/other"
}

for workload in lock rwlock semaphore multilock guard courtesy election ledger; do
    must "a seed of $workload tells the same story twice, and another one another" replays $workload
done

must 'a failing seed ends the run with 1' exits 1 "$made_up" --from 1 --to 30 --workload election --profile calm
must 'a failing seed says what failed' says '^seed 10 fails: 10 is a multiple of ten$'
must 'a failing seed tells its story' says 'this is seed 10$'
must 'the story is that seed alone' says_not 'this is seed 9$'
must 'a failing seed says how to see it again' \
    says '^    again: sim_run --seed 10 --workload election --profile calm --trace$'
must 'nothing is run behind the failure; it is run twice itself' has_seen 1 2 3 4 5 6 7 8 9 10 10
again=$(sed -n 's/^    again: sim_run //p' "$out")
# shellcheck disable=SC2086
must 'the command for seeing it again fails too' exits 1 "$made_up" $again
must 'and in the same way' says '^seed 10 fails: 10 is a multiple of ten$'

must '--all goes on after failures, and exits 1' exits 1 "$made_up" --from 1 --to 30 --all --jobs 2
must '--all names each failure' says '^election 30: 30 is a multiple of ten$'
must '--all goes on after a crash' says '^seed 13 of ledger crashed (signal 6)$'

must 'a crash ends the run with 1' exits 1 "$made_up" --from 1 --to 30 --workload ledger
must 'a crash names its seed, its workload and the signal' says '^seed 13 of ledger crashed (signal 6)$'
must 'a crash tells its story until then' says 'this is seed 13$'
must 'a crash says how to see it again' says '^    again: sim_run --seed 13 --workload ledger --trace$'

must 'two jobs pass as one does' exits 0 "$made_up" --from 5 --to 1500 --workload lock --jobs 2
must 'two jobs run each seed once' has_seen_once 5 1500
must 'a range of all workloads is one world of each for a seed' exits 0 "$made_up" --from 14 --to 16 --jobs 2
must 'a range of all workloads is one world of each for a seed' has_seen \
    14 14 14 14 14 14 14 14 15 15 15 15 15 15 15 15 16 16 16 16 16 16 16 16

# In the middle of a range that would take hours.
interrupt() { # signal, options...
    signal=$1
    shift
    rm -f "$SEEN"
    "$made_up" --from 1 --to 100000000 --workload lock --jobs 2 "$@" >"$out" 2>&1 &
    pid=$!
    until [ -s "$SEEN" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
    kill -"$signal" $pid
    wait $pid
}
interrupt INT
must 'SIGINT is answered with 130' [ $? -eq 130 ]
next=$(sed -n 's/.*to go on: --from \([0-9]*\) --to 100000000$/\1/p' "$out")
must 'SIGINT ends the run in order: all before the seed to go on from was run once' has_seen_once 1 $((${next:-0} - 1))
interrupt TERM
must 'SIGTERM is answered with 143' [ $? -eq 143 ]

done=$work/done
interrupt INT --done "$done"
next=$(sed -n 's/.*to go on: --from \([0-9]*\) --to 100000000$/\1/p' "$out")
last=$((${next:-0} + 50))
must 'a run goes on where its file says' exits 0 "$made_up" --from 1 --to $last --workload lock --jobs 2 --done "$done"
must 'and runs nothing twice' has_seen_once "${next:-0}" $last
must 'what is done stays done' exits 0 "$made_up" --from 1 --to $last --workload lock --done "$done"
must 'nothing is left to do' [ ! -e "$SEEN" ]
must 'other workloads have a range of their own' exits 0 "$made_up" --from 1 --to 5 --workload election --done "$done"
must 'which is run' has_seen_once 1 5
rm -f "$done"
must 'a failure ends a run with a file too' exits 1 "$made_up" --from 8 --to 12 --workload election --done "$done"
must 'the failing seed is not done' exits 1 "$made_up" --from 8 --to 12 --workload election --done "$done"
must 'the seeds before it are' has_seen 10 10
echo 'no ranges of seeds' >"$done"
must 'a file of something else is not touched' exits 2 "$made_up" --from 1 --to 2 --done "$done"
must 'a file of something else is not touched' [ "$(cat "$done")" = 'no ranges of seeds' ]
for damaged in '9 4' '0 18446744073709551615' '-1 3'; do
    echo "lock/drawn $damaged" >"$done"
    must "a range that can't be is refused: $damaged" exits 2 "$made_up" --from 1 --to 5 --workload lock --done "$done"
    must "a range that can't be is refused: $damaged" [ ! -e "$SEEN" ]
done
must 'nothing is run that could not be noted' \
    exits 2 "$made_up" --from 1 --to 5 --workload lock --done "$work/no such folder/done"
must 'nothing is run that could not be noted' [ ! -e "$SEEN" ]
rm -f "$done"
must 'what could not be noted ends the run' exits 2 sh -c \
    "ulimit -f 0; trap '' XFSZ; exec \"\$@\" >/dev/null" sh "$made_up" --from 1 --to 5 --workload lock --done "$done"

must 'seed 0 is a seed' exits 0 "$made_up" --seed 0 --workload lock
must 'seed 0 alone' has_seen 0
must 'a value that can not be is named' exits 2 "$made_up" --profile nonsense
must 'a value that can not be is named' says "^sim_run: --profile can't be 'nonsense'$"

for wrong in '--from' '--from x' '--from 3 --to 2' '--jobs 0' '--workload no' '--profile no' '--seeds 0' '1'; do
    # shellcheck disable=SC2086
    must "usage: $wrong" exits 2 "$made_up" $wrong
done
exit $failed
