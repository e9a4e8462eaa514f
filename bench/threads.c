/* SPDX-License-Identifier: MIT */
/*
 * Do two scanning threads get what two hashing threads get?
 *
 * Four sides in turn: XXH3 with one thread (the base) and with two, the engine with one and with
 * two. The answer is (engine 1 / engine 2) / (XXH3 1 / XXH3 2), round by round: `scaling_ratio`.
 *
 * Includes an internal header, for the hash that the engine uses.
 */
#include "hash.h"
#include "pages.h"
#include "pageshare/helpers.h"
#include "suite.h"
#include <stdatomic.h>

#define BLOCK_PAGES 2048u

struct crew {
    struct pages *pages;
    struct share *share; /* NULL: hash alone */
    struct share_secret secret;
    _Atomic uint64_t next;
    _Atomic uint64_t sum;
    _Atomic bool failed;
};

static void *work(void *arg)
{
    struct crew *crew = arg;
    for (;;) {
        uint64_t first = atomic_fetch_add(&crew->next, BLOCK_PAGES), sum = 0;
        if (first >= crew->pages->count)
            return NULL;
        if (crew->share && !pages_offer(crew->share, first, first + BLOCK_PAGES))
            atomic_store(&crew->failed, true);
        for (uint64_t page = first; !crew->share && page < first + BLOCK_PAGES; page++)
            sum +=
                crew->secret.hash(crew->pages->bytes + page * SHARE_PAGE_SIZE, crew->secret.bytes);
        atomic_fetch_add(&crew->sum, sum);
    }
}

/* Seconds with this many threads; negative if something failed. */
static double run(struct pages *pages, struct share *share, unsigned threads)
{
    struct crew crew = {.pages = pages, .share = share};
    struct helpers helpers;
    share_secret_init(&crew.secret, 0, 0, ~UINT64_C(0));
    double start = bench_now_s();
    helpers_start(&helpers, threads - 1, work, &crew);
    bool complete = helpers.count == threads - 1;
    work(&crew);
    helpers_join(&helpers);
    double seconds = bench_now_s() - start;
    return atomic_load(&crew.failed) || !complete ? -1 : seconds;
}

static double run_engine(struct pages *pages, const struct suite *suite, unsigned threads)
{
    struct share *share = pages_engine(pages, suite->alloc, 0);
    double seconds = run(pages, share, threads);
    struct share_stats stats;
    share_stats(share, &stats);
    /* Two threads may leave a page busy: a few in a million. */
    bool ok = stats.reclaimed_pages + stats.outcomes[SHARE_BUSY] >= pages->copies;
    share_free(share);
    return ok ? seconds : -1;
}

struct threads_ctx {
    const struct suite *suite;
    struct pages *pages;
    double hash[2], engine[2];
};

static double pass_hash_1(void *ctx)
{
    struct threads_ctx *t = ctx;
    if (!t->pages)
        t->pages = pages_new(UINT64_C(1) << (t->suite->quick ? 16 : 18), 50, 2);
    return t->hash[0] = run(t->pages, NULL, 1);
}

static double pass_hash_2(void *ctx)
{
    struct threads_ctx *t = ctx;
    return t->hash[1] = run(t->pages, NULL, 2);
}

static double pass_engine_1(void *ctx)
{
    struct threads_ctx *t = ctx;
    return t->engine[0] = run_engine(t->pages, t->suite, 1);
}

static double pass_engine_2(void *ctx)
{
    struct threads_ctx *t = ctx;
    return t->engine[1] = run_engine(t->pages, t->suite, 2);
}

/* Not a pass of its own: turns the round's four times into one number, whose ratio to XXH3's one
 * thread is the scaling ratio. */
static double scaling(void *ctx)
{
    const struct threads_ctx *t = ctx;
    double ratio = (t->engine[0] / t->engine[1]) / (t->hash[0] / t->hash[1]);
    return t->hash[0] / ratio;
}

void suite_threads(const struct suite *suite)
{
    static struct threads_ctx t;
    static const struct bench_side others[] = {{"xxh3_2", pass_hash_2},
                                               {"engine_1", pass_engine_1},
                                               {"engine_2", pass_engine_2},
                                               {"scaling", scaling}};
    t.suite = suite;
    bench_pair("two_threads", (struct bench_side){"xxh3_1", pass_hash_1}, others, 4, &t,
               suite->quick ? 7 : 15);
}
