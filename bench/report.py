# SPDX-License-Identifier: MIT
"""What bench/run writes: targets and whether they are met, tables, pictures; and what fell."""
import json
import os
import shutil
import subprocess

# What we want to reach: (question, benchmark, side, at least). A side's ratio is the base's time
# over its own.
TARGETS = (
    ("cold pass / XXH3, half of the pages shared", "cold_pass/copies:25%_shared:50%",
     ("engine_sized", "engine"), 0.55),
    ("cold pass / XXH3, a tenth shared", "cold_pass/copies:5%_shared:10%",
     ("engine_sized", "engine"), 0.75),
    ("time to share everything, KSM / ours, software page tables", "ksm/share_all/set:synthetic",
     ("machine",), 5),
    ("the same, userfaultfd", "ksm/share_all/set:synthetic", ("process",), 2),
    ("CPU, pass over unchanged memory, KSM / ours", "ksm/pass/set:synthetic",
     ("machine_unchanged", "process_unchanged"), 15),
    ("pass over 1 % changed with dirty-page input / full pass",
     "warm_pass/dirty_against_full/changed:1%", ("dirty",), 20),
    ("pageshare measure, hashlib script / ours", "tools/set:synthetic", ("hashlib",), 20),
    ("pageshare measure, duperemove / ours", "tools/set:synthetic", ("duperemove",), 10),
    ("two threads, against XXH3's own scaling", "two_threads", ("scaling",), 0.9),
)


def short(name):
    """A benchmark's name without what Google Benchmark adds."""
    return "/".join(part for part in name.split("/")
                    if not part.startswith(("iterations:", "manual_time", "real_time")))


def figures_of(results):
    return {short(benchmark["name"]): benchmark for benchmark in results["benchmarks"]
            if not benchmark.get("error_occurred")}


def ratios(results):
    """{"benchmark side": (median, low, high)}"""
    found = {}
    for name, benchmark in figures_of(results).items():
        for key, value in benchmark.items():
            if key.endswith("_ratio") and key + "_low" in benchmark:
                found["%s %s" % (name, key[:-len("_ratio")])] = (
                    value, benchmark[key + "_low"], benchmark[key + "_high"])
    return found


def fallen(found, baseline, margin):
    """Lines about ratios whose whole interval lies below the baseline's by more than the margin."""
    if baseline == "none" or not os.path.exists(baseline):
        return []
    with open(baseline) as file:
        before = json.load(file)
    return ["%s: %.3g [%.3g, %.3g], before %.3g, margin %d %%" %
            ((name,) + found[name] + (old, 100 * margin))
            for name, old in before.items()
            if name in found and found[name][2] < old * (1 - margin)]


def target_rows(results):
    figures = figures_of(results)
    for question, name, sides, least in TARGETS:
        for side in sides:
            value = figures.get(name, {}).get(side + "_ratio")
            if value is None:
                yield question, side, least, None, None, None
            else:
                yield (question, side, least, value, figures[name][side + "_ratio_low"],
                       figures[name][side + "_ratio_high"])


def verdict(value, least):
    if value is None:
        return "not measured here"
    return "met" if value >= least else "missed by %.0f %%" % (100 * (1 - value / least))


def targets(results):
    lines = ["## Targets", "", "| what | side | at least | measured | |", "| --- | --- | --- | --- | --- |"]
    for question, side, least, value, low, high in target_rows(results):
        measured = "" if value is None else "%.3g [%.3g, %.3g]" % (value, low, high)
        lines.append("| %s | %s | %g | %s | %s |" % (question, side, least, measured,
                                                      verdict(value, least)))
    figures = figures_of(results)
    worst = figures.get("metadata_bytes_per_page", {}).get("worst_bytes_per_page")
    ksm = figures.get("ksm/share_all/set:synthetic", {}).get("ksm_bytes_per_page")
    if worst is not None:
        beside = "; KSM %.0f" % ksm if ksm else ""
        lines.append("| metadata per scanned page, bytes | engine | at most 16 | %.1f%s | %s |" %
                     (worst, beside, "met" if worst <= 16 else "missed"))
    neighbour = figures.get("ksm/neighbour")
    if neighbour:
        ours, theirs = neighbour["ours_p95_excess_us"], neighbour["ksm_p95_excess_us"]
        lines.append("| neighbour's p95 excess over idle, at equal savings | ours | at most KSM's | "
                     "%.2f us; KSM %.2f us; %d of %d rounds | %s |" %
                     (ours, theirs, neighbour["rounds_not_above_ksm"], neighbour["rounds"],
                      "met" if ours <= theirs else "missed"))
    return lines


