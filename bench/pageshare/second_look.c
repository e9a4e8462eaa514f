/* SPDX-License-Identifier: MIT */
/* See second_look.h. */
#include "second_look.h"
#include "page_compare.h"
#include "second_items.h"
#include "shelf.h"
#include "sort.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const struct second_look *how;
    struct crew *crew;
    struct second_items items;
    struct false_matches *matches;
    struct shelf shelf;
    unsigned round;
    _Atomic uint64_t next; /* item of this round */
    _Atomic uint64_t done_pages;
};

/* A page that is being compared. */
struct compared {
    struct job *job;
    struct worker *worker;
    uint64_t *record;
    uint64_t number, partner; /* pages */
    size_t source, partner_source;
};

/* Groups are spread over the rounds by their hash. */
static bool is_now(const struct job *job, const uint64_t *record)
{
    uint64_t word = __atomic_load_n(&record[GROUP_PARTNER], __ATOMIC_RELAXED); /* see shelf.h */
    uint64_t spread = word & GROUPS_CHECK_MASK;
    return (spread * job->how->rounds) >> GROUPS_CHECK_BITS == job->round;
}

/* --------------------------------------------------------------------------- unequal pages -- */

static bool is_as_it_was(const struct compared *compared, const uint8_t *page)
{
    struct page_hash hash = page_hash(compared->job->how->key, page);
    return groups_check_of(hash.low) == groups_check(compared->record);
}

static void fail_changed(const struct compared *compared, size_t source, uint64_t number)
{
    const struct set_source *of = &compared->job->crew->set->source[source];
    struct ds_error error;
    snprintf(error.text, sizeof error.text,
             "%.300s: changed while it was read: page %llu of those with bytes has another content",
             of->info->spec, (unsigned long long)(number - of->first));
    crew_fail(compared->job->crew, &error);
}

/* Equal hash, other bytes: one of them has changed, or this is a false match. */
static bool note_unequal(const struct compared *compared, const uint8_t *page,
                         const uint8_t *partner)
{
    if (!is_as_it_was(compared, page))
        fail_changed(compared, compared->source, compared->number);
    else if (!is_as_it_was(compared, partner))
        fail_changed(compared, compared->partner_source, compared->partner);
    else
        return false_matches_add(compared->job->matches, compared->job->crew, compared->number,
                                 compared->partner, page);
    return false;
}

/* -------------------------------------------------------------------------------- one page -- */

static const uint8_t *read_page(const struct compared *compared, enum eye eye, size_t source,
                                uint64_t number)
{
    const struct set_source *of = &compared->job->crew->set->source[source];
    return crew_page(compared->worker, eye, source, number - of->first);
}

static bool get_pair(const struct compared *compared, const uint8_t **page, const uint8_t **partner)
{
    *page = read_page(compared, EYE_PAGES, compared->source, compared->number);
    *partner = *page
                   ? read_page(compared, EYE_PARTNERS, compared->partner_source, compared->partner)
                   : NULL;
    return *partner != NULL;
}

static bool compare(const struct compared *compared)
{
    const uint8_t *page, *partner;
    return get_pair(compared, &page, &partner) &&
           (memcmp(page, partner, DS_PAGE_SIZE) == 0 || note_unequal(compared, page, partner));
}

/* Some pages, in order. Abreast if what looks give stays, one by one if not. */
static bool compare_some(const struct compared *some, unsigned count)
{
    const uint8_t *page[PAGE_PAIRS] = {NULL}, *partner[PAGE_PAIRS] = {NULL};
    const uint64_t closed = some->worker->closed;
    bool ok = true;
    for (unsigned i = 0; ok && i < count; i++)
        ok = get_pair(&some[i], &page[i], &partner[i]);
    const bool stay = ok && some->worker->closed == closed;
    unsigned unequal = stay ? page_compare(page, partner, count) : 0;
    for (unsigned i = 0; ok && i < count; i++)
        if (!stay || unequal >> i & 1)
            ok = compare(&some[i]);
    return ok;
}

/* The same where the partner cannot be read in place. */
static bool compare_on_shelf(const struct compared *compared)
{
    uint8_t other[DS_PAGE_SIZE];
    struct job *job = compared->job;
    const uint8_t *page = read_page(compared, EYE_PAGES, compared->source, compared->number);
    uint64_t *partner = groups_find(job->how->records, compared->partner);
    if (!page)
        return false;
    switch (shelf_meet(&job->shelf, job->crew, partner, page, other)) {
    case SHELF_FIRST:
        return true;
    case SHELF_OTHER:
        return memcmp(page, other, sizeof other) == 0 || note_unequal(compared, page, other);
    default:
        return false;
    }
}

static struct compared compared_of(struct job *job, struct worker *worker, uint64_t *record,
                                   size_t source)
{
    uint64_t number = groups_page(record[GROUP_PAGE]);
    uint64_t word = __atomic_load_n(&record[GROUP_PARTNER], __ATOMIC_RELAXED);
    uint64_t partner = groups_page(word) >= SET_PAGES_MAX ? number : groups_page(word);
    return (struct compared){.job = job,
                             .worker = worker,
                             .record = record,
                             .number = number,
                             .partner = partner,
                             .source = source,
                             .partner_source = set_source_of(job->crew->set, partner)};
}

/* A partner in a random-access source is not looked at: the others read it. */
static bool is_compared(const struct compared *compared)
{
    return compared->number != compared->partner ||
           compared->job->crew->set->source[compared->source].info->sequential;
}

