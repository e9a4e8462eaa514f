# SPDX-License-Identifier: MIT
"""What we want to reach, whether this run reached it, and where not, why: from its own figures."""
from collections import namedtuple

from figures import figures_of, rounds_of
from gate import BYTES_PER_PAGE
from stats import interval_text

# A ratio to reach: a side's, which is the base's time over its own. `why` tells what its time is
# made of; `under`: the functions that bench/profile is to look below.
Target = namedtuple("Target", "question benchmark side least why under")

# A target of this run: `why` and `profile` (benchmark, under) if it was missed, else None.
Row = namedtuple("Row", "question side least measured verdict why profile")


def verdict(value, least):
    if value is None:
        return "not measured here"
    return "met" if value >= least else "missed by %.0f %%" % (100 * (1 - value / least))


# ------------------------------------------------------------------------------- sentences --


def why_cold(figures, target):
    benchmark = figures[target.benchmark]
    return ("hashing, one line of a table and the reading of each copied page alone reach %.2f; the "
            "engine takes %.0f %% longer than that." %
            (benchmark["roofline_ratio"],
             100 * (benchmark[target.side + "_ms"] / benchmark["roofline_ms"] - 1)))


def why_machine(figures, target):
    benchmark = figures[target.benchmark]
    cold = figures["cold_pass/copies:25%_shared:50%"]["engine_ns_per_item"]
    each = 1e6 / benchmark["pages"]
    return ("ours takes %.0f ns a page, KSM %.0f; a first pass of the engine where nothing is mapped "
            "takes %.0f (`cold_pass/copies:25%%_shared:50%%`), the rest is page tables and the "
            "freeing of pages." % (benchmark["machine_ms"] * each, benchmark["ksm_ms"] * each, cold))


def why_process(figures, target):
    benchmark = figures[target.benchmark]
    each = 1e3 / (benchmark["process_saved_mib"] * 256)  # ms to us a merged page
    whole, engine = benchmark["process_ms"] * each, benchmark["machine_ms"] * each
    return ("a merged page costs %.2f us; in machine memory, where the same engine makes no system "
            "call, %.2f: so %.2f us of it (%.0f %%) are system calls and page faults. KSM, inside "
            "the kernel, takes %.2f." % (whole, engine, whole - engine, 100 * (1 - engine / whole),
                                         benchmark["ksm_ms"] * each))


def why_pass(figures, target):
    benchmark = figures[target.benchmark]
    each = 1e6 / figures["ksm/share_all/set:synthetic"]["pages"]
    hashing = figures["cold_pass/copies:25%_shared:50%"]["xxh3_ns_per_item"]
    return ("ours takes %.0f ns a page, KSM %.0f; a pass hashes each page that is not shared, at "
            "%.0f ns (`cold_pass`)." % (benchmark[target.side + "_ms"] * each,
                                        benchmark["ksm_unchanged_ms"] * each, hashing))


def why_dirty(figures, target):
    benchmark = figures[target.benchmark]
    return ("a changed page costs %.0f ns, a page of a full pass %.0f." %
            (100 * benchmark["dirty_ns_per_item"], benchmark["full_ns_per_item"]))


def why_tools(figures, target):
    benchmark = figures[target.benchmark]
    hashing = figures["cold_pass/copies:25%_shared:50%"]["xxh3_ns_per_item"]
    each = 1e6 / benchmark["pages"]
    scaling = figures["two_threads"]["xxh3_2_ratio"]
    return ("a page takes pageshare %.0f ns, on all threads, and %s %.0f; to hash one with XXH3 takes "
            "one thread %.0f, two %.0f, in memory that is mapped (`cold_pass`, `two_threads`). Mapping, "
            "compares, counting and the start of a process come on top." %
            (benchmark["pageshare_ms"] * each, target.side, benchmark[target.side + "_ms"] * each,
             hashing, hashing / scaling))


def why_scaling(figures, target):
    benchmark = figures[target.benchmark]
    return ("a second thread makes the engine %.2f times as fast, XXH3 %.2f times." %
            (benchmark["engine_1_ms"] / benchmark["engine_2_ms"],
             benchmark["xxh3_1_ms"] / benchmark["xxh3_2_ms"]))


# --------------------------------------------------------------------------------- targets --

ENGINE = "^(pass_engine|pass_engine_sized)$"
PAGESHARE = "^(set_open|measure_set|helper)$"

