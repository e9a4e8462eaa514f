#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/run that is told to end leaves no process behind, whatever it is at.

Its programs are scripts that start a child of their own, say so, and wait. Their environment has a
mark by which /proc tells what is left of them.

Usage: test_signals.py BENCH (the directory)
"""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BENCH = sys.argv.pop(1)

# Says that it is there, with a child beside it.
WAIT = "sleep 600 & echo >%s/$1; wait"
SHARE_BENCH = """#!/bin/sh
case $* in
*list_tests*) echo check; exit 0 ;;
esac
set -- bench
""" + WAIT
HVRUN = """#!/bin/sh
case $1 in
boot) """ + WAIT + """ ;;
dump) echo >"$5" ;;
esac
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def marked(mark):
    """The processes that have it in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                if mark.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


class Signals(unittest.TestCase):
    def end_at(self, stage, number):
        with tempfile.TemporaryDirectory() as folder:
            mark = "BENCH_TEST=%s" % folder
            write(folder + "/bin/share-bench", SHARE_BENCH % folder)
            write(folder + "/bin/hvrun", HVRUN % folder)
            write(folder + "/cache/libshare/guest/Image", "")
            environment = dict(os.environ, BENCH_TEST=folder, XDG_CACHE_HOME=folder + "/cache")
            run = subprocess.Popen([BENCH + "/run", "--quick", "--bin", folder + "/bin", "--out",
                                    folder + "/out", "--baseline", "none"], env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.wait_for(lambda: os.path.exists(folder + "/" + stage))
                self.assertGreater(len(marked(mark)), 2)
                run.send_signal(number)
                self.assertEqual(run.wait(30), 128 + number)
                self.wait_for(lambda: not marked(mark))
            finally:
                for pid in marked(mark):
                    os.kill(pid, signal.SIGKILL)
                run.wait()

    def wait_for(self, condition):
        end = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def test_while_guests_run(self):
        self.end_at("boot", signal.SIGTERM)

    def test_while_benchmarks_run(self):
        self.end_at("bench", signal.SIGTERM)

    def test_hangup(self):
        self.end_at("bench", signal.SIGHUP)


if __name__ == "__main__":
    unittest.main()
