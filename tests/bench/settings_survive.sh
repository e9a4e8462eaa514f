#!/bin/sh
# SPDX-License-Identifier: MIT
# settings_survive.sh SHARE_BENCH: a benchmark that is killed, whenever and however, leaves the
# kernel's settings as they were.
set -eu
bench=$1
ksm=/sys/kernel/mm/ksm
map_count=/proc/sys/vm/max_map_count

skip() {
    echo "skipped: $1"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "not root"
[ -e $ksm/smart_scan ] && [ -e $ksm/advisor_mode ] || skip "no KSM, or an old one"
[ "$(cat $ksm/run)" != 1 ] && [ "$(cat $ksm/pages_shared)" = 0 ] || skip "KSM is in use"
[ "$(cat $map_count)" -lt 66000 ] || skip "vm.max_map_count needs no raise"
for comm in /proc/[0-9]*/comm; do
    [ "$(cat "$comm" 2>/dev/null)" != ksmd ] || ksmd=$(dirname "$comm")
done
[ -n "${ksmd:-}" ] || skip "no ksmd"

settings() {
    find $ksm -type f -perm -u+w | sort | while read -r file; do
        echo "$file $(cat "$file")"
    done
    echo "$map_count $(cat $map_count)"
    echo "nice $(cut -d ' ' -f 19 "$ksmd/stat")"
}

# within SECONDS COMMAND...: until it holds
within() {
    tries=$(($1 * 100))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.01
    done
}

# What the moments are; each is reached while KSM's settings are changed.
ksmd_runs() { [ "$(cat $ksm/run)" = 1 ]; }
ksm_is_changed() { [ "$(cat $ksm/sleep_millisecs)" = 0 ]; }
ksmd_stands() { [ "$(cat $ksm/run)" = 0 ] && ksm_is_changed; }
both_are_changed() { ksm_is_changed && [ "$(cat $map_count)" != "$old_count" ]; }
as_before() { [ "$(settings)" = "$before" ]; }

before=$(settings)
old_count=$(cat $map_count)
[ "$(cat $ksm/sleep_millisecs)" != 0 ] || skip "KSM does not sleep: nobody could tell"

bad=0
pids=
trap '[ -z "$pids" ] || kill -KILL $pids 2>/dev/null || :' EXIT

# nice, so that ksmd's nice is another one meanwhile
start() {
    nice -n 3 "$bench" --quick '--benchmark_filter=^ksm/pass/set:synthetic' >/dev/null 2>&1 &
    pids="$pids $!"
}

# end SIGNAL MOMENT: all that were started, one after the other
end() {
    if ! within 60 "$2"; then
        echo "$2: it never came"
        exit 1
    fi
    for pid in $pids; do
        kill -"$1" "$pid"
        wait "$pid" 2>/dev/null || :
        sleep 0.5 # the next one, if there is one, has its turn
    done
    pids=
    within 60 as_before && return
    echo "$1 when $2; before:"
    echo "$before"
    echo "after:"
    settings
    bad=1
}

for moment in ksmd_runs ksmd_stands both_are_changed; do
    for signal in KILL TERM; do
        start
        end $signal $moment
    done
done
# Two at once used to put back what the other one had set.
start
start
end KILL ksmd_runs
exit $bad
