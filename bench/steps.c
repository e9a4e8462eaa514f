/* SPDX-License-Identifier: MIT */
/*
 * What does one step cost: a merge, a COW break, the break of a last reference?
 *
 * Through the live guest: a software page table whose ops take no time to speak of, so these are
 * the engine's own costs, copies of pages included. Every content occurs twice. The phases of a
 * run, each one step a content, in random order of memory; one of them is timed:
 *
 *     (one page of each content is offered and leaves a hint)
 *     promote      the other one is offered: a shared frame of two references
 *     break_copied it is written: a private copy; then it gets its old content back
 *     join         it is offered again: one reference more
 *     (it is written once more: one reference is left)
 *     break_last   the first one is written: the frame ends, without a copy
 *
 * Latencies are of single steps, each with one reading of the clock.
 */
#include "live.h"
#include "suite.h"
#include <stdlib.h>
#include <string.h>

enum step { PROMOTE, BREAK_COPIED, JOIN, BREAK_LAST, STEPS };

static struct {
    const struct suite *suite;
    struct pages *pages; /* made at first use */
    uint64_t *page;      /* owned: a copy of each content */
    double *latency;     /* owned */
    uint64_t count;      /* contents */
} set;

/* A run: its guest, and what is timed. */
struct run {
    struct live *live;
    enum step timed;
};

static void make_set(void)
{
    set.pages = pages_new(UINT64_C(1) << (set.suite->quick ? 14 : 16), 50, 6);
    set.page = malloc(set.pages->copies * sizeof *set.page);
    set.latency = malloc(set.pages->copies * sizeof *set.latency);
    if (!set.page || !set.latency)
        exit(1);
    for (uint64_t page = 0; page < set.pages->count; page++)
        if (set.pages->original[page] != page)
            set.page[set.count++] = page;
}

static bool offer(struct live *live, uint64_t ppn, enum share_outcome expected)
{
    enum share_outcome outcome;
    return share_offer(live->share, 0, &(share_ppn){ppn}, 1, &outcome) == SHARE_OK &&
           outcome == expected;
}

static bool write_copy(struct live *live, uint64_t i)
{
    return live_write(live, set.page[i], 0, i);
}

static bool one(struct live *live, enum step step, uint64_t i)
{
    switch (step) {
    case PROMOTE:
        return offer(live, set.page[i], SHARE_PROMOTED);
    case BREAK_COPIED:
        return write_copy(live, i);
    case JOIN:
        return offer(live, set.page[i], SHARE_JOINED);
    case BREAK_LAST:
        return live_write(live, set.pages->original[set.page[i]], 0, i);
    case STEPS:
        break;
    }
    return false;
}

/* One step of each content. */
static bool phase(const struct run *run, enum step step)
{
    bool ok = true, timed = run->timed == step;
    double start = timed ? bench_start() : 0, last = start;
    for (uint64_t i = 0; i < set.count && ok; i++) {
        ok = one(run->live, step, i);
        if (timed) {
            double now = bench_now_s();
            set.latency[i] = now - last;
            last = now;
        }
    }
    if (timed)
        bench_stop(start, set.count);
    return ok;
}

static bool restore(struct live *live)
{
    bool ok = true;
    for (uint64_t i = 0; i < set.count && ok; i++) {
        uint64_t word;
        memcpy(&word, set.pages->bytes + set.page[i] * SHARE_PAGE_SIZE, sizeof word);
        ok = live_write(live, set.page[i], 0, word);
    }
    return ok;
}

/* The steps as counted by the engine, and memory as the guest left it. */
static bool is_right(const struct live *live)
{
    struct share_stats stats;
    share_stats(live->share, &stats);
    bool ok = stats.outcomes[SHARE_PROMOTED] == set.count &&
              stats.outcomes[SHARE_JOINED] == set.count && stats.breaks_copied == 2 * set.count &&
              stats.breaks_last == set.count && stats.framed_pages == 0;
    for (uint64_t i = 0; i < set.count && ok; i++) {
        const unsigned char *copy = live_bytes(live, set.page[i]);
        const unsigned char *first = live_bytes(live, set.pages->original[set.page[i]]);
        ok = copy != first && memcmp(copy, &i, sizeof i) == 0 &&
             memcmp(copy, first, SHARE_PAGE_SIZE) == 0;
    }
    return ok;
}

static bool all_phases(const struct run *run)
{
    bool ok = true;
    for (uint64_t i = 0; i < set.count && ok; i++)
        ok = offer(run->live, set.pages->original[set.page[i]], SHARE_HINTED);
    ok = ok && phase(run, PROMOTE) && phase(run, BREAK_COPIED) && restore(run->live) &&
         phase(run, JOIN);
    for (uint64_t i = 0; i < set.count && ok; i++)
        ok = write_copy(run->live, i);
    return ok && phase(run, BREAK_LAST) && is_right(run->live);
}

static void run_steps(struct bench *bench, void *ctx)
{
    struct run run = {.timed = *(const enum step *)ctx};
    bool ok = true;
    if (!set.pages)
        make_set();
    while (ok && bench_next(bench)) {
        run.live = live_new(set.pages, set.suite->alloc);
        ok = all_phases(&run);
        live_free(run.live);
    }
    if (!ok)
        bench_fail(bench, "a step did something else");
    bench_latencies(bench, set.latency, set.count);
}

void suite_steps(const struct suite *suite)
{
    static const enum step steps[STEPS] = {PROMOTE, BREAK_COPIED, JOIN, BREAK_LAST};
    static const char *const names[STEPS] = {"steps/promote", "steps/break_copied", "steps/join",
                                             "steps/break_last"};
    set.suite = suite;
    for (unsigned i = 0; i < STEPS; i++)
        bench_register_laps(names[steps[i]], run_steps, (void *)&steps[i], NULL, 0);
}
