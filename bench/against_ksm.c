/* SPDX-License-Identifier: MIT */
/*
 * Ours against Linux KSM, live: the same pages on the same machine in the same run.
 *
 * `share_all`: wall-clock time until everything shareable is shared. `share_all_cpu`: CPU seconds
 * for that. `unchanged_pass_cpu`: a further pass over memory that is shared and did not change.
 * `dirty_pass`, without KSM: our full pass against a pass over 1 % of the pages, told to
 * share_dirty and changed. Answers are checked: reclaimed pages against the known answer, KSM's by
 * physical page numbers.
 */
#include "ksm.h"
#include "live.h"
#include "suite.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COPY_PERCENT 37u /* as in the measurement of KSM that anchors this comparison */

struct rivals {
    const struct suite *suite;
    bool smart_scan;
    bool cpu;             /* share_all: CPU seconds instead of wall-clock time */
    struct pages *pages;  /* made at first use, like what follows */
    struct ksm_area area; /* shared, for further passes */
    struct live *live;    /* the same */
    uint64_t changes;
};

static double cpu_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const struct pages *set_of(struct rivals *rivals)
{
    if (!rivals->pages)
        rivals->pages = pages_new(UINT64_C(1) << (rivals->suite->quick ? 16 : 18), COPY_PERCENT, 3);
    return rivals->pages;
}

static uint64_t distinct_of(const struct rivals *rivals)
{
    return rivals->pages->count - rivals->pages->copies;
}

/* ------------------------------------------------------------------------------ share_all -- */

static double ksm_share_all(void *ctx)
{
    struct rivals *rivals = ctx;
    struct ksm_area area;
    const struct pages *pages = set_of(rivals);
    if (!ksm_begin(rivals->smart_scan) || !ksm_area_map(&area, pages)) {
        ksm_end();
        return -1;
    }
    double cpu = ksm_cpu_s(), seconds = ksm_share(pages->copies);
    if (seconds >= 0 && rivals->cpu)
        seconds = ksm_cpu_s() - cpu;
    if (ksm_area_frames(&area) != distinct_of(rivals))
        seconds = -1;
    ksm_area_unmap(&area);
    ksm_end();
    return seconds;
}

static double our_share_all(void *ctx)
{
    struct rivals *rivals = ctx;
    struct live *live = live_new(set_of(rivals), rivals->suite->alloc);
    double start = rivals->cpu ? cpu_now_s() : bench_now_s();
    bool ok = live_share(live, rivals->pages->copies);
    hv_machine_trim(&live->machine);
    double seconds = (rivals->cpu ? cpu_now_s() : bench_now_s()) - start;
    ok = ok && hv_machine_used(&live->machine) == distinct_of(rivals);
    live_free(live);
    return ok ? seconds : -1;
}

/* --------------------------------------------------------------------------- further passes -- */

static double ksm_unchanged_pass(void *ctx)
{
    struct rivals *rivals = ctx;
    const struct pages *pages = set_of(rivals);
    double seconds = -1;
    if (ksm_begin(rivals->smart_scan) &&
        (rivals->area.bytes || ksm_area_map(&rivals->area, pages)) && ksm_share(pages->copies) >= 0)
        seconds = ksm_scan_cpu_s(2);
    ksm_end();
    return seconds;
}

static struct live *shared_live(struct rivals *rivals)
{
    if (!rivals->live) {
        rivals->live = live_new(set_of(rivals), rivals->suite->alloc);
        if (share_now(rivals->live->share, 8, NULL) != SHARE_OK) {
            live_free(rivals->live);
            rivals->live = NULL;
        }
    }
    return rivals->live;
}

static double our_pass(void *ctx)
{
    struct live *live = shared_live(ctx);
    struct share_scan_report report;
    if (!live)
        return -1;
    double start = cpu_now_s();
    bool ok =
        share_scan(live->share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, &report) == SHARE_OK;
    double seconds = cpu_now_s() - start;
    return ok && report.looked_pages == live->count ? seconds : -1;
}

/* Changes every hundredth page, not the same ones each time, and scans those. */
static double our_dirty_pass(void *ctx)
{
    struct rivals *rivals = ctx;
    struct live *live = shared_live(rivals);
    struct share_scan_report report;
    uint64_t dirty = 0;
    if (!live)
        return -1;
    for (uint64_t ppn = ++rivals->changes % 100; ppn < live->count; ppn += 100, dirty++)
        if (!live_write(live, ppn, 0, rivals->changes << 32 | ppn) ||
            share_dirty(live->share, 0, &(share_ppn){ppn}, 1) != SHARE_OK)
            return -1;
    double start = cpu_now_s();
    bool ok = share_scan(live->share, SHARE_DIRTY, SHARE_SCAN_ALL, UINT64_MAX, &report) == SHARE_OK;
    double seconds = cpu_now_s() - start;
    return ok && report.looked_pages == dirty ? seconds : -1;
}

/* -------------------------------------------------------------------------------- register -- */

static void add(const struct suite *suite, const char *name, struct rivals settings,
                struct bench_side base, struct bench_side other)
{
    struct rivals *rivals = malloc(sizeof *rivals); /* as long as the suite lives */
    if (!rivals)
        exit(1);
    *rivals = settings;
    rivals->suite = suite;
    bench_pair(name, base, &other, 1, rivals, suite->quick ? 2 : 5);
}

void suite_against_ksm(const struct suite *suite)
{
    const struct bench_side ksm_all = {"ksm", ksm_share_all}, our_all = {"ours", our_share_all};
    const struct bench_side ksm_pass = {"ksm", ksm_unchanged_pass}, our = {"ours", our_pass};
    const char *refusal = ksm_refusal();
    add(suite, "dirty_pass/changed:1%", (struct rivals){0}, our,
        (struct bench_side){"dirty", our_dirty_pass});
    if (refusal) {
        fprintf(stderr, "skipped: the comparison with KSM: %s\n", refusal);
        return;
    }
    add(suite, "ksm/share_all/smart_scan:0", (struct rivals){0}, ksm_all, our_all);
    add(suite, "ksm/share_all/smart_scan:1", (struct rivals){.smart_scan = true}, ksm_all, our_all);
    add(suite, "ksm/share_all_cpu/smart_scan:0", (struct rivals){.cpu = true}, ksm_all, our_all);
    add(suite, "ksm/unchanged_pass_cpu/smart_scan:0", (struct rivals){0}, ksm_pass, our);
    add(suite, "ksm/unchanged_pass_cpu/smart_scan:1", (struct rivals){.smart_scan = true}, ksm_pass,
        our);
}
