#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The command line of pageshare: options, exit codes, where output goes, and pictures.
#
# Usage: command_line.sh PAGESHARE SMALL MAN (datasets/small, and the man page)
set -eu
pageshare=$(realpath "$1")
small=$(realpath "$2")
man=$(realpath "$3")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

bad() {
    echo "FAILED: $*" >&2
    failed=$((failed + 1))
}

# run CODE COMMAND...: the exit code is CODE; leaves $dir/out and $dir/err.
run() {
    want=$1
    shift
    code=0
    "$@" </dev/null >"$dir/out" 2>"$dir/err" || code=$?
    [ $code -eq "$want" ] || bad "exit code $code, not $want: $* ($(cat "$dir/err"))"
}

# One line on stderr that holds each TEXT, and nothing on stdout.
one_line() {
    [ ! -s "$dir/out" ] || bad "something on stdout"
    [ "$(wc -l <"$dir/err")" -eq 1 ] || bad "not one line on stderr: $(cat "$dir/err")"
    for text; do
        grep -qF -e "$text" "$dir/err" || bad "no \"$text\" in: $(cat "$dir/err")"
    done
}

# measure OPTION... SOURCE...
measure() {
    run 0 "$pageshare" measure "$@"
    [ ! -s "$dir/err" ] || bad "something on stderr: $(cat "$dir/err")"
}

raw=$small/dash-3.raw
packed=$small/awk-2.raw.zst
core=$small/dash-1.elf.zst

# --- help, version, wrong usage --------------------------------------------------------------

run 0 "$pageshare" --help
grep -q '^usage: pageshare measure' "$dir/out" || bad "no usage in --help"
# The man page knows every key of JSON; tests/docs/options compares it with --help.
measure --isolate --format json "$raw"
for key in $(grep -o '"[a-z_]*":' "$dir/out" | tr -d '":' | sort -u); do
    grep -qw "$key" "$man" || bad "man page: no $key"
done
run 0 "$pageshare" measure -h
run 0 "$pageshare" --version
grep -Eqx 'pageshare [0-9]+\.[0-9]+\.[0-9]+' "$dir/out" || bad "--version: $(cat "$dir/out")"

run 2 "$pageshare" && one_line "no command"
run 2 "$pageshare" frobnicate && one_line "no such command: frobnicate"
run 2 "$pageshare" measure && one_line "needs a SOURCE"
run 2 "$pageshare" info && one_line "needs a SOURCE"
run 2 "$pageshare" measure --frobnicate "$raw" && one_line "unknown option: --frobnicate"
run 2 "$pageshare" measure -q "$raw" && one_line "unknown option: -q"
run 2 "$pageshare" measure --isolate=3 "$raw" && one_line "--isolate=3"
run 2 "$pageshare" measure "$raw" --threads && one_line "missing" "--threads"
for threads in 0 -1 257 99999999999999999999 2x '' ' 2'; do
    run 2 "$pageshare" measure --threads "$threads" "$raw" && one_line "--threads takes"
done
run 2 "$pageshare" measure --format xml "$raw" && one_line "--format takes" "xml"
run 2 "$pageshare" measure --as elf "$raw" && one_line "--as takes"
run 2 "$pageshare" measure --holes absent "$raw" && one_line "--holes takes"
run 2 "$pageshare" measure --verify maybe "$raw" && one_line "--verify takes bytes or hash"
for plot in x.pdf .svg svg ''; do
    run 2 "$pageshare" measure --plot "$plot" "$raw" && one_line "--plot takes"
done
run 2 "$pageshare" info --isolate "$raw" && one_line "info takes no --isolate" "measure"
run 2 "$pageshare" info --format csv "$raw" && one_line "info: --format takes table or json" "csv"
run 2 "$pageshare" "a
b" && one_line "a?b"

run 2 "$small/../../quickstart" frobnicate && one_line "usage: ./quickstart"

# --- what is printed -------------------------------------------------------------------------

header=name,format,pages,absent_pages,excluded_pages,hole_pages,kernel_shared_pages,zero_pages
header=$header,distinct_pages,shared_pages,self_reclaimed_pages,reclaimed_pages
header=$header,zero_reclaimed_pages,inter_reclaimed_pages,self_nonzero_reclaimed_pages
header=$header,inter_nonzero_reclaimed_pages,metadata_bytes,analysis_bytes,net_reclaimed_bytes
header=$header,isolated_reclaimed_pages,false_match_pages
run 1 "$pageshare" measure --keep-going --isolate --format csv "$raw" "$packed" "$core" "$dir/none"
[ "$(head -n 1 "$dir/out")" = "$header" ] || bad "another CSV header"
[ "$(wc -l <"$dir/out")" -eq 6 ] || bad "CSV: not 6 lines"
awk -F, 'NF != 21 { exit 1 }' "$dir/out" || bad "CSV: not 21 columns everywhere"
tail -n 1 "$dir/out" | grep -q '^total,,[0-9]' || bad "CSV: the last row is not the total"

