/* SPDX-License-Identifier: MIT */
/*
 * Offers every page of a set to an immutable engine, from one thread or several, and reads the
 * figures out of it.
 *
 * Threads take blocks of pages off one counter. Two threads that want the same partner at the same
 * moment may leave a page `busy`; such pages are offered again at the end, when nobody competes.
 */
#include "measure.h"
#include "helpers.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef MEASURE_JEMALLOC
#include "share_jemalloc.h"
#endif

#define WORK_PAGES UINT64_C(1024) /* pages that a thread takes at a time */

struct busy_page {
    share_vm vm;
    share_ppn ppn;
};

struct job {
    const struct set *set;
    struct share *share;
    struct progress *progress;
    _Atomic uint64_t next; /* work item: blocks of WORK_PAGES over all sources, in order */
    _Atomic uint64_t done_pages;
    _Atomic int result; /* enum share_result */
    pthread_mutex_t busy_mutex;
    struct busy_page *busy;
    size_t busy_count;
};

static bool keep_busy(struct job *job, share_vm vm, share_ppn ppn)
{
    pthread_mutex_lock(&job->busy_mutex);
    struct busy_page *larger = realloc(job->busy, (job->busy_count + 1) * sizeof *job->busy);
    if (larger) {
        job->busy = larger;
        job->busy[job->busy_count++] = (struct busy_page){vm, ppn};
    }
    pthread_mutex_unlock(&job->busy_mutex);
    return larger != NULL;
}

/* The source and first page of a work item; false if there is none. */
static bool locate(const struct set *set, uint64_t item, size_t *s, uint64_t *first)
{
    for (*s = 0; *s < set->sources; ++*s) {
        uint64_t items = (set->source[*s].pages + WORK_PAGES - 1) / WORK_PAGES;
        if (item < items) {
            *first = item * WORK_PAGES;
            return true;
        }
        item -= items;
    }
    return false;
}

static enum share_result offer_item(struct job *job, const struct set_source *source,
                                    uint64_t first)
{
    share_ppn ppns[WORK_PAGES] = {0};
    enum share_outcome outcomes[WORK_PAGES];
    uint64_t left = source->pages - first;
    size_t count = left < WORK_PAGES ? (size_t)left : WORK_PAGES;
    for (size_t i = 0; i < count; i++)
        ppns[i].n = first + i;
    set_touch(job->set, source, first, count);
    enum share_result result = share_offer(job->share, source->vm, ppns, count, outcomes);
    for (size_t i = 0; i < count && result == SHARE_OK; i++) {
        if (outcomes[i] == SHARE_ERROR)
            result = SHARE_FAIL;
        if (outcomes[i] == SHARE_BUSY && !keep_busy(job, source->vm, ppns[i]))
            result = SHARE_NOMEM;
    }
    atomic_fetch_add(&job->done_pages, count);
    return result;
}

/* `draws`: this thread draws the bar. */
static void work(struct job *job, bool draws)
{
    size_t s;
    uint64_t first;
    while (atomic_load(&job->result) == SHARE_OK &&
           locate(job->set, atomic_fetch_add(&job->next, 1), &s, &first)) {
        enum share_result result = offer_item(job, &job->set->source[s], first);
        if (result != SHARE_OK)
            atomic_store(&job->result, (int)result);
        if (draws)
            progress_at(job->progress, atomic_load(&job->done_pages) * SHARE_PAGE_SIZE);
    }
}

static void *helper(void *job)
{
    work(job, false);
    return NULL;
}

static void offer_busy_again(struct job *job)
{
    for (size_t i = 0; i < job->busy_count; i++) {
        enum share_outcome outcome;
        int result = (int)share_offer(job->share, job->busy[i].vm, &job->busy[i].ppn, 1, &outcome);
        if (result != SHARE_OK || outcome == SHARE_BUSY || outcome == SHARE_ERROR)
            atomic_store(&job->result, result != SHARE_OK ? result : SHARE_FAIL);
    }
}

static enum share_result offer_all(struct job *job, unsigned threads)
{
    struct helpers helpers;
    helpers_start(&helpers, threads - 1, helper, job);
    work(job, job->progress != NULL);
    helpers_join(&helpers);
    offer_busy_again(job);
    return (enum share_result)atomic_load(&job->result);
}

/* One VM a source, in the order of the set; all in group 0, or each in its own. */
static enum share_result add_vms(const struct set *set, struct share *share, bool isolate)
{
    for (size_t s = 0; s < set->sources; s++) {
        share_group group = 0;
        enum share_result result = isolate ? share_group_add(share, true, &group) : SHARE_OK;
        share_vm vm;
        if (result == SHARE_OK) /* a source without data pages still is a VM, of one absent page */
            result = share_vm_add(share, group, (share_ppn){0},
                                  (share_ppn){set->source[s].pages + 1}, &set->source[s], &vm);
        if (result == SHARE_OK)
            result = share_vm_start(share, vm);
        if (result != SHARE_OK)
            return result;
        set->source[s].vm = vm;
    }
    return SHARE_OK;
}

