/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to declare sharing that exists, against hashing the same pages?
 *
 * Two VMs map the same machine pages. share_adopt of both, in turn with XXH3 over the pages once;
 * the VMM's part is a flag a page.
 *
 *     adopt_ratio      time of share_adopt a page, of that of hashing one
 *     bytes_per_page   metadata, of all pages of both VMs
 *
 * The run is right if each machine page has a frame with two references and no byte was shared by
 * content.
 */
#include "live.h"
#include "suite.h"

enum { ROUNDS = 5, VMS = 2 };

/* A run for each stretch of machine pages in a row. */
static bool adopt(struct live *live, share_vm vm)
{
    for (uint64_t first = 0, end; first < live->count; first = end) {
        for (end = first + 1; end < live->count &&
                              live->physmap[end].mpn == live->physmap[first].mpn + (end - first);)
            end++;
        struct share_adopt_run run = {.ppn = {first},
                                      .mpn = {live->physmap[first].mpn},
                                      .count = end - first,
                                      .joins = vm != 0,
                                      .with_vm = 0,
                                      .with_ppn = {first}};
        if (share_adopt(live->share, vm, &run, 1, 0) != SHARE_OK)
            return false;
    }
    return true;
}

struct figures {
    double ratio[ROUNDS], bytes;
};

static bool run_round(const struct suite *suite, const struct pages *pages, unsigned round,
                      struct figures *figures)
{
    struct live *live = live_new(pages, suite->alloc);
    struct share_stats stats;
    share_vm vm;
    double start = bench_now_s();
    bool ok = live_hash(live) != 0;
    double hashed_s = bench_now_s() - start;
    ok = ok && share_vm_add(live->share, 0, (share_ppn){0}, (share_ppn){live->count}, NULL, &vm) ==
                   SHARE_OK;
    start = bench_now_s();
    for (share_vm i = 0; i < VMS && ok; i++)
        ok = adopt(live, i);
    double adopted_s = bench_now_s() - start;
    share_stats(live->share, &stats);
    figures->ratio[round] = adopted_s / VMS / hashed_s;
    figures->bytes = (double)stats.metadata_peak_bytes / (double)(VMS * live->count);
    ok = ok && stats.frames == live->count && stats.shared_pages == VMS * live->count;
    live_free(live);
    return ok;
}

static void run(struct bench *bench, void *ctx)
{
    const struct suite *suite = ctx;
    struct pages *pages = pages_new(UINT64_C(1) << (suite->quick ? 15 : 18), 0, 9);
    bool ok = true;
    while (bench_next(bench)) {
        struct figures figures;
        for (unsigned round = 0; round < ROUNDS && ok; round++)
            ok = run_round(suite, pages, round, &figures);
        bench_counter(bench, "adopt_ratio", bench_quantile(figures.ratio, ROUNDS, 0.5));
        bench_counter(bench, "bytes_per_page", figures.bytes);
    }
    if (!ok)
        bench_fail(bench, "what was declared is not shared");
    pages_free(pages);
}

void suite_adopt(const struct suite *suite)
{
    bench_register("adopt", run, (void *)suite);
}
