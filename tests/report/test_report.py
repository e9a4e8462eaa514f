#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What bench/run makes of figures: order statistics, ratios, what fell, targets, families.

Usage: test_report.py BENCH (the directory)
"""
import argparse
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import math
import os
import sys
import tempfile
import unittest
import unittest.mock

sys.dont_write_bytecode = True
BENCH = sys.argv.pop(1)
sys.path.insert(0, BENCH)

import figures
import gate
import report
import stats
import targets


def load_run():
    loader = importlib.machinery.SourceFileLoader("run", BENCH + "/run")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
    loader.exec_module(module)
    return module


def results_of(*benchmarks, quick=True):
    return {"quick": quick, "processor": "a", "context": {}, "notes": [],
            "benchmarks": list(benchmarks)}


def benchmark(name, **sides):
    """A side's ratio: (median, low, high)."""
    made = {"name": name + "/iterations:1", "real_time": 1.0}
    for side, (value, low, high) in sides.items():
        made.update({side + "_ratio": value, side + "_ratio_low": low, side + "_ratio_high": high,
                     side + "_ratio_rounds": 7})
    return made


class Stats(unittest.TestCase):
    def test_median(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 3, 2]), 2.5)

    def test_cut_is_the_largest_that_is_sure(self):
        def sure(count, left_out):
            below = sum(math.comb(count, k) for k in range(left_out + 1)) / 2 ** count
            return 1 - 2 * below
        for count in range(1, 102):
            self.assertAlmostEqual(stats.coverage(count), max(sure(count, stats.cut(count)), 0))
            if count < 6:
                self.assertEqual(stats.cut(count), 0)
                self.assertLess(stats.coverage(count), stats.SURE)
            else:
                self.assertGreaterEqual(stats.coverage(count), stats.SURE)
                self.assertLess(sure(count, stats.cut(count) + 1), stats.SURE)

    def test_few_rounds_are_called_few(self):
        self.assertEqual(stats.interval_text(1, 2, 2), "[1, 2], the range of 2 rounds: 50 %")
        self.assertIn("75 %", stats.interval_text(1, 2, 3))
        self.assertIn("94 %", stats.interval_text(1, 2, 5))
        self.assertEqual(stats.interval_text(1, 2, 7), "[1, 2]")
        self.assertEqual(stats.interval_text(1, 2, None), "[1, 2]")

    def test_ratio(self):
        self.assertEqual(stats.ratio("x", [3.0, 1.0, 2.0]), {
            "x_ratio": 2.0, "x_ratio_low": 1.0, "x_ratio_high": 3.0, "x_ratio_rounds": 3})