static enum share_result run_engine(const struct set *set, struct share *share, bool isolate,
                                    const struct measure_options *options)
{
    struct job job = {.set = set, .share = share, .progress = options->progress};
    pthread_mutex_init(&job.busy_mutex, NULL);
    if (job.progress)
        progress_start(job.progress, isolate ? "isolated" : "measuring",
                       set->pages * SHARE_PAGE_SIZE);
    enum share_result result = add_vms(set, share, isolate);
    if (result == SHARE_OK)
        result = offer_all(&job, options->threads);
    if (job.progress)
        progress_end(job.progress);
    free(job.busy);
    pthread_mutex_destroy(&job.busy_mutex);
    return result;
}

static bool fail(struct ds_error *error, enum share_result result)
{
    snprintf(error->text, sizeof error->text, "the engine failed: %s", share_result_name(result));
    return false;
}

/* Bytes of a set that are being given back, by any number of threads. */
struct discard {
    struct set *set;
    _Atomic uint64_t next; /* piece */
};

static void *discard_set(void *arg)
{
    struct discard *discard = arg;
    while (set_discard(discard->set, atomic_fetch_add(&discard->next, 1)))
        ;
    return NULL;
}

/* Counts what the engine found. Where `set` is not read any more, it is given back meanwhile, which
 * takes as long; what is left then, both threads give back. */
static enum share_result count(struct set *set, struct share *share, bool discards,
                               struct figures *figures)
{
    struct discard discard = {.set = set};
    struct helpers helpers;
    helpers_start(&helpers, discards ? 1 : 0, discard_set, &discard);
    enum share_result result = figures_read(figures, set, share) ? SHARE_OK : SHARE_NOMEM;
    if (helpers.count)
        discard_set(&discard);
    helpers_join(&helpers);
    return result;
}

static enum share_result new_engine(struct set *set, const struct share_alloc *alloc,
                                    uint32_t flags, struct share **share)
{
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &set_ops,
                                  .ops_ctx = set,
                                  .alloc = alloc,
                                  .flags = SHARE_IMMUTABLE | flags,
                                  .expected_contents = set->pages / 2}; /* 16 bytes a page at most,
                                                                           whatever they hold */
    return share_new(&config, share);
}

/* Were pages made so that their hashes meet, with the salt that everybody knows? */
static bool was_flooded(struct share *share)
{
    struct share_stats stats;
    share_stats(share, &stats);
    return stats.hints_left_out > 0;
}

/* An engine that has looked at the whole set: with salt 0, so that its table repeats, and with a
 * salt that nobody knows if that fails. On failure there is none. */
static enum share_result engine_of(struct set *set, const struct share_alloc *alloc, bool isolate,
                                   const struct measure_options *options, struct share **share)
{
    bool again = false;
    enum share_result result;
    do {
        result = new_engine(set, alloc, again ? 0 : SHARE_SALT_GIVEN, share);
        if (result != SHARE_OK)
            return result;
        result = run_engine(set, *share, isolate, options);
        again = !again && result == SHARE_NOMEM && was_flooded(*share);
        if (result != SHARE_OK)
            share_free(*share);
    } while (again);
    return result;
}

/* Measures once; fills all figures, or those of isolation alone. */
static enum share_result measure_once(struct set *set, const struct share_alloc *alloc,
                                      bool isolate, const struct measure_options *options,
                                      struct figures *figures)
{
    struct share *share;
    enum share_result result = engine_of(set, alloc, isolate, options, &share);
    if (result != SHARE_OK)
        return result;
    if (isolate) {
        struct share_stats stats;
        share_stats(share, &stats);
        figures->isolated = true;
        figures->isolated_reclaimed_pages = stats.reclaimed_pages;
    } else {
        result = count(set, share, !options->isolate, figures);
    }
    share_free(share);
    return result;
}

bool measure_set(struct set *set, const struct measure_options *options, struct figures *figures,
                 struct ds_error *error)
{
    const struct share_alloc *alloc = NULL;
#ifdef MEASURE_JEMALLOC
    struct share_alloc arena;
    if (share_jemalloc_init(&arena))
        alloc = &arena;
#endif
    enum share_result result = measure_once(set, alloc, false, options, figures);
    if (result == SHARE_OK && options->isolate) {
        result = measure_once(set, alloc, true, options, figures);
        if (result != SHARE_OK)
            figures_free(figures);
    }
#ifdef MEASURE_JEMALLOC
    if (alloc)
        share_jemalloc_fini(&arena);
#endif
    return result == SHARE_OK || fail(error, result);
}