measure "$raw" "$packed"
[ "$(head -n 4 "$dir/out" | awk '{ print NF }' | tr '\n' ' ')" = "9 7 7 7 " ] || bad "another table"
grep -q 'reclaimed gross' "$dir/out" || bad "table: nothing of gross and net"
measure --isolate "$raw" "$packed"
grep -q '^isolated:' "$dir/out" || bad "table: nothing of isolation"
if grep -q "$(printf '\033')" "$dir/out"; then bad "colour, though this is no terminal"; fi

# --- sources ---------------------------------------------------------------------------------

# The same content gives the same figures, from wherever it comes (names apart).
figures() {
    grep -vE '"(name|format|metadata_bytes|analysis_bytes|net_reclaimed_bytes)"' "$dir/out"
}
for file in "$raw" "$packed" "$core"; do
    measure --format json "$file"
    figures >"$dir/of_file"
    "$pageshare" measure --format json - <"$file" >"$dir/out" || bad "$file on standard input"
    figures | cmp -s - "$dir/of_file" || bad "$file: other figures on standard input"
    cat "$file" | "$pageshare" measure --format json in=- >"$dir/out" || bad "$file through a pipe"
    figures | cmp -s - "$dir/of_file" || bad "$file: other figures through a pipe"
    grep -q '"name": "in"' "$dir/out" || bad "no label for standard input"
    run 0 "$pageshare" info "$file"
    run 0 "$pageshare" info --format json "$file"
