/* SPDX-License-Identifier: MIT */
/* Timed stretches and latencies. */
#include "lap.h"
#include "order.h"
#include <stdio.h>
#include <time.h>

/* Of the benchmark that runs: its passes are called with their own ctx alone. */
static struct {
    struct perf *perf;
    struct lap_sums *sums;
} now;

uint64_t bench_now_ns(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

double bench_now_s(void)
{
    return (double)bench_now_ns(NULL) * 1e-9;
}

void lap_begin(struct perf *perf, struct lap_sums *sums)
{
    now.perf = perf;
    now.sums = sums;
}

double bench_start(void)
{
    if (now.perf)
        perf_start(now.perf);
    return bench_now_s();
}

double bench_stop(double start_s, uint64_t items)
{
    double seconds = bench_now_s() - start_s;
    if (now.perf)
        perf_stop(now.perf, now.sums->counted);
    if (now.sums) {
        now.sums->seconds += seconds;
        now.sums->items += items;
    }
    return seconds;
}

void lap_counter(struct bench *bench, const char *side, const char *what, double value)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", side, what);
    bench_counter(bench, name, value);
}

void lap_report(struct bench *bench, const char *side, const struct perf *perf,
                const struct lap_sums *sums)
{
    if (!sums->items)
        return;
    double items = (double)sums->items;
    lap_counter(bench, side, "ns_per_item", sums->seconds * 1e9 / items);
    for (unsigned i = 0; i < perf->count; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s_per_item", perf->name[i]);
        double value = perf_value(&sums->counted[i]);
        if (value >= 0)
            lap_counter(bench, side, what, value / items);
    }
}

void bench_latencies(struct bench *bench, double *seconds, size_t count)
{
    if (!count)
        return;
    order_sort(seconds, count);
    bench_counter(bench, "median_ns", order_median(seconds, count) * 1e9);
    bench_counter(bench, "p99_ns", order_quantile(seconds, count, 0.99) * 1e9);
}
