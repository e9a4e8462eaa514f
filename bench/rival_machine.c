/* SPDX-License-Identifier: MIT */
/* libshare over the tiny VMM's machine memory; and what both of our rivals do with an engine. */
#include "live.h"
#include "rival.h"
#include <time.h>

double rival_own_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool rival_scan_until(struct share *share, uint64_t copies)
{
    struct share_stats stats = {0};
    struct share_scan_report report = {.merged_pages = 1};
    while (stats.reclaimed_pages < copies && report.merged_pages) {
        if (share_scan(share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, &report) != SHARE_OK)
            return false;
        share_stats(share, &stats);
    }
    return stats.reclaimed_pages >= copies;
}

double rival_share(struct share *share, uint64_t copies, double *cpu_s)
{
    double start = bench_now_s(), cpu = rival_own_cpu_s();
    bool ok = rival_scan_until(share, copies);
    *cpu_s = rival_own_cpu_s() - cpu;
    return ok ? bench_now_s() - start : -1;
}

double rival_scan_pass(struct share *share, uint64_t pages)
{
    struct share_scan_report report;
    double start = rival_own_cpu_s();
    bool ok = share_scan(share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, &report) == SHARE_OK;
    double seconds = rival_own_cpu_s() - start;
    return ok && report.looked_pages == pages ? seconds : -1;
}

static void *machine_open(const struct pages *pages, const struct suite *suite)
{
    return live_new(pages, suite->alloc);
}

static double machine_share(void *rival, double *cpu_s)
{
    struct live *live = rival;
    double seconds = rival_share(live->share, live->copies, cpu_s);
    hv_machine_trim(&live->machine); /* the last few pages */
    return seconds;
}

static double machine_pass(void *rival)
{
    struct live *live = rival;
    return rival_scan_pass(live->share, live->count);
}

static uint64_t machine_frames(void *rival)
{
    return hv_machine_used(&((struct live *)rival)->machine);
}

static uint64_t machine_metadata(void *rival)
{
    struct share_stats stats;
    share_stats(((struct live *)rival)->share, &stats);
    return stats.metadata_peak_bytes;
}

static bool machine_write(void *rival, uint64_t page, uint64_t word, uint64_t value)
{
    return live_write(rival, page, word, value);
}

static void machine_close(void *rival)
{
    live_free(rival);
}

const struct rival_kind rival_machine = {.name = "machine",
                                         .open = machine_open,
                                         .share = machine_share,
                                         .pass = machine_pass,
                                         .frames = machine_frames,
                                         .metadata_bytes = machine_metadata,
                                         .write = machine_write,
                                         .close = machine_close};
