#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/profile counts the samples under a function, and a library without symbols as one function.

perf is a script here that prints samples made up.

Usage: test_profile.py BENCH (the directory)
"""
import os
import subprocess
import sys
import tempfile
import unittest

BENCH = sys.argv.pop(1)

PERF = """#!/bin/sh
case $1 in
evlist) echo cycles ;;
script) cat "$(dirname "$0")/samples" ;;
esac
"""
# Innermost function first: two of the engine's in a library without symbols, one of the engine's
# in the kernel, one of another side, one that lost its callers.
SAMPLES = """
\t    8d78 [unknown] (/usr/lib/libbare.so.1)
\t    1234 pass_engine+0x10 (/b/share-bench)

\t    8b08 [unknown] (/usr/lib/libbare.so.1)
\t    1234 pass_engine+0x10 (/b/share-bench)

\tffff1234 clear_page+0x7 ([kernel.kallsyms])
\t    1299 share_new+0x3 (/b/share-bench)
\t    1234 pass_engine+0x10 (/b/share-bench)

\t    5678 fill_block+0x1 (/b/share-bench)
\t    2345 pass_hash+0x2 (/b/share-bench)

\t    8b08 [unknown] (/usr/lib/libbare.so.1)
\t    dead [unknown] ([unknown])

"""


@unittest.skipUnless(os.path.exists(BENCH + "/../build/bin/share-bench"), "build/ has no share-bench")
class Profile(unittest.TestCase):
    def profile(self, *options):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("perf", PERF), ("samples", SAMPLES)):
                with open(folder + "/" + name, "w") as file:
                    file.write(text)
            os.chmod(folder + "/perf", 0o755)
            return subprocess.run(
                [BENCH + "/profile", *options, "^check"], text=True, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=dict(os.environ, PATH=folder + ":" + os.environ["PATH"]))

    def test_under(self):
        lines = self.profile("-u", "^pass_engine$").stdout.splitlines()
        self.assertEqual(lines[0], "samples of cycles, under ^pass_engine$")
        self.assertTrue(lines[1].startswith("3 samples, "), lines[1])
        self.assertIn("libbare.so.1 67%", lines[1])
        self.assertTrue(lines[1].endswith("; 1 have no known caller"), lines[1])
        self.assertEqual([line.split() for line in lines[2:]], [
            "66.67% all of it libbare.so.1".split(),
            "33.33% clear_page [kernel.kallsyms]".split()])

    def test_everything(self):
        self.assertTrue(self.profile().stdout.splitlines()[1].startswith("5 samples, "))

    def test_nothing_there(self):
        done = self.profile("-u", "^no_such_side$")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no samples under ^no_such_side$", done.stderr)


if __name__ == "__main__":
    unittest.main()
