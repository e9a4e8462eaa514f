# SPDX-License-Identifier: MIT
"""What the experiments share: ratios of paired, interleaved runs, and their confidence intervals."""
import math
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HVRUN = HERE + "/../../build/bin/hvrun"
CACHE = (os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) + "/libshare/guest"
MISSING = 77  # exit status: something is not installed or not built
# two-sided 95 % of Student's t by degrees of freedom
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
       2.201, 2.179, 2.160, 2.145)


def die(why, status=1):
    print(os.path.basename(sys.argv[0]) + ": " + why, file=sys.stderr)
    sys.exit(status)


def need(files, tools):
    """Ends the program unless all guest files and tools ({tool: Debian package}) are there."""
    for file in files:
        if not os.path.exists(file):
            die(file + " is not there: run hv-adapter/guest/build", MISSING)
    for tool, package in tools.items():
        if not shutil.which(tool):
            die("no " + tool + " (package " + package + ")", MISSING)


def add_options(parser, pairs):
    parser.add_argument("--pairs", type=int, default=pairs, help="how many turns (%d)" % pairs)
    parser.add_argument("--hvrun", default=HVRUN, help="the program")
    parser.add_argument("--kernel", default=CACHE + "/Image", help="of the guests")
    parser.add_argument("--initrd", default=CACHE + "/initrd.cpio", help="of the guests")


def interval(logs):
    """Geometric mean of ratios given by their logarithms, and the ends of its 95 % interval."""
    n = len(logs)
    mean = sum(logs) / n
    if n < 2:
        return math.exp(mean), 0.0, math.inf
    deviation = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1))
    half = T95[min(n - 2, len(T95) - 1)] * deviation / math.sqrt(n)
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def in_turns(pairs, first, second):
    """(first(), second()) so many times; who begins alternates."""
    for turn in range(pairs):
        if turn % 2 == 0:
            one, two = first(), second()
        else:
            two, one = second(), first()
        yield one, two


def workload_logs(folder, vms):
    """What each guest's init printed of its workload, from hvrun's --log."""
    texts = []
    for vm in range(vms):
        with open("%s/vm-%d.log" % (folder, vm), errors="replace") as file:
            texts.append([line for line in file if line.startswith("workload ")])
    return texts


def same_rounds(one, two):
    """Whether the rounds that both runs of the guests have done printed the same."""
    return all(a[:len(b)] == b[:len(a)] and a and b for a, b in zip(one, two))