done
run 0 "$pageshare" info "$small"/*.raw "$small"/*.zst
[ "$(wc -l <"$dir/out")" -eq "$(printf '%s\n' "$small"/*.raw "$small"/*.zst "" | wc -l)" ] ||
    bad "info: not a line for each, and a header"

# A label; but what has a '/' before the '=' is a path, and so is what begins with '='.
cp "$raw" "$dir/x=y.raw"
measure label="$raw" "$dir/x=y.raw"
grep -q '^label ' "$dir/out" || bad "no label"
(cd "$dir" && cp x=y.raw =z && "$pageshare" measure ./x=y.raw =z >/dev/null) || bad "'=' in a path"

# More sources than descriptors.
many=
for n in $(seq 40); do cp "$raw" "$dir/many.$n" && many="$many $dir/many.$n"; done
# shellcheck disable=SC2086,SC3045 # a list; Debian's sh has ulimit -n
(ulimit -n 16 && "$pageshare" measure --format csv $many >"$dir/out") || bad "40 sources, 16 files"
[ "$(wc -l <"$dir/out")" -eq 42 ] || bad "40 sources: not 42 lines"

# The same file twice, by whatever path.
ln "$raw" "$dir/link" 2>/dev/null || ln -s "$raw" "$dir/link"
run 1 "$pageshare" measure "$raw" "again=$dir/link" && one_line "again=" "$dir/link: is the same file as $raw"
run 1 "$pageshare" measure --keep-going --format csv "$raw" "$dir/link"
[ "$(wc -l <"$dir/out")" -eq 4 ] || bad "same file twice: not measured once"

# Lists of sources: after those of the arguments, in order.
printf '%s\n' "$packed" "" "x=$core" >"$dir/list"
measure --format json "$raw" "$packed" "x=$core" && cp "$dir/out" "$dir/of_arguments"
measure --format json --files-from "$dir/list" "$raw"
cmp -s "$dir/out" "$dir/of_arguments" || bad "--files-from: another result"
tr '\n' '\0' <"$dir/list" | "$pageshare" measure --format json --files-from - -0 "$raw" >"$dir/out"
cmp -s "$dir/out" "$dir/of_arguments" || bad "--files-from - -0: another result"
printf 'one=%s' "$core" >"$dir/list" # no newline at its end
measure --files-from "$dir/list"
grep -q '^one ' "$dir/out" || bad "--files-from: one line"
run 1 "$pageshare" measure --files-from "$dir/none" && one_line "$dir/none" "cannot read the list"
run 1 "$pageshare" measure --files-from "$dir" && one_line "$dir" "cannot read the list"
: >"$dir/list"
run 1 "$pageshare" measure --files-from "$dir/list" && one_line "no SOURCE is named"
echo "$dir/none" >"$dir/list"
run 1 "$pageshare" measure --files-from "$dir/list" && one_line "$dir/none: cannot open"

# With many sources JSON is one line, and has no matrix.
for n in $(seq 65); do cp "$raw" "$dir/set.$n"; done
measure --format json "$dir"/set.*
[ "$(wc -l <"$dir/out")" -eq 1 ] || bad "65 sources: JSON is not one line"
grep -q '"common":null' "$dir/out" || bad "65 sources: a matrix"
rm "$dir/set.65"
measure --format json "$dir"/set.*
grep -q '"common": \[' "$dir/out" || bad "64 sources: no matrix"

# An estimate says so wherever it is printed.
measure --verify hash "$raw" "$packed"
grep -q '^estimate, of ' "$dir/out" || bad "--verify hash: the sum is no estimate"
grep -q '^estimate: .* probability of at most ' "$dir/out" || bad "--verify hash: no bound"
measure --verify hash --format csv "$raw"
grep -q '^total,estimate,' "$dir/out" || bad "--verify hash: CSV hides it"
measure --verify bytes --format json "$raw" "$packed"
if grep -q estimate "$dir/out"; then bad "--verify bytes: an estimate"; fi

# Who holds what is saved.
measure "$packed" "$core"
grep -q '^same in: .* MiB: ' "$dir/out" || bad "table: nothing of holder sets"

# --- output that goes nowhere ----------------------------------------------------------------

# The packed source would be opened as descriptor 1, and be written to.
for command in "measure" "measure --format json" "measure --format csv" "info" \
    "info --format json"; do
    for file in "$raw" "$packed"; do
        code=0
        # shellcheck disable=SC2086 # a command and its options
        "$pageshare" $command "$file" >&- 2>"$dir/err" || code=$?
        [ $code -eq 1 ] || bad "stdout closed: exit code $code: $command"
        grep -q 'cannot write the result' "$dir/err" || bad "stdout closed, no error: $command"
        if [ -c /dev/full ]; then
            code=0
            # shellcheck disable=SC2086
            "$pageshare" $command "$file" >/dev/full 2>"$dir/err" || code=$?
            [ $code -eq 1 ] || bad "stdout full: exit code $code: $command"
            [ "$(wc -l <"$dir/err")" -eq 1 ] || bad "stdout full: not one line: $command"
        fi
    done
done
code=0
"$pageshare" --help >&- 2>"$dir/err" || code=$?
[ $code -eq 1 ] || bad "--help to nowhere: exit code $code"
code=0
"$pageshare" measure "$raw" - <&- >"$dir/out" 2>"$dir/err" || code=$?
[ $code -eq 1 ] || bad "stdin closed: exit code $code"
one_line "- (standard input)"
code=0
"$pageshare" measure "$packed" 2>&- >"$dir/out" || code=$?
[ $code -eq 0 ] || bad "stderr closed: exit code $code"

# --- pictures --------------------------------------------------------------------------------

run 1 env PATH="$dir" "$pageshare" measure "$raw" --plot "$dir/p.svg"
one_line "$dir/p.svg" "gnuplot is not installed"
[ ! -e "$dir/p.svg" ] || bad "an empty picture"
printf '#!/bin/sh\necho "line 1: no such thing" >&2\nexit 1\n' >"$dir/gnuplot"
chmod +x "$dir/gnuplot"
run 1 env PATH="$dir:$PATH" "$pageshare" measure "$raw" --plot "$dir/p.svg"
one_line "gnuplot failed" "no such thing"
if command -v gnuplot >/dev/null; then
    run 1 "$pageshare" measure "$raw" --plot "$dir/none/p.svg"
    one_line "$dir/none/p.svg" "cannot write"
    truncate -s 40960 "$dir/holes"
    for sources in "$raw" "$raw $packed" "$dir/holes" "$many"; do
        # shellcheck disable=SC2086 # a list
        measure --plot "$dir/p.svg" --format csv $sources
        grep -q '<svg' "$dir/p.svg" || bad "no SVG"
        if command -v xmllint >/dev/null; then
            xmllint --noout "$dir/p.svg" || bad "no XML"
        fi
        # shellcheck disable=SC2086
        measure --plot "$dir/p.png" $sources
        [ "$(head -c 4 "$dir/p.png" | tail -c 3)" = PNG ] || bad "no PNG"
    done
    # With many sources, sets of them instead of the matrix.
    for n in $(seq 70); do cp "$raw" "$dir/set.$n"; done
    measure --plot "$dir/p.svg" --format csv "$dir"/set.*
    grep -q 'what sets of sources save' "$dir/p.svg" || bad "no sets of sources in the picture"
    # Labels and file names may hold anything.
    cd "$dir"
    hostile=$(printf "a\"b\\\\c'd%%s%%g\`touch gotcha\`<&>\n\033[1m\377\303{x}_^@~")
    latin=$(printf '\344\366')
    for copy in d.raw e.raw f.raw; do cp "$raw" $copy; done
    measure --plot "$hostile.svg" "$hostile=d.raw" "$latin=e.raw" "\$(touch gotcha)=f.raw"
    [ -s "$hostile.svg" ] || bad "no picture under that name"
    [ ! -e gotcha ] || bad "a label was executed"
    if command -v xmllint >/dev/null; then
        xmllint --noout "$hostile.svg" || bad "no XML with hostile labels"
    fi
    if LC_ALL=C grep -q "$(printf '\033')" out; then bad "a control character in the table"; fi
else
    echo "note: no gnuplot here, so nothing was drawn"
fi

echo "$failed failed"
[ $failed -eq 0 ]
