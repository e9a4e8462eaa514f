/* SPDX-License-Identifier: MIT */
/*
 * Google Benchmark for C: benchmarks are plain functions, and this is all they see of it.
 *
 * A benchmark checks its answer before it reports: bench_fail makes the run an error. Claims are
 * ratios of two things timed in turn in one run: bench_pair.
 */
#ifndef BENCH_SHIM_H
#define BENCH_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench; /* one run of one benchmark */

typedef void (*bench_fn)(struct bench *bench, void *ctx);

/* Registers a benchmark; `ctx` is handed to it. Call before bench_run. */
void bench_register(const char *name, bench_fn fn, void *ctx);

/* An argument and its values. */
struct bench_values {
    const char *name;
    const int64_t *values;
    size_t count;
};

/*
 * Registers a benchmark for each combination of the values of its arguments, the last one's
 * turning fastest: NAME/argument:value/... Its loop is not timed, only what lies between
 * bench_start and bench_stop; time, counters and rates are reported per item.
 */
void bench_register_laps(const char *name, bench_fn fn, void *ctx, const struct bench_values *args,
                         size_t args_count);

/* The value of the i-th argument in this run. */
int64_t bench_arg(const struct bench *bench, unsigned i);

/* A stretch to be timed and counted, of a benchmark of laps or of a pass of bench_pair. One at a
 * time. bench_stop gives its seconds; `items`: what it worked on. */
double bench_start(void);
double bench_stop(double start_s, uint64_t items);

/* The timed loop: while (bench_next(bench)) { ... } */
bool bench_next(struct bench *bench);

/* Leaves a stretch of the timed loop out. */
void bench_pause(struct bench *bench);
void bench_resume(struct bench *bench);

/* What one iteration worked on; shown as rates. */
void bench_bytes(struct bench *bench, uint64_t nbytes_each);
void bench_items(struct bench *bench, uint64_t items_each);

/* A figure beside the times. */
void bench_counter(struct bench *bench, const char *name, double value);

/* Reports median and 99th percentile of so many latencies in seconds, and sorts them. */
void bench_latencies(struct bench *bench, double *seconds, size_t count);

/* The answer was wrong: the benchmark is an error, and bench_run fails. */
void bench_fail(struct bench *bench, const char *reason);

/*
 * Registers a paired benchmark: `rounds` rounds of first base, then each of the `others`; each
 * function does one whole pass and returns the seconds of its timed part, or a negative number if
 * its answer was wrong. Reports for each other one, under its name: seconds, and the ratio base /
 * other (its speed relative to the base) as median with the bounds of a 95 % interval of the
 * median. What a pass times by bench_start and bench_stop is reported per item, too, with counters.
 */
struct bench_side {
    const char *name;
    double (*pass)(void *ctx);
};
void bench_pair(const char *name, struct bench_side base, const struct bench_side *others,
                size_t others_count, void *ctx, unsigned rounds);

/* For benchmarks that do their own rounds: registers one that runs once. */
void bench_register_once(const char *name, bench_fn fn, void *ctx);

enum { BENCH_ROUNDS_MAX = 101 };

/* Counters of what `rounds` rounds measured: NAME, the median; NAME_ms, the median of seconds;
 * NAME_ratio, _ratio_low, _ratio_high and _ratio_rounds: base / other round by round, the interval,
 * and of how many rounds. */
void bench_median(struct bench *bench, const char *name, const double *values, unsigned rounds);
void bench_seconds(struct bench *bench, const char *name, const double *seconds, unsigned rounds);
void bench_ratio(struct bench *bench, const char *name, const double *base, const double *other,
                 unsigned rounds);

/* Sorts values: the smallest one that at least `part` of them (0 to 1) do not exceed. */
double bench_quantile(double *values, size_t count, double part);

/* Seconds on the monotonic clock. */
double bench_now_s(void);
/* The same clock in nanoseconds, as an op of an engine: ctx is nothing. */
uint64_t bench_now_ns(void *ctx);

/* Runs what was registered, by Google Benchmark's command line. The exit code: 1 if one failed. */
int bench_run(int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