RATIOS = (
    Target("cold pass / XXH3, half of the pages shared", "cold_pass/copies:25%_shared:50%",
           "engine_sized", 0.55, why_cold, ENGINE),
    Target("the same, the table growing", "cold_pass/copies:25%_shared:50%",
           "engine", 0.55, why_cold, ENGINE),
    Target("cold pass / XXH3, a tenth shared", "cold_pass/copies:5%_shared:10%",
           "engine_sized", 0.75, why_cold, ENGINE),
    Target("the same, the table growing", "cold_pass/copies:5%_shared:10%",
           "engine", 0.75, why_cold, ENGINE),
    Target("time to share everything, KSM / ours, software page tables",
           "ksm/share_all/set:synthetic", "machine", 5, why_machine, "^machine_share$"),
    Target("the same, userfaultfd",
           "ksm/share_all/set:synthetic", "process", 2, why_process, "^process_share$"),
    Target("CPU, pass over unchanged memory, KSM / ours",
           "ksm/pass/set:synthetic", "machine_unchanged", 15, why_pass, "^machine_pass$"),
    Target("the same, userfaultfd",
           "ksm/pass/set:synthetic", "process_unchanged", 15, why_pass, "^process_pass$"),
    Target("pass over 1 % changed with dirty-page input / full pass",
           "warm_pass/dirty_against_full/changed:1%", "dirty", 20, why_dirty, "^pass_dirty$"),
    Target("pageshare measure, hashlib script / ours", "tools/set:synthetic", "hashlib", 20,
           why_tools, PAGESHARE),
    Target("pageshare measure, duperemove / ours", "tools/set:synthetic", "duperemove", 10,
           why_tools, PAGESHARE),
    Target("two threads, against XXH3's own scaling", "two_threads", "scaling", 0.9, why_scaling,
           "^pages_offer$"),
)


def _why(figures, target):
    try:
        return target.why(figures, target)
    except (KeyError, ZeroDivisionError):  # a benchmark that it speaks of did not run
        return "this run has not measured what it takes to say."


def _profile_of(target):
    """pageshare is a process of its own, which measure_files starts."""
    benchmark = "measure_files" if target.benchmark.startswith("tools/") else target.benchmark
    return benchmark, target.under


def ratio_row(figures, target):
    benchmark = figures.get(target.benchmark, {})
    value = benchmark.get(target.side + "_ratio")
    missed = value is not None and value < target.least
    measured = "" if value is None else "%.3g %s" % (value, interval_text(
        benchmark[target.side + "_ratio_low"], benchmark[target.side + "_ratio_high"],
        rounds_of(benchmark, target.side)))
    return Row(target.question, target.side, "%g" % target.least, measured,
               verdict(value, target.least), _why(figures, target) if missed else None,
               _profile_of(target) if missed else None)


def metadata_row(figures):
    benchmark = figures.get("metadata_bytes_per_page", {})
    worst = benchmark.get("worst_bytes_per_page")
    question = "metadata per scanned page, bytes"
    if worst is None:
        return Row(question, "engine", "at most %d" % BYTES_PER_PAGE, "", verdict(None, 0), None, None)
    ksm = figures.get("ksm/share_all/set:synthetic", {}).get("ksm_bytes_per_page")
    sizes = ", ".join("%s %.2f" % (key[len("at_"):], value) for key, value in benchmark.items()
                      if key.startswith("at_"))
    met = worst <= BYTES_PER_PAGE
    return Row(question, "engine", "at most %d" % BYTES_PER_PAGE,
               "%.1f%s" % (worst, "; KSM %.0f" % ksm if ksm else ""),
               "met" if met else "missed by %.0f %%" % (100 * (worst / BYTES_PER_PAGE - 1)),
               None if met else "by pages, all different: %s." % sizes, None)


def neighbour_row(figures, side):
    benchmark = figures.get("ksm/neighbour", {})
    question = "neighbour's p95 excess over idle, at equal savings"
    ours, ksm = benchmark.get(side + "_p95_excess_us"), benchmark.get("ksm_p95_excess_us")
    if ours is None or ksm is None:
        return Row(question, side, "at most KSM's", "", verdict(None, 0), None, None)
    measured = "%.2f us; KSM %.2f us" % (ours, ksm)
    if side + "_rounds_not_above_ksm" in benchmark:
        measured += "; not above in %d of %d rounds" % (
            benchmark[side + "_rounds_not_above_ksm"], benchmark["rounds"])
    if ours <= ksm:
        return Row(question, side, "at most KSM's", measured, "met", None, None)
    quantiles = "; ".join("%s %s" % (who, " / ".join(
        "%.2f" % benchmark.get("%s_%s_us" % (who, what), 0) for what in ("p50", "p95", "p99")))
        for who in ("idle", "ksm", side))
    return Row(question, side, "at most KSM's", measured, "missed by %.2f us" % (ours - ksm),
               "requests, p50 / p95 / p99 in us: %s." % quantiles,
               ("ksm/neighbour", "^%s_share$" % side))


def rows(results):
    figures = figures_of(results)
    return [ratio_row(figures, target) for target in RATIOS] + [metadata_row(figures)] + \
        [neighbour_row(figures, side) for side in ("machine", "process")]
