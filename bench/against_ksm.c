/* SPDX-License-Identifier: MIT */
/*
 * Ours against Linux KSM, live: the same pages on the same machine in the same run.
 *
 * `share_all`: until everything is shared that can be, in wall-clock time (_ms, _ratio) and CPU
 * seconds (_cpu_ms, _cpu_ratio); what that saves (_saved_mib), net of all that is held to know it
 * (_net_mib), and that for each page (_bytes_per_page). `pass`: the CPU time of one more whole pass
 * over memory that is shared: unchanged, and with 1 % of the pages changed before each pass. There
 * all stand side by side and take turns, but KSM with smart_scan 1, which comes after them: KSM has
 * one set of settings.
 *
 * Ratios are KSM's, with smart_scan 0, over the other's. Answers are checked: our physical pages
 * against the distinct contents, and nobody may take fewer; KSM's physical pages are counted in
 * pagemap, since its own counters race and leave zero pages out.
 */
#include "ksm.h"
#include "process.h"
#include "rival.h"
#include <stdio.h>
#include <stdlib.h>

#define COPY_PERCENT   37u /* as in the measurement of KSM that anchors this comparison */
#define CHANGED_PERIOD 100u

static const struct rival_kind *const kinds[] = {&rival_ksm, &rival_ksm_smart, &rival_machine,
                                                 &rival_process};
enum { KINDS = sizeof kinds / sizeof *kinds, KSM = 0, KSM_SMART = 1, KSM_KINDS = 2 };

/* One set, and what the rounds measured. */
struct match {
    const struct suite *suite;
    const char *sources; /* NULL: a synthetic set */
    struct pages *pages; /* made at first use */
    bool takes_part[KINDS];
    unsigned rounds;
    double wall[KINDS][BENCH_ROUNDS_MAX], cpu[KINDS][BENCH_ROUNDS_MAX];
    uint64_t frames[KINDS], metadata[KINDS];
};

static const struct pages *set_of(struct match *match)
{
    if (!match->pages)
        match->pages = match->sources ? pages_read(match->sources)
                                      : pages_new(UINT64_C(1) << (match->suite->quick ? 16 : 18),
                                                  COPY_PERCENT, 3);
    return match->pages;
}

static const char *refusal_of(unsigned kind)
{
    return kind < KSM_KINDS                ? ksm_refusal()
           : kinds[kind] == &rival_process ? process_refusal()
                                           : NULL;
}

/* Who takes part is asked once: KSM that is at work for us is in use. `quick_rounds`: as many as
 * are cheap with the synthetic set. False: no set. */
static bool begin(struct match *match, unsigned quick_rounds)
{
    bool quick = match->suite->quick, ok = set_of(match) != NULL;
    match->rounds = !quick ? 6 : match->sources ? 2 : quick_rounds;
    for (unsigned kind = 0; kind < KINDS; kind++)
        match->takes_part[kind] = !refusal_of(kind);
    return ok;
}

static void counter(struct bench *bench, unsigned kind, const char *what, double value)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", kinds[kind]->name, what);
    bench_counter(bench, name, value);
}

/* `ksm`: the same of KSM, for the ratio. */
static void report_series(struct bench *bench, const struct match *match, unsigned kind,
                          const char *what, const double *ksm, const double *seconds)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", kinds[kind]->name, what);
    bench_seconds(bench, name, seconds, match->rounds);
    if (match->takes_part[KSM] && kind != KSM)
        bench_ratio(bench, name, ksm, seconds, match->rounds);
}

/* ------------------------------------------------------------------------------ share_all -- */

/* One kind's turn; false if its answer is wrong. */
static bool share_once(struct match *match, unsigned kind, unsigned round)
{
    const struct pages *pages = match->pages;
    uint64_t distinct = pages->count - pages->copies;
    void *rival = kinds[kind]->open(pages, match->suite);
    if (!rival)
        return false;
    match->wall[kind][round] = kinds[kind]->share(rival, &match->cpu[kind][round]);
    match->metadata[kind] = kinds[kind]->metadata_bytes(rival);
    match->frames[kind] = kinds[kind]->frames(rival);
    kinds[kind]->close(rival);
    bool right = kind < KSM_KINDS
                     ? match->frames[kind] >= distinct && match->frames[kind] <= pages->count
                     : match->frames[kind] == distinct;
    return right && match->wall[kind][round] >= 0;
}

static void report_savings(struct bench *bench, const struct match *match, unsigned kind)
{
    const double mib = 1 << 20;
    double saved = (double)(match->pages->count - match->frames[kind]) * SHARE_PAGE_SIZE;
    counter(bench, kind, "_saved_mib", saved / mib);
    counter(bench, kind, "_net_mib", (saved - (double)match->metadata[kind]) / mib);
    counter(bench, kind, "_bytes_per_page",
            (double)match->metadata[kind] / (double)match->pages->count);
}

