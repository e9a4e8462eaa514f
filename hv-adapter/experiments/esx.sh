# SPDX-License-Identifier: MIT
# What figure2, figure6, figure7 and rise share: their options, and a scenario run as CSV.
# Before: name, about (for --help).

usage()
{
    cat <<END
usage: hv-adapter/experiments/$name [--hvrun PROGRAM] [--short] [--plot FILE.svg]

$about

Prints our figures beside ESX's (C. A. Waldspurger, OSDI 2002) and exits 1 if they do not hold.
--short is smaller and takes seconds. Needs the guest: hv-adapter/guest/build.
END
}

here=$(dirname "$0")
hvrun=$here/../../build/bin/hvrun
scenarios=$here/scenarios
plot=
while [ $# -gt 0 ]; do
    case $1 in
    --hvrun | --plot) [ $# -ge 2 ] || { usage >&2; exit 2; } ;;
    esac
    case $1 in
    --hvrun) hvrun=$2; shift ;;
    --plot) plot=$2; shift ;;
    --short) scenarios=$here/scenarios/short ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

guest=${XDG_CACHE_HOME:-${HOME:-}/.cache}/libshare/guest
if [ ! -f "$guest/Image" ] || [ ! -f "$guest/initrd.cpio" ]; then
    echo "skipped: no guest is built in $guest: run hv-adapter/guest/build"
    exit 77
fi

table=$(mktemp)
trap 'rm -f "$table"' EXIT

# run SCENARIO OPTION...: its CSV into $table
run()
{
    scenario=$1
    shift
    "$hvrun" overcommit "$scenarios/$scenario.json" --format csv "$@" ${plot:+--plot "$plot"} >"$table"
}

# judge AWK-PROGRAM: over the table, with the columns' names as variables
judge()
{
    awk -F, '
        NR == 1 { next }
        {
            seconds = $1; tax = $2; vm = $5; who = $6; size = $8; target = $9; allocated = $10
            active = $15; truth = $16; rounds = $17
            cost[who] = $18 / $19
        }
        function check_cost(i)
        {
            for (i in cost) {
                printf "sampling costs %s %.3f %% of its instructions\n", i, 100 * cost[i]
                if (cost[i] >= 0.01) bad("sampling costs less than 1 % of the guest")
            }
        }
        function bad(what) { print "DOES NOT HOLD: " what; failed = 1 }
        '"$1" "$table"
}
