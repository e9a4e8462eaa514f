# SPDX-License-Identifier: MIT
"""What bench/run writes: targets and whether they are met, why not, tables, pictures."""
import os
import shutil
import subprocess

import children
import targets
from figures import figures_of, rounds_of
from stats import interval_text

HEAD = ("%d processors at %s MHz (%s), %s; counters: %s%s. A ratio is the median of its rounds. In "
        "brackets an interval that holds the true median with 95 %% probability; of fewer than 6 rounds "
        "there is none, then it is the range of all, and the probability stands beside it.")


def target_table(rows):
    lines = ["## Targets", "", "| what | side | at least | measured | |", "| --- | --- | --- | --- | --- |"]
    return lines + ["| %s | %s | %s | %s | %s |" % (row.question, row.side, row.least, row.measured,
                                                    row.verdict) for row in rows]


def profile(benchmark, under):
    """The hot functions of one side of a benchmark, if perf is there."""
    here = os.path.dirname(os.path.abspath(__file__))
    if not shutil.which("perf"):
        return ["", "No profile: perf is not installed."]
    done = children.run([here + "/profile", "-u", under, "^%s(/|$)" % benchmark, "--quick"],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return ["", "No profile: %s" % done.stderr.strip()[-200:]]
    return ["", "`bench/profile -u '%s' '%s' --quick`:" % (under, benchmark), "", "```"] + \
        done.stdout.splitlines()[:14] + ["```"]


def missed(rows):
    """By how much, why, and the profile that shows it; one profile for all whom it tells of."""
    lines, profiles = [], {}
    for row in rows:
        if row.why:
            lines.append("- %s, %s: %s; %s" % (row.question, row.side, row.verdict, row.why))
            if row.profile:
                profiles.setdefault(row.profile)
    if not lines:
        return []
    lines = ["", "## Where a target is missed", ""] + lines
    for benchmark, under in profiles:
        lines += profile(benchmark, under)
    return lines


def table(figures, family):
    """All figures of a family, a line a benchmark, times and ratios first."""
    lines = ["", "## " + family, ""]
    for name, benchmark in figures.items():
        if name.split("/")[0] != family:
            continue
        parts = []
        for key, value in benchmark.items():
            if not isinstance(value, (int, float)) or key in (
                    "family_index", "per_family_instance_index", "repetitions", "repetition_index",
                    "threads", "iterations", "cpu_time") or key.endswith(("_low", "_high")):
                continue
            if key == "real_time":
                if "_ratio" not in "".join(benchmark):
                    parts.append("%.4g %s" % (value, benchmark.get("time_unit", "ms")))
            elif key + "_low" in benchmark:
                parts.append("**%s %.3g** %s" % (key, value, interval_text(
                    benchmark[key + "_low"], benchmark[key + "_high"],
                    rounds_of(benchmark, key[:-len("_ratio")]))))
            elif not key.endswith(("_ratio_rounds", "switches_per_item", "faults_per_item",
                                   "clock_ns_per_item")):
                parts.append("%s %.4g" % (key, value))
        lines.append("- `%s`: %s" % (name, ", ".join(parts)))
    return lines


def plot(folder, name, script, data):
    """Draws folder/name.svg with gnuplot from a table; its line in the report, or nothing."""
    if not data or not shutil.which("gnuplot"):
        return []
    with open("%s/%s.dat" % (folder, name), "w") as file:
        file.write("\n".join("\t".join(str(cell) for cell in row) for row in data) + "\n")
    program = ("set terminal svg size 720,400 font 'sans,12'; set output '%s/%s.svg'; "
               "set datafile separator '\\t'; set key outside right; set grid ytics; "
               "set style fill solid 0.8; file = '%s/%s.dat'; %s" %
               (folder, name, folder, name, script))
    done = subprocess.run(["gnuplot", "-e", program], stderr=subprocess.PIPE, text=True)
    return ["", "![%s](%s.svg)" % (name, name)] if done.returncode == 0 else []


def cold_picture(figures, folder):
    data = []
    for name, benchmark in figures.items():
        if name.startswith("cold_pass"):
            copies = name.split("copies:")[1].split("%")[0]
            data.append([int(copies)] + [benchmark[side + "_ratio"]
                                         for side in ("roofline", "engine_sized", "engine")])
    return plot(folder, "cold_pass", "set xlabel 'copies, %% of the pages'; set yrange [0:1]; "
                "set ylabel 'speed, XXH3 alone = 1'; plot "
                "file using 1:2 with linespoints title 'roofline', "
                "file using 1:3 with linespoints title 'engine, sized', "
                "file using 1:4 with linespoints title 'engine, growing'".replace("%%", "%"),
                sorted(data))


def ksm_picture(figures, folder):
    kinds = ("ksm", "ksm_smart", "machine", "process")
    data = [[name.split("set:")[1]] + [benchmark.get(kind + "_ms", 0) / benchmark["pages"] * 1e3
                                       for kind in kinds]
            for name, benchmark in figures.items()
            if name.startswith("ksm/share_all") and "ksm_ms" in benchmark]
    plots = ", ".join("file using %d:xtic(1) title '%s'" % (column + 2, kind.replace("_", " "))
                      for column, kind in enumerate(kinds))
    return plot(folder, "share_all", "set style data histograms; set logscale y; "
                "set ylabel 'time until all is shared, us a page'; plot " + plots, data)


def neighbour_picture(figures, folder):
    benchmark = figures.get("ksm/neighbour", {})
    sides = [side for side in ("idle", "ksm", "machine", "process") if side + "_p50_us" in benchmark]
    data = [[what] + [benchmark["%s_%s_us" % (side, what)] for side in sides]
            for what in ("p50", "p95", "p99") if sides]
    plots = ", ".join("file using %d:xtic(1) title '%s'" % (column + 2, side)
                      for column, side in enumerate(sides))
    return plot(folder, "neighbour", "set style data histograms; set yrange [0:]; "
                "set ylabel 'a request of a neighbour, us'; plot " + plots, data)


def section(title, lines):
    return ["", "## " + title, ""] + ["- " + line for line in lines] if lines else []


def write(results, fell, folder):
    """Writes folder/report.md; the text of its first part."""
    figures = figures_of(results)
    context = results["context"]
    rows = targets.rows(results)
    head = ["# How fast, at what cost, compared with what", "", HEAD % (
        context.get("num_cpus", 0), context.get("mhz_per_cpu", "?"), results["processor"],
        context.get("date", "")[:10], context.get("counters", "?"),
        "; quick" if results["quick"] else ""), ""]
    head += target_table(rows)
    body = section("Worse than it may be", fell) + missed(rows)
    for picture in (cold_picture, ksm_picture, neighbour_picture):
        body += picture(figures, folder)
    body += section("Notes", results["notes"])
    for family in dict.fromkeys(name.split("/")[0] for name in figures):
        body += table(figures, family)
    with open(folder + "/report.md", "w") as file:
        file.write("\n".join(head + body) + "\n")
    return "\n".join(head)
