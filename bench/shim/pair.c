/* SPDX-License-Identifier: MIT */
/*
 * Paired timing: the sides take turns, so that a drift of the machine hits all of them, and the
 * ratio is taken round by round. The interval is that of the median by order statistics (the sign
 * test).
 */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIDES_MAX 6u

struct pair {
    struct bench_side base;
    struct bench_side other[SIDES_MAX];
    size_t others;
    void *ctx;
    unsigned rounds;
};

double bench_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

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

static void counter_of(struct bench *bench, const char *name, const char *what, double value)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s", name, what);
    bench_counter(bench, full, value);
}

double bench_quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, by_value);
    double at = share * (double)(count - 1);
    size_t below = (size_t)at;
    double above = values[below + 1 < count ? below + 1 : below];
    return values[below] + (above - values[below]) * (at - (double)below);
}

void bench_median(struct bench *bench, const char *name, const double *values, unsigned rounds)
{
    double sorted[BENCH_ROUNDS_MAX];
    memcpy(sorted, values, rounds * sizeof *sorted);
    bench_counter(bench, name, bench_quantile(sorted, rounds, 0.5));
}

void bench_ratio(struct bench *bench, const char *name, const double *base, const double *other,
                 unsigned rounds)
{
    double ratio[BENCH_ROUNDS_MAX];
    unsigned cut = cut_of(rounds);
    for (unsigned i = 0; i < rounds; i++)
        ratio[i] = base[i] / other[i];
    counter_of(bench, name, "_ratio", bench_quantile(ratio, rounds, 0.5));
    counter_of(bench, name, "_ratio_low", ratio[cut]);
    counter_of(bench, name, "_ratio_high", ratio[rounds - 1 - cut]);
}

static void report_time(struct bench *bench, const char *side, const double *seconds,
                        unsigned rounds)
{
    char name[96];
    double ms[BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++)
        ms[i] = seconds[i] * 1e3;
    snprintf(name, sizeof name, "%s_ms", side);
    bench_median(bench, name, ms, rounds);
}

/* One warm-up round, then `rounds` counted ones. */
static void run_pair(struct bench *bench, void *ctx)
{
    const struct pair *pair = ctx;
    static double base[BENCH_ROUNDS_MAX], seconds[SIDES_MAX][BENCH_ROUNDS_MAX];
    bool ok = true;
    while (bench_next(bench))
        for (unsigned round = 0; round <= pair->rounds && ok; round++) {
            unsigned at = round ? round - 1 : 0;
            base[at] = pair->base.pass(pair->ctx);
            ok = base[at] >= 0;
            for (size_t i = 0; i < pair->others && ok; i++) {
                seconds[i][at] = pair->other[i].pass(pair->ctx);
                ok = seconds[i][at] >= 0;
            }
        }
    if (!ok) {
        bench_fail(bench, "wrong answer");
        return;
    }
    report_time(bench, pair->base.name, base, pair->rounds);
    for (size_t i = 0; i < pair->others; i++) {
        report_time(bench, pair->other[i].name, seconds[i], pair->rounds);
        bench_ratio(bench, pair->other[i].name, base, seconds[i], pair->rounds);
    }
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
