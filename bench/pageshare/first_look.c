/* SPDX-License-Identifier: MIT */
/* See first_look.h. */
#include "first_look.h"
#include <string.h>

#define ITEM_PAGES UINT64_C(1024)
#define RUN_PAGES  256u /* read at a time from a sequential source */

struct job {
    const struct first_look *how;
    struct crew *crew;
    uint64_t items;
    _Atomic uint64_t next; /* item */
    _Atomic uint64_t done_pages;
};

/* What a thread has to itself. */
struct hasher {
    struct job *job;
    struct worker *worker;
    struct records_chunk chunk;
    size_t source; /* of the last item: items ascend */
};

/* Most pages that are not zero show it in their first bytes. */
static bool is_zero(const uint8_t *page)
{
    static const uint8_t zero[64];
    return memcmp(page, zero, sizeof zero) == 0 &&
           memcmp(page, page + sizeof zero, DS_PAGE_SIZE - sizeof zero) == 0;
}

static bool note_page(struct hasher *hasher, uint64_t index, const uint8_t *page)
{
    const struct first_look *how = hasher->job->how;
    struct page_hash hash = page_hash(how->key, page);
    uint64_t *record = records_next(how->records, &hasher->chunk);
    if (!record) {
        crew_fail_with(hasher->job->crew, "out of memory for the records of pages");
        return false;
    }
    record[0] = hash.low;
    record[1] = hash.high; /* or the place */
    record[how->records->width - 1] = set_pack(hasher->job->crew->set, hasher->source, index);
    return true;
}

/* Reads pages of hasher->source; *pages becomes how many there were. */
static bool hash_run(struct hasher *hasher, uint64_t index, size_t *pages)
{
    struct job *job = hasher->job;
    struct ds_run run;
    uint64_t zeros = 0;
    if (!crew_read(hasher->worker, EYE_PAGES, hasher->source, index, *pages, &run))
        return false;
    for (size_t i = 0; i < run.pages; i++) {
        const uint8_t *page = run.bytes + i * DS_PAGE_SIZE;
        if (is_zero(page))
            zeros++;
        else if (!note_page(hasher, run.index + i, page))
            return false;
    }
    /* Others may be at the same source. */
    __atomic_fetch_add(&job->crew->set->source[hasher->source].zero_pages, zeros, __ATOMIC_RELAXED);
    *pages = run.pages;
    uint64_t done = atomic_fetch_add(&job->done_pages, run.pages) + run.pages;
    if (hasher->worker->number == 0 && job->how->progress)
        progress_at(job->how->progress, done * DS_PAGE_SIZE);
    return !atomic_load(&job->crew->failed);
}

/* Pages in the whole source are known only at its end. */
static bool hash_sequence(struct hasher *hasher)
{
    size_t pages;
    uint64_t index = 0;
    do {
        pages = RUN_PAGES;
        if (!hash_run(hasher, index, &pages))
            return false;
        index += pages;
    } while (pages);
    crew_close(hasher->worker, EYE_PAGES, hasher->source);
    return true;
}

static bool hash_range(struct hasher *hasher, uint64_t index)
{
    const struct set_source *source = &hasher->job->crew->set->source[hasher->source];
    uint64_t left = source->info->data_pages - index;
    size_t pages = (size_t)(left < ITEM_PAGES ? left : ITEM_PAGES);
    struct ds_look *look = crew_look(hasher->worker, EYE_PAGES, hasher->source);
    if (!look)
        return false;
    ds_look_ahead(look, index, left < 2 * ITEM_PAGES ? (size_t)left : 2 * ITEM_PAGES);
    for (size_t some; pages; pages -= some, index += some) {
        some = pages;
        if (!hash_run(hasher, index, &some))
            return false;
        if (some == 0) {
            crew_fail_gone(hasher->job->crew, hasher->source, index);
            return false;
        }
    }
    if (!hasher->job->how->roomy)
        ds_look_idle(look);
    return true;
}

/* Items are numbered over all sources. */
static uint64_t items_of(const struct set_source *source)
{
    return source->info->sequential ? 1 : (source->info->data_pages + ITEM_PAGES - 1) / ITEM_PAGES;
}

static bool hash_item(struct hasher *hasher, uint64_t item)
{
    const struct set_source *source = hasher->job->crew->set->source;
    size_t s = hasher->source;
    while (item - source[s].first_item >= items_of(&source[s]))
        s++;
    hasher->source = s;
    return source[s].info->sequential
               ? hash_sequence(hasher)
               : hash_range(hasher, (item - source[s].first_item) * ITEM_PAGES);
}

static void hash_some(struct worker *worker, void *ctx)
{
    struct job *job = ctx;
    struct hasher hasher = {.job = job, .worker = worker};
    for (uint64_t item; (item = atomic_fetch_add(&job->next, 1)) < job->items;)
        if (!hash_item(&hasher, item))
            break;
    records_close(&hasher.chunk);
}

bool first_look(struct crew *crew, const struct first_look *how)
{
    struct job job = {.how = how, .crew = crew};
    for (size_t s = 0; s < crew->set->sources; s++) {
        struct set_source *source = &crew->set->source[s];
        source->first_item = job.items;
        source->zero_pages = 0;
        job.items += items_of(source);
    }
    crew_run(crew, hash_some, &job);
    records_end(how->records);
    for (size_t s = 0; s < crew->set->sources; s++)
        crew->set->source[s].zero_pages += crew->set->source[s].info->pages[DS_ZERO];
    return !atomic_load(&crew->failed);
}