static void share_all(struct bench *bench, void *ctx)
{
    struct match *match = ctx;
    bool ok = begin(match, 5);
    while (bench_next(bench))
        for (unsigned round = 0; round < match->rounds && ok; round++)
            for (unsigned kind = 0; kind < KINDS && ok; kind++)
                ok = !match->takes_part[kind] || share_once(match, kind, round);
    if (!ok) {
        bench_fail(bench, "wrong answer, or a set that cannot be read");
        return;
    }
    bench_counter(bench, "pages", (double)match->pages->count);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        if (!match->takes_part[kind])
            continue;
        report_series(bench, match, kind, "", match->wall[KSM], match->wall[kind]);
        report_series(bench, match, kind, "_cpu", match->cpu[KSM], match->cpu[kind]);
        report_savings(bench, match, kind);
    }
}

/* --------------------------------------------------------------------------- further passes -- */

/* Changes every hundredth page, not the same ones each time. */
static bool change_some(const struct match *match, unsigned kind, void *rival, unsigned round)
{
    bool ok = true;
    for (uint64_t page = round % CHANGED_PERIOD; page < match->pages->count && ok;
         page += CHANGED_PERIOD)
        ok = kinds[kind]->write(rival, page, 0, (uint64_t)(round + 1) << 40 | page);
    return ok;
}

static bool pass_rounds(struct match *match, void **rival)
{
    bool ok = true;
    for (unsigned round = 0; round < match->rounds && ok; round++)
        for (unsigned kind = 0; kind < KINDS && ok; kind++) {
            if (!rival[kind])
                continue;
            double *unchanged = &match->wall[kind][round], *changed = &match->cpu[kind][round];
            *unchanged = kinds[kind]->pass(rival[kind]);
            ok = *unchanged >= 0 && change_some(match, kind, rival[kind], round);
            *changed = ok ? kinds[kind]->pass(rival[kind]) : -1;
            ok = *changed >= 0;
        }
    return ok;
}

/* The rounds of KSM with smart_scan 1, or those of all the others. */
static bool passes_of(struct match *match, bool smart)
{
    void *rival[KINDS] = {NULL};
    double cpu_s; /* of the sharing, not asked for here */
    bool ok = true;
    for (unsigned kind = 0; kind < KINDS && ok; kind++) {
        if (!match->takes_part[kind] || (kind == KSM_SMART) != smart)
            continue;
        rival[kind] = kinds[kind]->open(match->pages, match->suite);
        ok = rival[kind] && kinds[kind]->share(rival[kind], &cpu_s) >= 0;
    }
    ok = ok && pass_rounds(match, rival);
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (rival[kind])
            kinds[kind]->close(rival[kind]);
    return ok;
}

static void passes(struct bench *bench, void *ctx)
{
    struct match *match = ctx;
    bool ok = begin(match, 2);
    while (bench_next(bench))
        ok = ok && passes_of(match, false) && passes_of(match, true);
    if (!ok) {
        bench_fail(bench, "a pass failed, or a set that cannot be read");
        return;
    }
    bench_counter(bench, "pages", (double)match->pages->count);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        if (!match->takes_part[kind])
            continue;
        report_series(bench, match, kind, "_unchanged", match->wall[KSM], match->wall[kind]);
        report_series(bench, match, kind, "_changed", match->cpu[KSM], match->cpu[kind]);
    }
}

/* -------------------------------------------------------------------------------- register -- */

static void add(const struct suite *suite, bench_fn fn, const char *what, const char *set,
                const char *sources)
{
    char name[128];
    struct match *match = calloc(1, sizeof *match); /* as long as the suite lives */
    if (!match)
        exit(1);
    match->suite = suite;
    match->sources = sources;
    snprintf(name, sizeof name, "ksm/%s/set:%s", what, set);
    bench_register_once(name, fn, match);
}

void suite_against_ksm(const struct suite *suite)
{
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (refusal_of(kind))
            fprintf(stderr, "skipped: %s in the comparison with KSM: %s\n", kinds[kind]->name,
                    refusal_of(kind));
    add(suite, share_all, "share_all", "synthetic", NULL);
    add(suite, passes, "pass", "synthetic", NULL);
    for (unsigned i = 0; i < suite->sets; i++) {
        add(suite, share_all, "share_all", suite->set[i].name, suite->set[i].sources);
        add(suite, passes, "pass", suite->set[i].name, suite->set[i].sources);
    }
}
