/* SPDX-License-Identifier: MIT */
/*
 * How long does a guest's first store to a shared page take, with KSM and with us?
 *
 * Each rival shares the synthetic set; then one word is stored to copies, one after the other, and
 * each store is timed by itself, the clock included. What each page is a copy of keeps its page, so
 * that every store takes a private copy: checked by the physical pages taken afterwards. Two
 * figures a rival: median and 99th percentile; and beside them a store to the same page again. KSM
 * has no second row for smart_scan, which decides what is scanned: a store does not meet it.
 */
#include "ksm.h"
#include "process.h"
#include "rival.h"
#include <stdio.h>
#include <stdlib.h>

enum { STORES = 4096, PAGES = 1 << 16 };
#define COPY_PERCENT 37u

static const struct rival_kind *const kinds[] = {&rival_ksm, &rival_machine, &rival_process};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct stores {
    double first_ns[STORES], again_ns[STORES];
};

static double timed_store(const struct rival_kind *kind, void *rival, uint64_t page, uint64_t value,
                          bool *ok)
{
    double start = bench_now_s();
    *ok = kind->write(rival, page, 1, value) && *ok;
    return (bench_now_s() - start) * 1e9;
}

/* Stores to copies, spread over the set. */
static bool store_to_copies(const struct rival_kind *kind, void *rival, const struct pages *pages,
                            struct stores *stores)
{
    uint64_t before = kind->frames(rival), page = 0;
    bool ok = true;
    for (unsigned i = 0; i < STORES && ok; i++, page++) {
        while (pages->original[page] == page)
            page++;
        stores->first_ns[i] = timed_store(kind, rival, page, i + 1, &ok);
        stores->again_ns[i] = timed_store(kind, rival, page, i + 2, &ok);
    }
    return ok && kind->frames(rival) == before + STORES;
}

static void report(struct bench *bench, const char *kind, struct stores *stores)
{
    static const struct {
        const char *name;
        double share;
    } figures[] = {{"median", 0.5}, {"p99", 0.99}};
    char name[64];
    for (unsigned i = 0; i < sizeof figures / sizeof *figures; i++) {
        snprintf(name, sizeof name, "%s_break_ns_%s", kind, figures[i].name);
        bench_counter(bench, name, bench_quantile(stores->first_ns, STORES, figures[i].share));
        snprintf(name, sizeof name, "%s_again_ns_%s", kind, figures[i].name);
        bench_counter(bench, name, bench_quantile(stores->again_ns, STORES, figures[i].share));
    }
}

static void breaks(struct bench *bench, void *ctx)
{
    static struct stores stores;
    struct pages *pages = pages_new(PAGES, COPY_PERCENT, 4);
    while (bench_next(bench))
        for (unsigned i = 0; i < KINDS; i++) {
            if ((i == 0 && ksm_refusal()) || (kinds[i] == &rival_process && process_refusal()))
                continue;
            void *rival = kinds[i]->open(pages, ctx);
            double cpu_s;
            bool ok = rival && kinds[i]->share(rival, &cpu_s) >= 0 &&
                      store_to_copies(kinds[i], rival, pages, &stores);
            if (rival)
                kinds[i]->close(rival);
            if (ok)
                report(bench, kinds[i]->name, &stores);
            else
                bench_fail(bench, "a store took no page of its own");
        }
    pages_free(pages);
}

void suite_breaks(const struct suite *suite)
{
    bench_register_once("ksm/breaks", breaks, (void *)suite);
}
