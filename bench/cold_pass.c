/* SPDX-License-Identifier: MIT */
/*
 * How fast is a first pass over memory, compare included, against hashing alone?
 *
 * Sides, in turn, over the same resident pages: XXH3 alone (the base); the roofline, which hashes,
 * touches one random line a page and reads the page that a copy copies, with no engine around; the
 * engine, whose table grows from nothing; and the engine told how many pages there are, its table
 * made inside the timed part, too. "copies" is what sharing reclaims; "shared" counts pages whose
 * content occurs at least twice.
 *
 * Includes an internal header, for the hash that the engine uses.
 */
#include "hash.h"
#include "pages.h"
#include "suite.h"
#include <stdlib.h>
#include <string.h>

#define ROOFLINE_RUN 128u /* pages hashed before their copies are read; divides every set */

struct cold {
    const struct suite *suite;
    unsigned copy_percent;
    struct share_secret secret;
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
    return cold->secret.hash(bytes_of(cold, page), cold->secret.bytes);
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
    double start = bench_start();
    for (uint64_t page = 0; page < cold->pages->count; page++)
        sum += hash_of(cold, page);
    double seconds = bench_stop(start, cold->pages->count);
    return sum ? seconds : -1;
}

/* Reads eight pages abreast, which is as fast as pages anywhere in memory can be read. */
static uint64_t read_abreast(const struct cold *cold, const uint64_t *page)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < SHARE_PAGE_SIZE; at += 64)
        _Pragma("GCC unroll 8") for (unsigned i = 0; i < 8; i++)
        {
            uint64_t value[8];
            memcpy(value, bytes_of(cold, page[i]) + at, sizeof value);
            for (unsigned word = 0; word < 8; word++)
                sum += value[word];
        }
    return sum;
}

/* What no engine can leave out: hash each page, touch a random line for it, and read once more the
 * page that it is a copy of. */
static double pass_roofline(void *ctx)
{
    struct cold *cold = ctx;
    uint64_t copied[ROOFLINE_RUN + 8], *line[ROOFLINE_RUN], sum = 0, copies = 0;
    double start = bench_start();
    for (uint64_t page = 0; page < cold->pages->count; page += ROOFLINE_RUN) {
        unsigned count = 0;
        for (uint64_t i = 0; i < ROOFLINE_RUN; i++) {
            line[i] = &cold->line[hash_of(cold, page + i) % cold->lines * 8];
            __builtin_prefetch(line[i], 1);
            if (cold->pages->original[page + i] != page + i)
                copied[count++] = cold->pages->original[page + i];
            if (i >= 4)
                ++*line[i - 4];
        }
        copies += count;
        for (unsigned i = 0; i < 8; i++) /* a last group of fewer is filled up */
            copied[count + i] = count ? copied[count - 1] : 0;
        for (unsigned i = 0; i < count; i += 8)
            sum += read_abreast(cold, copied + i);
    }
    double seconds = bench_stop(start, cold->pages->count);
    return copies == cold->pages->copies && (sum || !copies) ? seconds : -1;
}

static double run_engine(const struct cold *cold, uint64_t expected)
{
    struct share_stats stats;
    double start = bench_start();
    struct share *share = pages_engine(cold->pages, cold->suite->alloc, expected);
    bool ok = pages_offer(share, 0, cold->pages->count);
    double seconds = bench_stop(start, cold->pages->count);
    share_stats(share, &stats);
    share_free(share);
    return ok && stats.reclaimed_pages == cold->pages->copies ? seconds : -1;
}

static double pass_engine(void *ctx)
{
    return run_engine(ctx, 0);
}

static double pass_engine_sized(void *ctx)
{
    struct cold *cold = ctx;
    return run_engine(cold, cold->pages->count);
}

static void pair_of(const struct suite *suite, struct cold *cold, const char *name,
                    unsigned percent)
{
    static const struct bench_side others[] = {
        {"roofline", pass_roofline}, {"engine", pass_engine}, {"engine_sized", pass_engine_sized}};
    *cold = (struct cold){.suite = suite, .copy_percent = percent};
    share_secret_init(&cold->secret, 0, 0, ~UINT64_C(0));
    bench_pair(name, (struct bench_side){"xxh3", pass_hash}, others, 3, cold,
               suite->quick ? 7 : 15);
}

void suite_cold_pass(const struct suite *suite)
{
    static struct cold sets[5];
    pair_of(suite, &sets[0], "cold_pass/copies:50%_shared:100%", 50);
    pair_of(suite, &sets[1], "cold_pass/copies:25%_shared:50%", 25);
    pair_of(suite, &sets[2], "cold_pass/copies:10%_shared:20%", 10);
    pair_of(suite, &sets[3], "cold_pass/copies:5%_shared:10%", 5);
    pair_of(suite, &sets[4], "cold_pass/copies:0%_shared:0%", 0);
}
