#!/bin/sh
# SPDX-License-Identifier: MIT
# no_files_stay.sh SHARE_BENCH: a benchmark of files that is ended leaves none. They used to stay in
# /dev/shm, as much memory as they were long.
set -eu
bench=$1
files() { find /dev/shm "${TMPDIR:-/tmp}" -maxdepth 1 -name "*-$pid-*"; }
has_files() { find "/proc/$pid/fd" -lname '*pages*' 2>/dev/null | grep -q . || [ -n "$(files)" ]; }

"$bench" --quick '--benchmark_filter=^measure_files' >/dev/null 2>&1 &
pid=$!
tries=1000
until has_files; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || exit 1
    sleep 0.01
done
sleep 0.3
kill -TERM $pid
wait $pid || :
[ -z "$(files)" ] || {
    echo "these stay:"
    files
    exit 1
}