class Gate(unittest.TestCase):
    name = "cold_pass/copies:25%_shared:50%"

    def ratios(self, value):
        results = results_of(benchmark(self.name, engine=(value, 0.1, 9.0), roofline=(0.1, 0.1, 0.1)))
        return figures.ratios(results)

    def test_ratios(self):
        self.assertEqual(self.ratios(0.5)[self.name + " engine"], (0.5, 0.1, 9.0))

    def test_failed_benchmarks_have_no_ratios(self):
        failed = dict(benchmark("check", check=(1, 1, 1)), error_occurred=True)
        self.assertEqual(figures.ratios(results_of(failed)), {})

    def test_the_median_decides_however_wide_the_interval(self):
        before = {self.name + " engine": 1.0}
        self.assertEqual(gate.fallen(self.ratios(0.61), before, 0.4), {})
        self.assertEqual(len(gate.fallen(self.ratios(0.59), before, 0.4)), 1)

    def test_against_ksm_twice_as_much_may_be_lost(self):
        name = "ksm/share_all/set:synthetic machine"
        before = {name: 10.0}
        self.assertEqual(gate.fallen({name: (3.1, 1, 9)}, before, 0.4), {})
        self.assertEqual(len(gate.fallen({name: (2.9, 1, 9)}, before, 0.4)), 1)

    def test_only_ours_may_not_fall(self):
        self.assertEqual(gate.fallen(self.ratios(1.0), {self.name + " roofline": 1.0}, 0.4), {})
        for name in ("ksm/share_all/set:synthetic ksm_smart_cpu", "compare/equal variant_1_single",
                     "hash/bits:64/in:memory memcpy", "ksm/share_all/set:guests machine",
                     "tools/set:guests hashlib", "two_threads xxh3_2"):
            self.assertFalse(gate.is_own(name), name)
        for name in ("ksm/share_all/set:synthetic machine_cpu", "tools/set:synthetic duperemove",
                     "ksm/pass/set:synthetic process_unchanged", "compare/equal variant_0_abreast",
                     "two_threads scaling_one_core", "vmm/pt_write hypercall_batched", "check check",
                     "warm_pass/dirty_against_full/changed:1% dirty"):
            self.assertTrue(gate.is_own(name), name)

    def test_baseline(self):
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/baseline.json"
            before, notes = gate.read_baseline(file, "a")
            self.assertEqual((before, len(notes)), ({}, 1))
            gate.write_baseline(file, "a", self.ratios(0.5))
            self.assertEqual(gate.read_baseline(file, "a"), ({self.name + " engine": 0.5}, []))
        notes = gate.not_compared(self.ratios(0.5), {"check check": 1.0})
        self.assertIn("not measured: check check", notes[0])
        self.assertIn("not in the baseline: " + self.name + " engine", notes[1])

    def test_threads_of_one_core_are_not_two_cores(self):
        def threads(scaling, hashing):
            return {"two_threads scaling": (scaling, 0.1, 9.0),
                    "two_threads xxh3_2": (hashing, 0.1, 9.0)}
        before = {"two_threads scaling_one_core": 1.3, "two_threads scaling_two_cores": 0.9}
        self.assertEqual(gate.fallen(threads(0.7, 1.9), before, 0.3), {})
        self.assertEqual(list(gate.fallen(threads(0.7, 1.2), before, 0.3)),
                         ["two_threads scaling_one_core"])
        self.assertEqual(list(gate.fallen(threads(0.6, 1.9), before, 0.3)),
                         ["two_threads scaling_two_cores"])
        self.assertEqual(gate.not_compared(threads(0.7, 1.9), before), [])
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/baseline.json"
            for ratios in (threads(1.3, 1.2), threads(0.8, 1.9), threads(0.9, 1.9)):
                gate.write_baseline(file, "a", ratios)
            self.assertEqual(gate.read_baseline(file, "a")[0], before)

    def test_kinds_of_machines(self):
        cpuinfo = ["vendor_id\t: Maker\n", "cpu family\t: 2\n", "model\t\t: 3\n", "model\t\t: 4\n"]
        self.assertEqual(gate.kind_of(cpuinfo, 1.3), "Maker family 2 model 3")
        self.assertEqual(gate.kind_of(cpuinfo, 13), "Maker family 2 model 3, shadowed page tables")
        self.assertNotIn("shadowed", gate.kind_of([], 13))

    def test_this_machine_is_of_a_kind(self):
        self.assertTrue(0.01 < gate.page_fault_us() < 1000)
        for fault_us in (1.3, 13):
            with open("/proc/cpuinfo") as cpuinfo, \
                    unittest.mock.patch.object(gate, "page_fault_us", lambda: fault_us):
                self.assertEqual(gate.processor(), gate.kind_of(cpuinfo, fault_us))

    def test_baselines_of_other_processors(self):
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/baseline.json"
            for kind, median in (("a", 0.5), ("b", 0.7), ("b", 0.4), ("b", 0.6)):
                gate.write_baseline(file, kind, self.ratios(median))
            self.assertEqual(gate.read_baseline(file, "a")[0], {self.name + " engine": 0.5})
            self.assertEqual(gate.read_baseline(file, "b")[0], {self.name + " engine": 0.6})
            lowest, notes = gate.read_baseline(file, "c")
            self.assertEqual(lowest, {self.name + " engine": 0.5})
            self.assertIn("(c): compared with the lowest of a, b", notes[0])

    def test_limits(self):
        metadata = {"name": "metadata_bytes_per_page", "worst_bytes_per_page": 16.1}
        neighbour = {"name": "ksm/neighbour/iterations:1", "ksm_p95_excess_us": 2.0,
                     "machine_p95_excess_us": 1.0, "process_p95_excess_us": 2.5}
        self.assertEqual(len(gate.over_limits(results_of(metadata, neighbour))), 1)
        self.assertEqual(len(gate.over_limits(results_of(metadata, neighbour, quick=False))), 2)
        metadata["worst_bytes_per_page"] = 16.0
        self.assertEqual(gate.over_limits(results_of(metadata, neighbour)), [])


