/* SPDX-License-Identifier: MIT */
/*
 * What the machine counts while this thread works: cycles, instructions and misses where it has
 * counters, else what the kernel counts in software.
 *
 * Hardware counters count user space alone. Each is an event of its own: a group that the machine
 * has too few counters for never counts, single ones take turns, and what one has missed is made up
 * by the share of time that it ran.
 */
#ifndef BENCH_SHIM_PERF_H
#define BENCH_SHIM_PERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PERF_EVENTS_MAX = 5 };

struct perf_reading {
    uint64_t value, enabled_ns, running_ns; /* in the kernel's order */
};

struct perf {
    const char *kind; /* "hardware", "software"; "none": the kernel refuses */
    unsigned count;
    const char *name[PERF_EVENTS_MAX];
    int fd[PERF_EVENTS_MAX]; /* owned */
    struct perf_reading start[PERF_EVENTS_MAX];
};

/* Counters of this thread; they stand. */
void perf_open(struct perf *perf);
void perf_close(struct perf *perf);

void perf_start(struct perf *perf);
/* Adds what was counted since the start to sums[i], for name[i]. */
void perf_stop(struct perf *perf, struct perf_reading sums[PERF_EVENTS_MAX]);
/* What would have been counted if it had run all the time; negative if it never ran. */
double perf_value(const struct perf_reading *sum);

#ifdef __cplusplus
}
#endif

#endif
