/* SPDX-License-Identifier: MIT */
/*
 * What does an audit of the engine cost, against XXH3 over the same pages?
 *
 * share_check over a guest whose every content occurs twice, all shared: it reads and hashes each
 * shared page once and looks at every guest page's state, at every table entry and at every frame.
 */
#include "live.h"
#include "rival.h"
#include "suite.h"

static struct {
    const struct suite *suite;
    struct live *live; /* made at first use */
} set;

static bool make_live(void)
{
    struct pages *pages = pages_new(UINT64_C(1) << (set.suite->quick ? 15 : 17), 50, 7);
    set.live = live_new(pages, set.suite->alloc);
    pages_free(pages);
    return rival_scan_until(set.live->share, set.live->copies);
}

static double pass_hash(void *ctx)
{
    (void)ctx;
    if (!set.live && !make_live())
        return -1;
    double start = bench_start();
    uint64_t sum = live_hash(set.live);
    double seconds = bench_stop(start, set.live->count);
    return sum ? seconds : -1;
}

static double pass_check(void *ctx)
{
    struct share_check_report report;
    (void)ctx;
    double start = bench_start();
    bool ok = share_check(set.live->share, &report) == SHARE_OK;
    double seconds = bench_stop(start, set.live->count);
    return ok && live_reclaimed(set.live) == set.live->copies ? seconds : -1;
}

void suite_check(const struct suite *suite)
{
    const struct bench_side check = {"check", pass_check};
    set.suite = suite;
    bench_pair("check", (struct bench_side){"xxh3", pass_hash}, &check, 1, NULL,
               suite->quick ? 5 : 15);
}
