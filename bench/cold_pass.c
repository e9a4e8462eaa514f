/* SPDX-License-Identifier: MIT */
/*
 * How fast is a first pass over memory, compare included, against hashing alone?
 *
 * Sides, in turn, over the same resident pages: XXH3 alone (the base); the roofline: hash, one
 * random table line, and the compares that cannot be avoided, with no engine around them; the
 * engine.
 */
#include "pages.h"
#include "suite.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

struct cold {
    const struct suite *suite;
    unsigned copy_percent;
    struct pages *pages; /* made at first use */
    uint64_t *line; /* the roofline's table: a cache line for 6 pages, as dense as the engine's */
    uint64_t lines;
};

static const unsigned char *bytes_of(const struct cold *cold, uint64_t page)
{
    return cold->pages->bytes + page * SHARE_PAGE_SIZE;
}

static uint64_t hash_of(const struct cold *cold, uint64_t page)
{
    return XXH3_64bits(bytes_of(cold, page), SHARE_PAGE_SIZE);
}

static double pass_hash(void *ctx)
{
    struct cold *cold = ctx;
    uint64_t sum = 0;
    if (!cold->pages) {
        cold->pages =
            pages_new(UINT64_C(1) << (cold->suite->quick ? 16 : 18), cold->copy_percent, 1);
        cold->lines = cold->pages->count / 6 + 1;
        cold->line = calloc(cold->lines * 8, sizeof *cold->line);
    }
    double start = bench_now_s();
    for (uint64_t page = 0; page < cold->pages->count; page++)
        sum += hash_of(cold, page);
    double seconds = bench_now_s() - start;
    return sum ? seconds : -1;
}

/* 64 pages are hashed, their table lines fetched; then the lines are written, and copies compared.
 */
static double pass_roofline(void *ctx)
{
    struct cold *cold = ctx;
    uint64_t *line[64], equal = 0;
    double start = bench_now_s();
    for (uint64_t page = 0; page < cold->pages->count; page += 64) {
        for (uint64_t i = 0; i < 64; i++) {
            line[i] = &cold->line[hash_of(cold, page + i) % cold->lines * 8];
            __builtin_prefetch(line[i], 1);
        }
        for (uint64_t i = 0; i < 64; i++) {
            uint64_t original = cold->pages->original[page + i];
            ++*line[i];
            if (original != page + i)
                equal += memcmp(bytes_of(cold, page + i), bytes_of(cold, original),
                                SHARE_PAGE_SIZE) == 0;
        }
    }
    double seconds = bench_now_s() - start;
    return equal == cold->pages->copies ? seconds : -1;
}

static double pass_engine(void *ctx)
{
    struct cold *cold = ctx;
    struct share_stats stats;
    struct share *share = pages_engine(cold->pages, cold->suite->alloc);
    double start = bench_now_s();
    bool ok = pages_offer(share, 0, cold->pages->count);
    double seconds = bench_now_s() - start;
    share_stats(share, &stats);
    share_free(share);
    return ok && stats.reclaimed_pages == cold->pages->copies ? seconds : -1;
}

static void pair_of(const struct suite *suite, struct cold *cold, const char *name,
                    unsigned percent)
{
    static const struct bench_side others[] = {{"roofline", pass_roofline},
                                               {"engine", pass_engine}};
    *cold = (struct cold){.suite = suite, .copy_percent = percent};
    bench_pair(name, (struct bench_side){"xxh3", pass_hash}, others, 2, cold,
               suite->quick ? 7 : 15);
}

void suite_cold_pass(const struct suite *suite)
{
    static struct cold half, tenth, none;
    pair_of(suite, &half, "cold_pass/copies:50%", 50);
    pair_of(suite, &tenth, "cold_pass/copies:10%", 10);
    pair_of(suite, &none, "cold_pass/copies:0%", 0);
}