def why_missed(results):
    """What the same run says about a cold pass that is too slow."""
    figures = figures_of(results)
    lines = []
    for _, name, sides, least in TARGETS:
        benchmark = figures.get(name, {})
        if not name.startswith("cold_pass") or benchmark.get(sides[0] + "_ratio", least) >= least:
            continue
        roof, ours = benchmark["roofline_ms"], benchmark[sides[0] + "_ms"]
        lines.append("- `%s`: hashing, one line of a table and the reading of each copied page alone "
                     "reach %.2f in this run; the engine takes %.0f %% longer than that." %
                     (name, benchmark["roofline_ratio"], 100 * (ours / roof - 1)))
    return ["", "Where a cold pass misses:", ""] + lines if lines else []


def profile(folder):
    """The hot functions of a cold pass, if perf is there."""
    here = os.path.dirname(os.path.abspath(__file__))
    if not shutil.which("perf"):
        return []
    done = subprocess.run([here + "/profile", "-o", folder + "/cold_pass.perf",
                           "cold_pass/copies:25%_shared:50%", "--quick"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    hot = [line for line in done.stdout.splitlines() if "%" in line][:12]
    return ["", "The profile (`bench/profile 'cold_pass/copies:25%_shared:50%'`), XXH3 alone and "
            "the making of the pages included:", "", "```"] + hot + ["```"] if hot else []


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
                parts.append("**%s %.3g** [%.3g, %.3g]" % (key, value, benchmark[key + "_low"],
                                                          benchmark[key + "_high"]))
            elif not key.endswith(("switches_per_item", "faults_per_item", "clock_ns_per_item")):
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
    data = [[what] + [benchmark["%s_%s_us" % (side, what)] for side in ("idle", "ksm", "ours")]
            for what in ("p50", "p95", "p99") if benchmark]
    return plot(folder, "neighbour", "set style data histograms; set yrange [0:]; "
                "set ylabel 'a request of a neighbour, us'; plot "
                "file using 2:xtic(1) title 'idle', file using 3 title 'KSM', "
                "file using 4 title 'ours'", data)


def write(results, fell, folder):
    """Writes folder/report.md; the text of its first part."""
    figures = figures_of(results)
    context = results["context"]
    missed = [row for row in target_rows(results) if row[3] is not None and row[3] < row[2]]
    head = ["# How fast, at what cost, compared with what", "",
            "%d processors at %s MHz, %s; counters: %s%s. Ratios with the ends of a 95 %% interval "
            "of the median." %
            (context.get("num_cpus", 0), context.get("mhz_per_cpu", "?"), context.get("date", "")[:10],
             context.get("counters", "?"), "; quick" if results["quick"] else ""), ""]
    head += targets(results)
    body = why_missed(results) + (profile(folder) if missed else [])
    for picture in (cold_picture, ksm_picture, neighbour_picture):
        body += picture(figures, folder)
    if results["notes"]:
        body += ["", "## Notes", ""] + ["- " + note for note in results["notes"]]
    if fell:
        body += ["", "## Fell below the baseline", ""] + ["- " + line for line in fell]
    for family in dict.fromkeys(name.split("/")[0] for name in figures):
        body += table(figures, family)
    with open(folder + "/report.md", "w") as file:
        file.write("\n".join(head + body) + "\n")
    return "\n".join(head)
