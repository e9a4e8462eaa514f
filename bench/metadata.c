/* SPDX-License-Identifier: MIT */
/*
 * How much memory does the engine hold for each page that it has looked at, at any size?
 *
 * Pages come from a generator, all distinct, so that no lucky load factor hides. Everything that
 * the engine allocates is counted, at its high-water mark.
 */
#include "suite.h"
#include <stdio.h>
#include <string.h>

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)ctx;
    (void)vm;
    mpn->n = ppn.n;
    return true;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)ctx;
    (void)vm;
    *found = from;
    return true;
}

/* A page whose first bytes are its number. */
static const void *peek(void *ctx, share_mpn mpn)
{
    static _Thread_local unsigned char ring[SHARE_PEEKS_MAX][SHARE_PAGE_SIZE];
    static _Thread_local unsigned next;
    unsigned char *page = ring[next++ % SHARE_PEEKS_MAX];
    uint64_t number = mpn.n + 1;
    (void)ctx;
    memcpy(page, &number, sizeof number);
    return page;
}

static const struct share_ops generator_ops = {
    .struct_size = sizeof(struct share_ops),
    .resolve = resolve,
    .next_present = next_present,
    .peek = peek,
    .now_ns = bench_now_ns,
};

static const uint64_t sizes[] = {1000000, 1500000, 2000000, 2600000,
                                 3000000, 4000000, 6000000, 8000000};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void run(struct bench *bench, void *ctx)
{
    const struct suite *suite = ctx;
    struct share_config config = {
        .struct_size = sizeof config, .ops = &generator_ops, .flags = SHARE_IMMUTABLE};
    struct share *share;
    share_vm vm;
    if (share_new(&config, &share) != SHARE_OK ||
        share_vm_add(share, 0, (share_ppn){0}, (share_ppn){sizes[SIZES - 1]}, NULL, &vm) !=
            SHARE_OK ||
        share_vm_start(share, vm) != SHARE_OK) {
        bench_fail(bench, "no engine");
        return;
    }
    struct share_stats stats;
    double worst = 0;
    bool ok = true;
    while (bench_next(bench))
        for (size_t i = 0, page = 0; i < (suite->quick ? 4 : SIZES) && ok; i++) {
            for (; page < sizes[i] && ok; page += 64) {
                share_ppn ppns[64];
                size_t count = sizes[i] - page < 64 ? sizes[i] - page : 64;
                for (size_t j = 0; j < count; j++)
                    ppns[j].n = page + j;
                ok = share_offer(share, vm, ppns, count, NULL) == SHARE_OK;
            }
            page = sizes[i];
            share_stats(share, &stats);
            char name[32];
            double per_page = (double)stats.metadata_peak_bytes / (double)sizes[i];
            snprintf(name, sizeof name, "at_%.1fM", (double)sizes[i] / 1e6);
            bench_counter(bench, name, per_page);
            worst = per_page > worst ? per_page : worst;
        }
    bench_counter(bench, "worst_bytes_per_page", worst);
    bench_counter(bench, "buckets_moved_max", (double)stats.buckets_moved_max);
    if (!ok || stats.reclaimed_pages)
        bench_fail(bench, "wrong answer");
    share_free(share);
}

void suite_metadata(const struct suite *suite)
{
    bench_register("metadata_bytes_per_page", run, (void *)suite);
}
