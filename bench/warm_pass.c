/* SPDX-License-Identifier: MIT */
/*
 * What does a further pass cost, over memory that is shared already?
 *
 * Sides in turn over the same live guest: XXH3 over its pages as it sees them (the base); `full`, a
 * pass of the scanner over all of them; `dirty`, a pass over those alone that share_dirty was told
 * of. `changed:1%`: before each pass one page in a hundred is written, other ones every time; after
 * it they get their old content back and are shared again, both untimed. `dirty_against_full` has
 * the full pass as its base.
 *
 * A pass is right if it looked at the pages it should, and exactly those contents are shared then
 * of which no page was written.
 */
#include "live.h"
#include "suite.h"
#include <string.h>

#define COPY_PERCENT 37u  /* as in the comparison with KSM */
#define STRIDE       100u /* one page in so many is written */
#define PASSES_MAX   8u

struct warm {
    const struct suite *suite;
    bool changes;
};

static struct {
    struct pages *pages; /* of all benchmarks here, made at first use */
    struct live *live;
    uint64_t phase; /* pages of this number modulo STRIDE are written next */
} set;

static bool is_written(uint64_t ppn)
{
    return ppn % STRIDE == set.phase;
}

static bool share_all(void)
{
    return share_now(set.live->share, PASSES_MAX, NULL) == SHARE_OK &&
           live_reclaimed(set.live) == set.pages->copies;
}

static bool make_live(const struct suite *suite)
{
    set.pages = pages_new(UINT64_C(1) << (suite->quick ? 15 : 17), COPY_PERCENT, 8);
    set.live = live_new(set.pages, suite->alloc);
    return share_all();
}

/* What should be reclaimed: copies that were not written, of pages that were not either. */
static uint64_t copies_left(void)
{
    uint64_t copies = 0;
    for (uint64_t ppn = 0; ppn < set.pages->count; ppn++) {
        uint64_t original = set.pages->original[ppn];
        copies += original != ppn && !is_written(ppn) && !is_written(original);
    }
    return copies;
}

/* How many pages were written. Negative: a write failed. */
static int64_t write_some(bool tell)
{
    int64_t written = 0;
    set.phase = (set.phase + 1) % STRIDE;
    for (uint64_t ppn = set.phase; ppn < set.live->count; ppn += STRIDE, written++)
        if (!live_write(set.live, ppn, 0, ppn) ||
            (tell && share_dirty(set.live->share, 0, &(share_ppn){ppn}, 1) != SHARE_OK))
            return -1;
    return written;
}

static bool restore(void)
{
    for (uint64_t ppn = set.phase; ppn < set.live->count; ppn += STRIDE) {
        uint64_t word;
        memcpy(&word, set.pages->bytes + ppn * SHARE_PAGE_SIZE, sizeof word);
        if (!live_write(set.live, ppn, 0, word))
            return false;
    }
    return share_all();
}

static double pass_hash(void *ctx)
{
    const struct warm *warm = ctx;
    if (!set.live && !make_live(warm->suite))
        return -1;
    double start = bench_start();
    uint64_t sum = live_hash(set.live);
    double seconds = bench_stop(start, set.live->count);
    return sum ? seconds : -1;
}

/* A pass, per page of the guest in either order. */
static double scan(enum share_order order, uint64_t looked_pages, uint64_t copies)
{
    struct share_scan_report report;
    double start = bench_start();
    bool ok = share_scan(set.live->share, order, SHARE_SCAN_ALL, UINT64_MAX, &report) == SHARE_OK;
    double seconds = bench_stop(start, set.live->count);
    return ok && report.looked_pages == looked_pages && live_reclaimed(set.live) == copies ? seconds
                                                                                           : -1;
}

static double pass_full(void *ctx)
{
    const struct warm *warm = ctx;
    if (!set.live && !make_live(warm->suite))
        return -1;
    if (!warm->changes)
        return scan(SHARE_SEQUENTIAL, set.live->count, set.pages->copies);
    if (write_some(false) < 0)
        return -1;
    double seconds = scan(SHARE_SEQUENTIAL, set.live->count, copies_left());
    return restore() ? seconds : -1;
}

static double pass_dirty(void *ctx)
{
    (void)ctx;
    int64_t written = write_some(true);
    if (written < 0)
        return -1;
    double seconds = scan(SHARE_DIRTY, (uint64_t)written, copies_left());
    return restore() ? seconds : -1;
}

void suite_warm_pass(const struct suite *suite)
{
    static struct warm unchanged, changed;
    const struct bench_side hash = {"xxh3", pass_hash}, full = {"full", pass_full},
                            dirty = {"dirty", pass_dirty};
    unsigned rounds = suite->quick ? 5 : 15;
    unchanged = (struct warm){suite, false};
    changed = (struct warm){suite, true};
    bench_pair("warm_pass/changed:0%", hash, &full, 1, &unchanged, rounds);
    bench_pair("warm_pass/changed:1%", hash, (const struct bench_side[]){full, dirty}, 2, &changed,
               rounds);
    bench_pair("warm_pass/dirty_against_full/changed:1%", full, &dirty, 1, &changed, rounds);
}
