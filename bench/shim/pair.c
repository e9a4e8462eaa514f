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

#define ROUNDS_MAX 101u
#define SIDES_MAX  6u

struct pair {
    struct bench_side base;
    struct bench_side other[SIDES_MAX];
    size_t others;
    void *ctx;
    unsigned rounds;
};

void bench_register_once(const char *name, bench_fn fn, void *ctx);

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

static double median(const double *sorted, unsigned n)
{
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
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

static void counter_of(struct bench *bench, const char *side, const char *what, double value)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", side, what);
    bench_counter(bench, name, value);
}

static void report(struct bench *bench, const char *side, double *ratio, double *seconds,
                   unsigned rounds)
{
    unsigned cut = cut_of(rounds);
    qsort(seconds, rounds, sizeof *seconds, by_value);
    counter_of(bench, side, "_ms", median(seconds, rounds) * 1e3);
    if (!ratio)
        return;
    qsort(ratio, rounds, sizeof *ratio, by_value);
    counter_of(bench, side, "_ratio", median(ratio, rounds));
    counter_of(bench, side, "_ratio_low", ratio[cut]);
    counter_of(bench, side, "_ratio_high", ratio[rounds - 1 - cut]);
}

/* One warm-up round, then `rounds` counted ones. */
static void run_pair(struct bench *bench, void *ctx)
{
    const struct pair *pair = ctx;
    static double base[ROUNDS_MAX], seconds[SIDES_MAX][ROUNDS_MAX], ratio[SIDES_MAX][ROUNDS_MAX];
    bool ok = true;
    while (bench_next(bench))
        for (unsigned round = 0; round <= pair->rounds && ok; round++) {
            unsigned at = round ? round - 1 : 0;
            base[at] = pair->base.pass(pair->ctx);
            ok = base[at] >= 0;
            for (size_t i = 0; i < pair->others && ok; i++) {
                seconds[i][at] = pair->other[i].pass(pair->ctx);
                ratio[i][at] = base[at] / seconds[i][at];
                ok = seconds[i][at] >= 0;
            }
        }
    if (!ok) {
        bench_fail(bench, "wrong answer");
        return;
    }
    report(bench, pair->base.name, NULL, base, pair->rounds);
    for (size_t i = 0; i < pair->others; i++)
        report(bench, pair->other[i].name, ratio[i], seconds[i], pair->rounds);
}

void bench_pair(const char *name, struct bench_side base, const struct bench_side *others,
                size_t others_count, void *ctx, unsigned rounds)
{
    struct pair *pair = calloc(1, sizeof *pair);
    if (!pair || others_count > SIDES_MAX || rounds > ROUNDS_MAX || !rounds) {
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
