/* SPDX-License-Identifier: MIT */
/*
 * What does the scanner save by leaving pages out, and what does it find late?
 *
 * One guest: a third of its pages are shared, the rest are old and alone. Before each pass a few of
 * these, drawn at random, get the content of another page: a full scan shares them in the pass that
 * follows. And as many pages that are shared are written again each time they are shared.
 *
 *     looks_saved        of the looks at old pages that are alone, those left out
 *     merges_found       of the pages that got another's content, those shared in the end
 *     late_passes_mean   passes from the store to the merge; a full scan takes 1
 *     late_passes_max
 *     breaks_kept        of the breaks that a full scan would have caused, those that happened
 *
 * The run is right if every page that got another's content was shared at last.
 */
#include "live.h"
#include "suite.h"
#include <stdlib.h>
#include <string.h>

enum { PASSES = 48, SETTLE_PASSES = 32, DRAWN = 16, COPY_PERCENT = 33 };

struct story {
    struct pages *pages;
    struct live *live;
    bool *taken;                    /* by PPN: has a part in the story */
    uint64_t drawn[PASSES * DRAWN]; /* PPNs that got another page's content, in turn */
    unsigned stored_in[PASSES * DRAWN];
    unsigned drawn_count, found;
    uint64_t late_sum, late_max;
    uint64_t looks, quiet, restless;
};

static bool is_shared(const struct live *live, uint64_t ppn)
{
    struct share_page_info info;
    return share_page_info(live->share, 0, (share_ppn){ppn}, 1, &info) == SHARE_OK &&
           info.state == SHARE_PAGE_SHARED;
}

static bool write_page(struct live *live, uint64_t ppn, const unsigned char *bytes)
{
    for (uint64_t word = 0; word < SHARE_PAGE_SIZE / sizeof word; word++) {
        uint64_t value;
        memcpy(&value, bytes + word * sizeof value, sizeof value);
        if (!live_write(live, ppn, word, value))
            return false;
    }
    return true;
}

/* The next page behind a random one that is alone, and has no part in the story yet. */
static uint64_t draw(const struct story *story, uint64_t *random)
{
    uint64_t ppn = (*random = *random * 6364136223846793005u + 1442695040888963407u) >> 33;
    do
        ppn = (ppn + 1) % story->live->count;
    while (story->taken[ppn] || is_shared(story->live, ppn));
    story->taken[ppn] = true;
    return ppn;
}

static bool store_some(struct story *story, unsigned pass, uint64_t *random)
{
    for (unsigned i = 0; i < DRAWN; i++) {
        uint64_t from = draw(story, random), to = draw(story, random);
        story->drawn[story->drawn_count] = to;
        story->stored_in[story->drawn_count++] = pass;
        if (!write_page(story->live, to, live_bytes(story->live, from)))
            return false;
    }
    return true;
}

/* Pages that the guest writes whenever they have been shared: the first copies of the set. */
static bool break_some(struct story *story)
{
    unsigned found = 0;
    for (uint64_t ppn = 0; ppn < story->live->count && found < DRAWN; ppn++) {
        uint64_t word;
        if (story->pages->original[ppn] == ppn)
            continue;
        found++;
        story->taken[ppn] = true;
        memcpy(&word, live_bytes(story->live, ppn), sizeof word);
        story->restless++;
        if (!live_write(story->live, ppn, 0, word))
            return false;
    }
    return true;
}

static void look_for_merges(struct story *story, unsigned pass)
{
    for (unsigned i = 0; i < story->drawn_count; i++) {
        if (story->stored_in[i] > pass || !is_shared(story->live, story->drawn[i]))
            continue;
        uint64_t late = pass + 1 - story->stored_in[i];
        story->late_sum += late;
        story->late_max = late > story->late_max ? late : story->late_max;
        story->stored_in[i] = UINT32_MAX;
        story->found++;
    }
}

static bool tell_story(struct story *story)
{
    uint64_t random = 42;
    struct share_scan_report report;
    for (unsigned pass = 0; pass < PASSES + SETTLE_PASSES; pass++) {
        if (pass >= SETTLE_PASSES / 4 && pass < PASSES && !store_some(story, pass, &random))
            return false;
        if (share_scan(story->live->share, SHARE_SEQUENTIAL, 0, UINT64_MAX, &report) != SHARE_OK)
            return false;
        story->quiet += report.outcomes[SHARE_QUIET];
        story->looks += report.outcomes[SHARE_HINTED] + report.outcomes[SHARE_QUIET];
        look_for_merges(story, pass);
        if (!break_some(story))
            return false;
    }
    return story->found == story->drawn_count;
}

static void report_story(struct bench *bench, const struct story *story)
{
    struct share_stats stats;
    share_stats(story->live->share, &stats);
    bench_counter(bench, "looks_saved", (double)story->quiet / (double)story->looks);
    bench_counter(bench, "merges_found", (double)story->found / (double)story->drawn_count);
    bench_counter(bench, "late_passes_mean", (double)story->late_sum / (double)story->found);
    bench_counter(bench, "late_passes_max", (double)story->late_max);
    bench_counter(bench, "breaks_kept",
                  (double)(stats.breaks_copied + stats.breaks_last) / (double)story->restless);
}

static void run(struct bench *bench, void *ctx)
{
    const struct suite *suite = ctx;
    bool ok = true;
    while (bench_next(bench)) {
        struct story story = {
            .pages = pages_new(UINT64_C(1) << (suite->quick ? 13 : 15), COPY_PERCENT, 8)};
        story.live = live_new(story.pages, suite->alloc);
        story.taken = calloc(story.live->count, sizeof *story.taken);
        ok = ok && story.taken && tell_story(&story);
        if (ok)
            report_story(bench, &story);
        free(story.taken);
        live_free(story.live);
        pages_free(story.pages);
    }
    if (!ok)
        bench_fail(bench, "a page that could be shared was not");
}

void suite_learning(const struct suite *suite)
{
    bench_register("learning", run, (void *)suite);
}