class Targets(unittest.TestCase):
    def row(self, results, question, side):
        return [row for row in targets.rows(results)
                if question in row.question and row.side == side][0]

    def test_verdict(self):
        self.assertEqual(targets.verdict(None, 2), "not measured here")
        self.assertEqual(targets.verdict(2.0, 2), "met")
        self.assertEqual(targets.verdict(1.5, 2), "missed by 25 %")

    def test_nothing_measured(self):
        for row in targets.rows(results_of()):
            self.assertEqual((row.verdict, row.why), ("not measured here", None))

    def test_missed_says_why(self):
        shared = dict(benchmark("ksm/share_all/set:synthetic", machine=(10, 9, 11),
                                process=(1.9, 1.8, 2.0)),
                      pages=65536.0, ksm_ms=600.0, machine_ms=60.0, process_ms=320.0,
                      process_saved_mib=100.0)
        row = self.row(results_of(shared), "userfaultfd", "process")
        self.assertEqual(row.verdict, "missed by 5 %")
        self.assertIn("a merged page costs 12.50 us", row.why)
        self.assertIn("10.16 us of it (81 %)", row.why)
        self.assertEqual(row.profile, ("ksm/share_all/set:synthetic", "^process_share$"))
        self.assertIsNone(self.row(results_of(shared), "software page tables", "machine").why)

    def test_missed_tools_tell_what_hashing_takes(self):
        tools = dict(benchmark("tools/set:synthetic", hashlib=(16, 15, 17)), pages=131072.0,
                     pageshare_ms=52.4288, hashlib_ms=838.8608)
        cold = dict(benchmark("cold_pass/copies:25%_shared:50%"), xxh3_ns_per_item=400.0)
        threads = benchmark("two_threads", xxh3_2=(1.6, 1.5, 1.7))
        row = self.row(results_of(tools, cold, threads), "hashlib script", "hashlib")
        self.assertEqual(row.verdict, "missed by 20 %")
        self.assertIn("pageshare 400 ns, on all threads, and hashlib 6400", row.why)
        self.assertIn("one thread 400, two 250", row.why)

    def test_missed_without_the_figures_to_say_why(self):
        for target in targets.RATIOS:
            results = results_of(benchmark(target.benchmark, **{target.side: (0.01, 0.01, 0.01)}))
            row = [row for row in targets.rows(results) if row.why][0]
            self.assertIn("not measured what it takes", row.why)

    def test_neighbour(self):
        neighbour = {"name": "ksm/neighbour/iterations:1", "rounds": 11.0, "ksm_p95_excess_us": 2.0,
                     "machine_p95_excess_us": 1.0, "machine_rounds_not_above_ksm": 10.0,
                     "process_p95_excess_us": 2.5, "process_rounds_not_above_ksm": 3.0}
        results = results_of(neighbour)
        self.assertEqual(self.row(results, "neighbour", "machine").verdict, "met")
        self.assertEqual(self.row(results, "neighbour", "process").verdict, "missed by 0.50 us")
        self.assertIn("3 of 11 rounds", self.row(results, "neighbour", "process").measured)

    def test_report_has_it_all(self):
        results = results_of(benchmark("check", check=(1.5, 1.4, 1.6)))
        results["notes"] = ["skipped: duperemove: not installed"]
        with tempfile.TemporaryDirectory() as folder:
            report.write(results, ["check check: 1.5"], folder)
            with open(folder + "/report.md") as file:
                text = file.read()
        for part in ("## Targets", "## Worse than it may be", "## Notes", "- skipped: duperemove",
                     "**check_ratio 1.5** [1.4, 1.6]"):
            self.assertIn(part, text)


class Run(unittest.TestCase):
    def test_families(self):
        names = ["hash/bits:64", "hash/bits:128", "table/hit/load:50", "table/miss", "check",
                 "check/iterations:1", "ksm/pass/set:a"]
        self.assertEqual(load_run().group(names), [
            "^hash/bits:64$", "^hash/bits:128$", "^table(/|$)", "^check(/|$)", "^ksm/pass/set:a$"])

    def compare(self, results, well, **options):
        """Its answer, and the baseline afterwards."""
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/baseline.json"
            if "before" in options:
                with open(file, "w") as text:
                    json.dump({"a": options["before"]}, text)
            with contextlib.redirect_stderr(io.StringIO()):
                worse = load_run().compare(argparse.Namespace(
                    baseline=file, margin=0.4, write_baseline=options.get("write", False)),
                    results, well, options.get("again"))
            return worse, gate.read_baseline(file, "a")[0]

    def test_what_fell_is_said(self):
        results = results_of(benchmark("check", check=(0.5, 0.1, 2.0)))
        worse, _ = self.compare(results, True, again=lambda names: figures.ratios(results),
                                before={"check check": 1.0, "groups/cold_pass 16_groups": 1})
        self.assertEqual(len(worse), 1)
        self.assertIn("not measured: groups/cold_pass 16_groups", results["notes"][0])

    def test_what_recovers_has_not_fallen(self):
        def again(names):
            self.assertEqual(names, ["check"])
            return figures.ratios(results_of(benchmark("check", check=(0.9, 0.1, 2.0))))
        results = results_of(benchmark("check", check=(0.5, 0.1, 2.0)))
        worse, _ = self.compare(results, True, again=again, before={"check check": 1.0})
        self.assertEqual(worse, [])
        self.assertIn("not when measured again: check check", results["notes"][0])

    def test_no_baseline_of_a_run_that_failed(self):
        good = results_of(benchmark("check", check=(0.5, 0.1, 2.0)))
        over = results_of(benchmark("check", check=(0.5, 0.1, 2.0)),
                          {"name": "metadata_bytes_per_page", "worst_bytes_per_page": 17.0})
        self.assertEqual(self.compare(good, True, write=True), ([], {"check check": 0.5}))
        self.assertEqual(self.compare(good, False, write=True), ([], {}))
        self.assertEqual(self.compare(over, True, write=True)[1], {})
        self.assertIn("no baseline was written", good["notes"][-1])

    def test_the_tree_stays_clean(self):
        load_run()
        self.assertNotIn("__pycache__", os.listdir(BENCH))


if __name__ == "__main__":
    unittest.main()
