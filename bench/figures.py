# SPDX-License-Identifier: MIT
"""From what Google Benchmark wrote to figures by name."""


def short(name):
    """A benchmark's name without what Google Benchmark adds."""
    return "/".join(part for part in name.split("/")
                    if not part.startswith(("iterations:", "manual_time", "real_time")))


def figures_of(results):
    """{benchmark: {key: value}}, without those that failed."""
    return {short(benchmark["name"]): benchmark for benchmark in results["benchmarks"]
            if not benchmark.get("error_occurred")}


def rounds_of(benchmark, side):
    """How many rounds a ratio is the median of; None if the benchmark does not say."""
    rounds = benchmark.get(side + "_ratio_rounds", benchmark.get("rounds"))
    return None if rounds is None else int(rounds)


def ratios(results):
    """{"benchmark side": (median, low, high)}"""
    found = {}
    for name, benchmark in figures_of(results).items():
        for key, value in benchmark.items():
            if key.endswith("_ratio") and key + "_low" in benchmark:
                found["%s %s" % (name, key[:-len("_ratio")])] = (
                    value, benchmark[key + "_low"], benchmark[key + "_high"])
    return found
