# SPDX-License-Identifier: MIT
"""What a run must not lose: ratios beside a baseline, and limits that need none.

A ratio has fallen if its median is below the baseline's by more than the margin, and again when it
is measured once more (bench/run does). Medians of one build vary by 20 % from run to run on a shared
machine, more in a quick run with few rounds: the margins are one and a half times that and twice
that. So a loss of half is found, and noise would have to strike twice. KSM's own times change
threefold between runs where a host is slow to change page tables: a ratio to them may fall to half
of what the margin leaves.

Machines differ by more than that: where memory is slow, hashing is, and all else weighs less; where a
host shadows its guests' page tables in software, page faults, mappings and system calls take several
times as long. So a baseline keeps the ratios of each kind of machine it was measured on; on any
other one a ratio is held against the lowest of them.

Two processors may be threads of one core, or cores: what two scanning threads get is another ratio
then, with a baseline of its own. How XXH3 alone scales in that run tells which.

Only ratios of our own sides count, and of synthetic page sets: what KSM does to itself, variants of
hashes and rooflines may move, and pages of guests and processes are other ones in each run.
"""
import fnmatch
import json
import mmap
import os
import platform
import time

from figures import figures_of

MARGIN = 0.3
MARGIN_QUICK = 0.4
BYTES_PER_PAGE = 16
TWO_CORES_SCALING = 1.5  # XXH3's on two cores is 1.9, on threads of one core 1.1 to 1.3
SHADOWED_FAULT_US = 5  # a page fault takes 13 where page tables are shadowed, elsewhere 1 or 2

OWN = (
    "cold_pass/* engine",
    "cold_pass/* engine_sized",
    "warm_pass/* full",
    "warm_pass/* dirty",
    "check check",
    "groups/cold_pass 16_groups",
    "compare/* variant_0_abreast",
    "vmm/pt_write hypercall*",
    "two_threads scaling_*",
    "measure_files pageshare",
    "ksm/*/set:synthetic machine*",
    "ksm/*/set:synthetic process*",
    "tools/set:synthetic hashlib",
    "tools/set:synthetic duperemove",
)


def is_own(name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in OWN)


def own(ratios):
    """Those that may not fall, by the names that they have in a baseline."""
    named = dict(ratios)
    scaling, hashing = ratios.get("two_threads scaling"), ratios.get("two_threads xxh3_2")
    if scaling and hashing:
        where = "two_cores" if hashing[0] > TWO_CORES_SCALING else "one_core"
        named["two_threads scaling_" + where] = scaling
    return {name: value for name, value in named.items() if is_own(name)}


def _of_threads(name):
    return name.startswith("two_threads ")


def page_fault_us():
    """Microseconds that a first store to a page takes, at best."""
    pages, best = 512, float("inf")
    for _ in range(5):
        with mmap.mmap(-1, pages * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            if hasattr(mmap, "MADV_NOHUGEPAGE"):
                memory.madvise(mmap.MADV_NOHUGEPAGE)
            start = time.perf_counter()
            for at in range(0, len(memory), mmap.PAGESIZE):
                memory[at] = 1
            best = min(best, (time.perf_counter() - start) / pages * 1e6)
    return best


def kind_of(cpuinfo, fault_us):
    """Maker, family and model, out of the lines of /proc/cpuinfo, and what the host makes of it."""
    fields = {}
    for line in cpuinfo:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    if "vendor_id" not in fields:
        return platform.machine()
    return "%s family %s model %s%s" % (
        fields["vendor_id"], fields.get("cpu family", "?"), fields.get("model", "?"),
        ", shadowed page tables" if fault_us > SHADOWED_FAULT_US else "")


def processor():
    """What kind this machine has."""
    with open("/proc/cpuinfo") as text:
        return kind_of(text, page_fault_us())


def _read(file):
    """{processor: {"benchmark side": median}}"""
    if not os.path.exists(file):
        return {}
    with open(file) as text:
        return json.load(text)


def _lowest(baselines):
    """Of each ratio the lowest."""
    lowest = {}
    for medians in baselines:
        for name, median in medians.items():
            lowest[name] = min(median, lowest.get(name, median))
    return lowest


def read_baseline(file, kind):
    """{"benchmark side": median} for a kind of machine, and a note if there is none of it."""
    if file == "none":
        return {}, []
    baselines = _read(file)
    if not baselines:
        return {}, ["no baseline: there is no %s (--write-baseline makes it); no ratio was compared" %
                    os.path.basename(file)]
    if kind in baselines:
        return baselines[kind], []
    return _lowest(baselines.values()), [
        "no baseline of this processor (%s): compared with the lowest of %s" %
        (kind, ", ".join(sorted(baselines)))]


def write_baseline(file, kind, ratios):
    """Replaces what the file has of this kind of machine, but for what only the other kind of
    threads tells."""
    baselines = _read(file)
    kept = {name: median for name, median in baselines.get(kind, {}).items() if _of_threads(name)}
    baselines[kind] = {**kept, **{name: round(value[0], 3) for name, value in own(ratios).items()}}
    with open(file, "w") as text:
        json.dump(baselines, text, indent=1)
        text.write("\n")


def _floor(name, before, margin):
    return before * (1 - margin) * (0.5 if name.startswith("ksm/") else 1)


def fallen(ratios, before, margin):
    """{"benchmark side": a line} of medians that lie below the baseline's by more than the margin."""
    now = own(ratios)
    return {name: "%s: %.3g [%.3g, %.3g], before %.3g, may be %.3g" %
            ((name,) + now[name] + (old, _floor(name, old, margin)))
            for name, old in before.items()
            if name in now and now[name][0] < _floor(name, old, margin)}


def not_compared(ratios, before):
    """Notes about ratios of one side alone: the baseline's, or this run's."""
    now = own(ratios)
    lost = [name for name in before if name not in now and not _of_threads(name)]
    new = [name for name in now if before and name not in before]
    return (["in the baseline, not measured: " + ", ".join(lost)] if lost else []) + \
        (["measured, not in the baseline: " + ", ".join(new)] if new else [])


def over_limits(results):
    """Lines about figures that have a limit of their own. A quick run's few rounds do not tell what
    a neighbour feels."""
    figures = figures_of(results)
    worst = figures.get("metadata_bytes_per_page", {}).get("worst_bytes_per_page", 0)
    lines = []
    if worst > BYTES_PER_PAGE:
        lines.append("metadata_bytes_per_page: %.2f, limit %d" % (worst, BYTES_PER_PAGE))
    neighbour = {} if results["quick"] else figures.get("ksm/neighbour", {})
    for side in ("machine", "process"):
        excess, ksm = neighbour.get(side + "_p95_excess_us"), neighbour.get("ksm_p95_excess_us")
        if excess is not None and ksm is not None and excess > ksm:
            lines.append("ksm/neighbour %s: p95 %.2f us above idle, KSM's %.2f" %
                         (side, excess, ksm))
    return lines
