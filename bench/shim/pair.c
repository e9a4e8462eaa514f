/* SPDX-License-Identifier: MIT */
/*
 * Paired timing: the sides take turns, so that a drift of the machine hits all of them, and the
 * ratio is taken round by round. The interval is that of the median by order statistics (the sign
 * test).
 */
#include "lap.h"
#include "order.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDES_MAX 6u

struct pair {
    struct bench_side base;
    struct bench_side other[SIDES_MAX];
    size_t others;
    void *ctx;
    unsigned rounds;
};

/* How many of n sorted values to leave out at each end so that the rest holds the median with at
 * least 95 %: the largest k with 2 * P(X < k) <= 5 % for X binomial (n, 1/2). */
static unsigned cut_of(unsigned n)
{
    double term = 1, sum = 0;
    for (unsigned i = 0; i < n; i++)
        term /= 2;
    for (unsigned k = 0; k < n / 2; k++) {
        sum += term;
        if (2 * sum > 0.05)
            return k ? k - 1 : 0;
        term = term * (n - k) / (k + 1);
    }
    return 0;
}

double bench_quantile(double *values, size_t count, double part)
{
    order_sort(values, count);
    return order_quantile(values, count, part);
}

void bench_median(struct bench *bench, const char *name, const double *values, unsigned rounds)
{
    double sorted[BENCH_ROUNDS_MAX];
    memcpy(sorted, values, rounds * sizeof *sorted);
    order_sort(sorted, rounds);
    bench_counter(bench, name, order_median(sorted, rounds));
}

void bench_ratio(struct bench *bench, const char *name, const double *base, const double *other,
                 unsigned rounds)
{
    double ratio[BENCH_ROUNDS_MAX];
    unsigned cut = cut_of(rounds);
    for (unsigned i = 0; i < rounds; i++)
        ratio[i] = base[i] / other[i];
    order_sort(ratio, rounds);
    lap_counter(bench, name, "_ratio", order_median(ratio, rounds));
    lap_counter(bench, name, "_ratio_low", ratio[cut]);
    lap_counter(bench, name, "_ratio_high", ratio[rounds - 1 - cut]);
    lap_counter(bench, name, "_ratio_rounds", rounds);
}

void bench_seconds(struct bench *bench, const char *name, const double *seconds, unsigned rounds)
{
    char full[96];
    double ms[BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++)
        ms[i] = seconds[i] * 1e3;
    snprintf(full, sizeof full, "%s_ms", name);
    bench_median(bench, full, ms, rounds);
}

static void report_laps(struct bench *bench, const char *name, const struct perf *perf,
                        const struct lap_sums *sums)
{
    char side[64];
    snprintf(side, sizeof side, "%s_", name);
    lap_report(bench, side, perf, sums);
}

/* One pass; what it counts goes to `sums`. */
static double run_side(const struct bench_side *side, void *ctx, struct perf *perf,
                       struct lap_sums *sums)
{
    lap_begin(perf, sums);
    double seconds = side->pass(ctx);
    lap_begin(NULL, NULL);
    return seconds;
}

static double base_s[BENCH_ROUNDS_MAX], other_s[SIDES_MAX][BENCH_ROUNDS_MAX];

/* One warm-up round, then `rounds` counted ones. */
static bool run_rounds(const struct pair *pair, struct perf *perf, struct lap_sums *sums)
{
    bool ok = true;
    for (unsigned round = 0; round <= pair->rounds && ok; round++) {
        unsigned at = round ? round - 1 : 0;
        if (round == 1)
            memset(sums, 0, (1 + pair->others) * sizeof *sums);
        base_s[at] = run_side(&pair->base, pair->ctx, perf, &sums[0]);
        ok = base_s[at] >= 0;
        for (size_t i = 0; i < pair->others && ok; i++) {
            other_s[i][at] = run_side(&pair->other[i], pair->ctx, perf, &sums[1 + i]);
            ok = other_s[i][at] >= 0;
        }
    }
    return ok;
}

static void report_pair(struct bench *bench, const struct pair *pair, const struct perf *perf,
                        const struct lap_sums *sums)
{
    bench_seconds(bench, pair->base.name, base_s, pair->rounds);
    for (size_t i = 0; i < pair->others; i++) {
        bench_seconds(bench, pair->other[i].name, other_s[i], pair->rounds);
        bench_ratio(bench, pair->other[i].name, base_s, other_s[i], pair->rounds);
    }
    report_laps(bench, pair->base.name, perf, &sums[0]);
    for (size_t i = 0; i < pair->others; i++)
        report_laps(bench, pair->other[i].name, perf, &sums[1 + i]);
}

static void run_pair(struct bench *bench, void *ctx)
{
    const struct pair *pair = ctx;
    struct perf perf;
    struct lap_sums sums[1 + SIDES_MAX] = {0};
    bool ok = true;
    perf_open(&perf);
    while (bench_next(bench))
        ok = run_rounds(pair, &perf, sums);
    if (ok)
        report_pair(bench, pair, &perf, sums);
    else
        bench_fail(bench, "wrong answer");
    perf_close(&perf);
}

void bench_pair(const char *name, struct bench_side base, const struct bench_side *others,
                size_t others_count, void *ctx, unsigned rounds)
{
    struct pair *pair = calloc(1, sizeof *pair);
    if (!pair || others_count > SIDES_MAX || rounds > BENCH_ROUNDS_MAX || !rounds) {
        fprintf(stderr, "bench_pair: cannot register %s\n", name);
        exit(1);
    }
    pair->base = base;
    memcpy(pair->other, others, others_count * sizeof *others);
    pair->others = others_count;
    pair->ctx = ctx;
    pair->rounds = rounds;
    bench_register_once(name, run_pair, pair);
}
