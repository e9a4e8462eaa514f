# SPDX-License-Identifier: MIT
"""Order statistics of rounds, the same as share-bench's: medians, and intervals by the sign test."""


def median(values):
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def cut(count):
    """How many of sorted values to leave out at each end for a 95 % interval of the median."""
    term, total = 0.5 ** count, 0.0
    for k in range(count // 2):
        total += term
        if 2 * total > 0.05:
            return max(k - 1, 0)
        term = term * (count - k) / (k + 1)
    return 0


def ratio(name, ratios):
    """{NAME_ratio, NAME_ratio_low, NAME_ratio_high}"""
    ordered, left_out = sorted(ratios), cut(len(ratios))
    return {name + "_ratio": median(ordered), name + "_ratio_low": ordered[left_out],
            name + "_ratio_high": ordered[-1 - left_out]}
