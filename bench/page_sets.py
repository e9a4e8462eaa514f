# SPDX-License-Identifier: MIT
"""Real page sets of bench/run: dumps of guests of ours at work, and ordinary processes."""
import os
import shutil
import subprocess
import sys
import time

import children

CACHE = (os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) + "/libshare/guest"
GUESTS = 4

PYTHON = ("table = {str(n): n * n for n in range(100000)}\nprint(flush=True)\n"
          "import time; time.sleep(3600)")
PERL = '$| = 1; %h = map { $_ => $_ * $_ } 1 .. 100000; print "\\n"; sleep 3600'


def dump_guests(hvrun, folder, seconds):
    """ELF cores of a few guests, and notes: why there are none."""
    if not os.path.exists(CACHE + "/Image"):
        return [], ["skipped: page sets of guests: there is no guest (hv-adapter/guest/build makes it)"]
    socket = folder + "/control"
    boot = children.start([hvrun, "boot", "--vms", str(GUESTS), "--memory", "64M", "--workload",
                           "files", "--share", "off", "--control", socket],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    dumps = []
    try:
        time.sleep(seconds)  # wall time: with a control socket the guests' clock follows it
        for vm in range(GUESTS):
            dumps.append("%s/guest-%d.elf" % (folder, vm))
            done = children.run([hvrun, "dump", "--control", socket, str(vm), dumps[-1]],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode:
                return [], ["skipped: page sets of guests: hvrun dump failed"]
    finally:
        children.end(boot)
    return dumps, []


def start_processes():
    """Ordinary programs, three times each, with some memory in use; and notes."""
    started, notes = [], []
    for command in ([sys.executable, "-c", PYTHON], ["perl", "-e", PERL]):
        if not shutil.which(command[0]):
            notes.append("skipped: processes of %s as a page set: not installed" % command[0])
            continue
        for _ in range(3):
            started.append(children.start(command, stdout=subprocess.PIPE))
    for process in started:
        process.stdout.readline()
    return started, notes
