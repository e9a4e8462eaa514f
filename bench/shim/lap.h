/* SPDX-License-Identifier: MIT */
/*
 * Laps: the stretches that a benchmark says are to be timed (bench_start, bench_stop), summed up
 * for whoever drives it: seconds, items, and what was counted meanwhile.
 */
#ifndef BENCH_SHIM_LAP_H
#define BENCH_SHIM_LAP_H

#include "bench.h"
#include "perf.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lap_sums {
    double seconds;
    uint64_t items;
    struct perf_reading counted[PERF_EVENTS_MAX];
};

/* bench_start and bench_stop belong to these counters and sums from now on. NULL, NULL: to none,
 * and they only tell the time. One benchmark runs at a time. */
void lap_begin(struct perf *perf, struct lap_sums *sums);

/* Reports what was counted, per item, under names that begin with `side`. */
void lap_report(struct bench *bench, const char *side, const struct perf *perf,
                const struct lap_sums *sums);

/* A counter under a name of two parts. */
void lap_counter(struct bench *bench, const char *side, const char *what, double value);

#ifdef __cplusplus
}
#endif

#endif
