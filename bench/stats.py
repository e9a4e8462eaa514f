# SPDX-License-Identifier: MIT
"""Order statistics of rounds, the same as share-bench's: medians, and intervals by the sign test."""

SURE = 0.95


def median(values):
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def cut(count):
    """How many of sorted values to leave out at each end for a 95 % interval of the median; none if
    there are too few of them (fewer than 6) for any."""
    term, total = 0.5 ** count, 0.0
    for k in range(count // 2):
        total += term
        if 2 * total > 1 - SURE:
            return max(k - 1, 0)
        term = term * (count - k) / (k + 1)
    return 0


def coverage(count):
    """With what probability the interval of so many rounds holds the median: 0.5 for 2 rounds."""
    term, below = 0.5 ** count, 0.0
    for k in range(cut(count) + 1):
        below += term
        term = term * (count - k) / (k + 1)
    return max(1 - 2 * below, 0.0)


def interval_text(low, high, rounds):
    """"[1.2, 1.4]", and what it is where it is no interval of 95 %. rounds: None if unknown."""
    text = "[%.3g, %.3g]" % (low, high)
    if rounds is None or coverage(rounds) >= SURE:
        return text
    return "%s, the range of %d rounds: %.0f %%" % (text, rounds, 100 * coverage(rounds))


def ratio(name, ratios):
    """{NAME_ratio, NAME_ratio_low, NAME_ratio_high, NAME_ratio_rounds}"""
    ordered, left_out = sorted(ratios), cut(len(ratios))
    return {name + "_ratio": median(ordered), name + "_ratio_low": ordered[left_out],
            name + "_ratio_high": ordered[-1 - left_out], name + "_ratio_rounds": len(ordered)}