static bool is_on_shelf(const struct compared *compared)
{
    return compared->job->crew->set->source[compared->partner_source].info->sequential;
}

/* Can its pages be held while others are read? */
static bool stays(const struct compared *compared)
{
    const struct set_source *source = compared->job->crew->set->source;
    return source[compared->source].info->stays && source[compared->partner_source].info->stays;
}

/* -------------------------------------------------------------------------------- one item -- */

/* Calls `each` for the runs of pages of an item that are looked at now: all, or all but partners.
 */
static void for_runs(struct job *job, struct worker *worker, const struct second_item *item,
                     bool partners,
                     void (*each)(struct ds_look *look, uint64_t index, size_t pages))
{
    const uint64_t *word = job->how->records->word;
    const struct set_source *source = job->crew->set->source;
    size_t s = item->source;
    for (uint64_t i = item->begin, next; i < item->end; i = next) {
        uint64_t page = groups_page(word[2 * i + GROUP_PAGE]);
        next = i + 1;
        if (!is_now(job, word + 2 * i) || (!partners && groups_is_partner(word + 2 * i)))
            continue;
        s = second_items_source(job->crew->set, s, page);
        while (next < item->end && groups_page(word[2 * next + GROUP_PAGE]) == page + (next - i) &&
               page + (next - i) - source[s].first < source[s].info->data_pages &&
               is_now(job, word + 2 * next) && (partners || !groups_is_partner(word + 2 * next)))
            next++;
        struct ds_look *look = crew_look(worker, EYE_PAGES, s);
        if (!look)
            return;
        each(look, page - source[s].first, (size_t)(next - i));
    }
}

/* Finds the next page of an item that is compared now, from *record on; false if there is none. */
static bool find_next(struct job *job, struct worker *worker, const struct second_item *item,
                      uint64_t *record, struct compared *next)
{
    uint64_t *word = job->how->records->word;
    for (; *record < item->end; ++*record) {
        uint64_t *at = word + 2 * *record;
        if (!is_now(job, at))
            continue;
        size_t s = second_items_source(job->crew->set, next->source, groups_page(at[GROUP_PAGE]));
        *next = compared_of(job, worker, at, s);
        if (is_compared(next)) {
            ++*record;
            return true;
        }
    }
    return false;
}

static bool compare_pages(struct job *job, struct worker *worker, const struct second_item *item)
{
    uint64_t record = item->begin;
    struct compared some[PAGE_PAIRS], next = {.source = item->source};
    unsigned count = 0;
    bool ok = true;
    while (ok && find_next(job, worker, item, &record, &next)) {
        if (is_on_shelf(&next))
            ok = compare_on_shelf(&next);
        else if (!stays(&next))
            ok = compare(&next);
        else
            some[count++] = next;
        if (ok && count == PAGE_PAIRS) {
            ok = compare_some(some, count);
            count = 0;
        }
        ok &= !atomic_load(&job->crew->failed);
    }
    return ok && (count == 0 || compare_some(some, count));
}

static bool compare_item(struct job *job, struct worker *worker, const struct second_item *item)
{
    const bool sequential = job->crew->set->source[item->source].info->sequential;
    const bool ranges = !job->how->roomy && !sequential;
    if (ranges)
        for_runs(job, worker, item, true, ds_look_ahead);
    bool ok = compare_pages(job, worker, item);
    if (ranges) {
        crew_idle(worker, EYE_PAGES);
        crew_idle(worker, EYE_PARTNERS);
        for_runs(job, worker, item, false, ds_look_behind);
    }
    if (sequential)
        crew_close(worker, EYE_PAGES, item->source);
    uint64_t done = atomic_fetch_add(&job->done_pages, item->end - item->begin);
    if (worker->number == 0 && job->how->progress)
        progress_at(job->how->progress, (done + item->end - item->begin) * DS_PAGE_SIZE);
    return ok;
}

static void compare_items(struct worker *worker, void *ctx)
{
    struct job *job = ctx;
    for (uint64_t i; (i = atomic_fetch_add(&job->next, 1)) < job->items.count;)
        if (!compare_item(job, worker, &job->items.item[i]))
            return;
}

/* ------------------------------------------------------------------------------------- all -- */

static unsigned bits_of(uint64_t value)
{
    unsigned bits = 1;
    while (bits < 64 && value >> bits)
        bits++;
    return bits;
}

static bool run_rounds(struct job *job)
{
    for (; job->round < job->how->rounds && !atomic_load(&job->crew->failed); job->round++) {
        atomic_store(&job->next, 0);
        crew_run(job->crew, compare_items, job);
    }
    for (uint64_t i = 0; i < job->how->records->count && atomic_load(&job->shelf.next); i++)
        if (shelf_has(job->how->records->word + 2 * i))
            shelf_restore(job->how->records->word + 2 * i);
    return !atomic_load(&job->crew->failed);
}

bool second_look(struct crew *crew, const struct second_look *how, struct false_matches *matches)
{
    struct job job = {.how = how, .crew = crew, .matches = matches};
    struct sort_key by_page = {GROUP_PAGE, bits_of(how->pages) + GROUPS_CHECK_BITS};
    if (how->records->count == 0)
        return true;
    sort_records(crew, how->records, by_page);
    if (!second_items_init(&job.items, crew->set, how->records)) {
        crew_fail_with(crew, "out of memory");
        return false;
    }
    shelf_init(&job.shelf);
    bool ok = run_rounds(&job);
    shelf_fini(&job.shelf);
    second_items_fini(&job.items);
    return ok;
}
