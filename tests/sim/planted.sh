#!/bin/sh
# planted.sh - the proof that the simulation bites: plants one bug at a time, and shows at which seed it is caught.
#
#   planted.sh [NAME...]      all of the table below, or those named
#
# Each bug is a patch of src/, planted/NAME.patch, whose first line says what it is; it is applied to a copy, never to
# the tree. Exit 1: a bug was missed, or the unpatched copy was found guilty of something. Exit 2: a patch no longer
# applies, or does not compile.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
flags='-std=c11 -O2 -D_GNU_SOURCE -DTHREADED -Iinclude -Isrc'
clean_seeds=200

# Name, workload, the number of seeds, from 1 on, within which it must be caught, and the profile of faults if it takes
# an aimed one. What makes a wait longer and breaks no law is caught by the sweep (sweep.h): then the rows of it by which.
table() {
    cat <<'TABLE'
no-owner-check lock 500
no-token-check lock 500
create-again-unsearched lock 500
given-up-is-granted lock 2000
mark-by-who-gives-up lock 100
mark-apart-untagged election 1000 anew
no-own-look election 500 anew
delete-by-name election 1000 anew
predecessor-gone-on-no-node lock 100
old-predecessor-counts lock 100
release-forgets lock 500
lost-grant-stays lock 100
expiry-taken-for-stranger lock 500
number-as-fence lock 100
waits-for-the-mark lock 100
numbers-run-out lock 500
numbers-run-out rwlock 500
numbers-run-out semaphore 500
numbers-below-zero lock 500
no-node-as-proof lock 3000 anew
no-node-keeps-lease lock 500 anew
observer-takes-namesake election 500 anew
observer-forgets-watch election 100
line-watch-takes-namesake lock 1000 anew
line-watched-after-listing lock 3000
line-watch-mixes-moments election 6000
proclaim-unconfirmed election 2000
unsent-delete-forgotten lock 100 memory
unnamed-create-forgotten lock 500 memory
lease-from-receipt lock 1000 edge
lease-without-chain lock 1000 edge
reads-as-proof lock 2000 edge
sync-as-proof lock 2000 servers
turned-reader-unseen rwlock 500
downgrade-marks rwlock 100
mark-by-reader rwlock 100
reader-minds-readers rwlock 100
lost-downgrade-is-done rwlock 500 flight
granted-permit-silent sweep lk_semaphore_acquire*waiter*
weights-not-counted semaphore 100
term-from-joining semaphore 100
term-from-answer semaphore 500 servers
prolonged-unconfirmed semaphore 10000 edge
shortening-unheeded semaphore 5000 flight
removed-in-any-version semaphore 5000 flight
term-without-drift semaphore 500 edge
expiry-without-drift semaphore 100 edge
another-leaders-clock semaphore 500 servers
multilock-keeps-the-first multilock 100
multilock-takes-as-given multilock 100
multilock-stops-at-a-failure multilock 500
multilock-gives-as-taken multilock 500 calm
guard-without-check guard 1000 strangers
guard-keeps-the-news guard 2000 strangers
gate-looks-at-zxids guard 500
gate-passes-unconfirmed guard 5000
mutex-one-turn-more guard 100
mutex-keeps-the-fence guard 100
mutex-last-come-first guard 100
delay-not-waited-for courtesy 100
delay-after-release courtesy 200 calm
revoke-whoever-holds courtesy 100
revoke-without-czxid courtesy 3000 anew
word-before-the-grant-lost courtesy 500 calm
sync-as-barrier ledger 2000 servers
stock-without-version ledger 100
second-shard-unchecked ledger 500
moved-range-kept ledger 100
home-kept-after-loss ledger 2000
account-without-version ledger 100
claim-without-id-check ledger 100
lost-claim-new-id ledger 500
refusal-from-old-state ledger 100
witness-that-is-applied ledger 100
witness-without-versions ledger 100
chain-not-whole ledger 100
grow-without-new-seal ledger 100
rotation-without-new-seal ledger 500
zxid-left-out ledger 100
sweep-without-version ledger 500
limit-not-counted ledger 100
limit-without-frozen ledger 100
unfreeze-unrecorded ledger 100
freeze-never-ends ledger 100
freeze-resolved-twice ledger 500
id-forgotten ledger 500
answer-of-a-gone-campaign ledger 500
delete-without-grave-check ledger 3000
sold-out-from-reads ledger 2000
TABLE
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$work/sound/tests" "$work/objects" "$work/planted"
cp -R "$root/src" "$root/include" "$work/sound"
cp -R "$root/tests/sim" "$work/sound/tests"
cp -R "$work/sound/." "$work/planted"

# The object of a source, beside the others, all in one folder.
object() {
    echo "$1" | tr / _ | sed 's/c$/o/'
}

compile() { # tree, folder, sources...
    tree=$1 folder=$2
    shift 2
    for source; do
        (cd "$tree" && $cc $flags -c "$source" -o "$folder/$(object "$source")") || return 1
    done
}

link_program() { # program, objects...
    program=$1
    shift
    $cc -o "$program" "$@" "@$root/src/testing/wraps.ld" -lzookeeper_mt -lxxhash -lpthread -lcmocka
}

link_run() { # folder, program
    link_program "$2" "$1"/*.o
}

link_sweep() { # folder, program
    link_program "$2" "$1"/src_*.o "$work/sweep"/*.o
}

# What sim_run is made of: the library but for its files of configuration, and the simulation but for its tests.
sources=$(cd "$work/sound" && find src tests/sim -name '*.c' ! -path 'src/cli/*' ! -path 'src/config/*' \
    ! -path 'src/sweeper/*' ! -name 'test*' ! -name 'differential*' ! -path 'tests/sim/sweep*')
# shellcheck disable=SC2086
compile "$work/sound" "$work/objects" $sources && link_run "$work/objects" "$work/sim_run" || exit 2

for profile in '' anew flight edge memory; do
    "$work/sim_run" --from 1 --seeds $clean_seeds ${profile:+--profile "$profile"} >"$work/out" || {
        cat "$work/out"
        echo 'planted.sh: with nothing planted a seed failed'
        exit 1
    }
done
echo "nothing planted: nothing found in $clean_seeds seeds of each workload, by drawn faults and by aimed ones"

plant() { # name: builds $work/sim_planted
    patch="$here/planted/$1.patch"
    files=$(sed -n 's,^+++ b/,,p' "$patch")
    rm -rf "$work/mixed"
    cp -R "$work/objects" "$work/mixed"
    patch -s -p1 -d "$work/planted" <"$patch" || return 1
    # shellcheck disable=SC2086
    compile "$work/planted" "$work/mixed" $files && link_run "$work/mixed" "$work/sim_planted" || return 1
    for file in $files; do
        cp "$work/sound/$file" "$work/planted/$file"
    done
}

# What fails without the bug too is no proof.
caught_by_seeds() { # seeds, world
    # shellcheck disable=SC2086
    timeout 600 "$work/sim_planted" --from 1 --seeds "$1" $2 >"$work/out" 2>&1 || :
    seed=$(sed -n 's/^seed \([0-9]*\) \(fails:\|of [a-z]* crashed\) .*/\1/p' "$work/out")
    # shellcheck disable=SC2086
    if [ -n "$seed" ] && "$work/sim_run" --seed "$seed" $2 >"$work/out"; then
        echo "at seed $seed of $1"
    else
        echo "MISSED in $1"
    fi
}

caught_by_sweep() { # filter
    if [ ! -d "$work/sweep" ]; then
        mkdir "$work/sweep"
        # shellcheck disable=SC2046
        compile "$work/sound" "$work/sweep" $(cd "$work/sound" && echo tests/sim/sweep*.c tests/sim/test_sweep.c)
        link_sweep "$work/objects" "$work/sweep_sound"
    fi
    link_sweep "$work/mixed" "$work/sweep_planted"
    timeout 600 "$work/sweep_planted" "$1" >"$work/out" 2>&1 || :
    if grep -q '^\[  FAILED  \]' "$work/out" && "$work/sweep_sound" "$1" >"$work/out" 2>&1 \
        && grep -q '^\[       OK \]' "$work/out"; then
        echo "by the sweep"
    else
        echo "MISSED by the sweep"
    fi
}

planted=0 missed=0
printf '%-28s %-9s %-22s %s\n' planted workload caught what
table >"$work/table"
while read -r name workload seeds profile; do
    [ $# -eq 0 ] || case " $* " in *" $name "*) ;; *) continue ;; esac
    planted=$((planted + 1))
    plant "$name" || {
        echo "planted.sh: $name.patch does not fit src/ any more"
        exit 2
    }
    case $workload in
    sweep) caught=$(caught_by_sweep "$seeds") ;;
    *) caught=$(caught_by_seeds "$seeds" "--workload $workload${profile:+ --profile $profile}") ;;
    esac
    case $caught in MISSED*) missed=$((missed + 1)) ;; esac
    printf '%-28s %-9s %-22s %s\n' "$name" "$workload" "$caught" "$(head -n 1 "$here/planted/$name.patch")"
done <"$work/table"
echo "$planted planted, $missed missed"
[ "$missed" -eq 0 ] && [ "$planted" -gt 0 ]
