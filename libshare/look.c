/* SPDX-License-Identifier: MIT */
/* The first step: claim a page, read it once, and know its hash. */
#include "fetch.h"
#include "forget.h"
#include "run.h"

/* Pages: the time that a table line takes to arrive. A few later, pages have driven it out of the
 * first-level cache again. */
#define TABLE_LAG 4u
/* Pages that are open at a time: four that are hashed, and the next four; or one, and those ahead.
 */
#define OPEN_EVERY (2 * SHARE_FETCH_EVERY_PAGES)
#define OPEN_JUMPS (1 + SHARE_FETCH_PAGES)
#define OPEN_MAX   16u /* a power of two */
_Static_assert(OPEN_EVERY <= OPEN_MAX && OPEN_JUMPS <= OPEN_MAX && OPEN_MAX <= SHARE_PEEKS_MAX,
               "as promised");
_Static_assert(2 * SHARE_FETCH_EVERY_PAGES == SHARE_FETCH_SLICES, "two slices a page");

/* Left out by the scanner in this pass? Pages of one pace take turns: by page number; of quiet ones
 * a chunk at a time, since memory is read fastest in a row. */
static bool is_left_out(const struct share_run *run, const struct share_item *item)
{
    unsigned pace = share_word_pace(item->was);
    if (share_word_state(item->was) != SHARE_WORD_HINTED && pace > SHARE_PACE_SLOWEST)
        return false;
    uint32_t turn = pace == SHARE_PACE_QUIET ? item->page.id >> SHARE_CHUNK_BITS : item->page.id;
    return run->back_off && ((run->pass + turn) & ((1u << share_pace_log2(pace)) - 1)) != 0;
}

/* Makes the page ours. False: the item is done, with its outcome. */
static bool claim(struct share_run *run, struct share_item *item)
{
    item->stage = SHARE_ITEM_DONE;
    item->outcome = SHARE_PAGE_GONE;
    if (!item->page.word)
        return false;
    share_step(SHARE_STEP_CLAIM);
    item->was = atomic_load_explicit(item->page.word, memory_order_relaxed);
    item->outcome = SHARE_BUSY;
    switch (share_word_state(item->was)) {
    case SHARE_WORD_SHARED:
    case SHARE_WORD_CODE:
        item->outcome = SHARE_ALREADY;
        return false;
    case SHARE_WORD_OWNED:
    case SHARE_WORD_BROKEN:
    case SHARE_WORD_MOVING:
        return false;
    case SHARE_WORD_NO_MATCH:
        if (share_word_is_alias(item->was) && share_alias_holds(&run->share->aliases, item->was)) {
            item->outcome = SHARE_INELIGIBLE;
            return false;
        }
        break;
    case SHARE_WORD_NONE:
    case SHARE_WORD_HINTED:
        break;
    }
    if (is_left_out(run, item)) {
        item->outcome =
            share_word_pace(item->was) == SHARE_PACE_QUIET ? SHARE_QUIET : SHARE_BACKED_OFF;
        return false;
    }
    uint32_t expected = item->was;
    share_step(SHARE_STEP_SWAP);
    if (!share_word_swap(&item->page, &expected, share_word(SHARE_WORD_OWNED, 0)))
        return false;
    if (share_word_is_alias(item->was)) { /* the only page of its MPN by now */
        share_alias_drop(&run->share->aliases, item->was);
        item->was = share_word_none(0);
    }
    return true;
}

/* A page whose sharing was broken stays on probation, longer if it has changed. */
static void try_again_later(struct share_run *run, struct share_item *item, unsigned pace)
{
    uint32_t word = share_word_hint(SHARE_WORD_NO_MATCH, item->hash, pace);
    share_item_end(run, item, word, item->changed ? SHARE_VOLATILE : SHARE_BACKED_OFF);
}

/* A page that has no hint because nothing matched it, or because it is on probation. */
static void judge_without_hint(struct share_run *run, struct share_item *item)
{
    unsigned pace = share_word_pace(item->was);
    if (!pace && !item->changed)
        share_item_end(run, item, item->was, SHARE_INELIGIBLE);
    else if (pace && run->back_off && (item->changed || pace != SHARE_PACE_STEADY))
        try_again_later(run, item, share_pace_on_probation(pace, item->changed));
}

/* With the hash known: what the last look left no longer holds, or still does. */
static void judge_change(struct share_run *run, struct share_item *item)
{
    enum share_word_state state = share_word_state(item->was);
    if (state == SHARE_WORD_NONE) { /* there was none */
        if (run->back_off && share_word_pace(item->was) == SHARE_PACE_BROKEN)
            try_again_later(run, item, SHARE_PROBATION_LONG);
        return;
    }
    uint64_t top = share_word_hash(share_word_hint(state, item->hash, 0));
    item->changed = top != share_word_hash(item->was);
    item->hinted = state == SHARE_WORD_HINTED && !item->changed;
    if (state == SHARE_WORD_HINTED && item->changed)
        share_hint_drop(run->share, item->was, item->page.id);
    if (state == SHARE_WORD_NO_MATCH)
        judge_without_hint(run, item);
}

/* Makes the page ours and finds its bytes. NULL: the item is done, with its outcome. */
static const unsigned char *open_page(struct share_run *run, struct share_item *item)
{
    struct share *share = run->share;
    if (!claim(run, item))
        return NULL;
    item->stage = SHARE_ITEM_OPEN;
    item->tried_count = 0;
    item->changed = item->replaced = item->not_zero = item->is_protected = item->code = false;
    item->hinted = share_word_state(item->was) == SHARE_WORD_HINTED;
    if (item->hinted) /* where its hint stands: if the page has changed, it goes */
        share_table_prefetch(&share->table, share_word_hash(item->was));
    enum share_resolved resolved = share_resolve(share, run->vm, item->ppn, &item->mpn);
    if (resolved != SHARE_PRESENT) {
        share_item_drop(run, item, resolved == SHARE_ABSENT ? SHARE_PAGE_GONE : SHARE_ERROR);
        return NULL;
    }
    if (share_alias_is_known(&share->aliases, item->mpn)) {
        uint32_t mark = share_alias_add(&share->aliases, &share->mem, item->mpn);
        share_item_end_alias(run, item, mark);
        return NULL;
    }
    const void *bytes = share_peek(share, item->mpn);
    if (!bytes)
        share_item_release(run, item, SHARE_ERROR);
    return bytes;
}

static void hash_page(struct share_run *run, struct share_item *item, const void *bytes)
{
    item->hash = share_hash_look(run->secret, bytes);
    share_table_prefetch(&run->share->table, item->hash);
    if (run->others)
        share_table_prefetch_partition(&run->share->table, item->hash);
    share_unpeek(run->share, item->mpn, bytes); /* while the page is still ours */
    judge_change(run, item);
}

/* Pages that are open and not hashed yet: a ring, hashed in the order in which they were opened. */
struct ring {
    unsigned opened, hashed; /* of the run's pages, so far */
    enum share_fetch_way way;
    uint8_t item[OPEN_MAX];
    const unsigned char *bytes[OPEN_MAX];
};

/* Pages that have been hashed, in that order; `met` of them have met the table. */
struct hashed {
    unsigned count, met;
    uint8_t item[SHARE_RUN_PAGES];
};

static const unsigned char *bytes_of(const struct ring *ring, unsigned n)
{
    return ring->bytes[n % OPEN_MAX];
}

/* Does the n-th page not follow the one opened before? n > 0, and both are in the ring. */
static bool is_jump(const struct ring *ring, unsigned n)
{
    return bytes_of(ring, n) != bytes_of(ring, n - 1) + SHARE_PAGE_SIZE;
}

static void add_opened(struct ring *ring, unsigned item, const unsigned char *bytes)
{
    if (ring->opened == 0) /* fewer than four at the end are prefetched like the others */
        for (unsigned i = 1; i < OPEN_MAX; i++)
            ring->bytes[i] = bytes;
    unsigned at = ring->opened++ % OPEN_MAX;
    ring->item[at] = (uint8_t)item;
    ring->bytes[at] = bytes;
}

/* Opens pages from item `next` on until as many are open as the way wants. The first item left. */
static unsigned open_some(struct share_run *run, struct ring *ring, unsigned next)
{
    unsigned most = ring->way == SHARE_FETCH_EVERY ? OPEN_EVERY : OPEN_JUMPS;
    for (; next < run->count && ring->opened < ring->hashed + most; next++) {
        const unsigned char *bytes = open_page(run, &run->item[next]);
        if (bytes)
            add_opened(ring, next, bytes);
    }
    return next;
}

/* Where the next run's pages lie if they follow in a row; NULL: there is nothing to tell by. */
static const unsigned char *behind(const struct ring *ring)
{
    bool in_row = ring->opened > 1 && !is_jump(ring, ring->opened - 1);
    return in_row ? bytes_of(ring, ring->opened - 1) + SHARE_PAGE_SIZE : NULL;
}

/* Before the first page is hashed nothing has been fetched, unless it was expected there. */
static void fetch_first(const struct share_run *run, const struct ring *ring)
{
    unsigned most = ring->way == SHARE_FETCH_EVERY ? SHARE_FETCH_EVERY_PAGES : SHARE_FETCH_PAGES;
    unsigned count = ring->opened < most ? ring->opened : most;
    if (count > 1 && ring->bytes[0] != run->expected &&
        (ring->way == SHARE_FETCH_EVERY || is_jump(ring, 1)))
        share_fetch_now(ring->bytes, count);
}

/* The n-th page is being hashed: fetches a slice of the next four, or of the next run's first. */
__attribute__((always_inline)) static inline void fetch_every(const struct ring *ring, unsigned n,
                                                              unsigned half)
{
    unsigned at = n % SHARE_FETCH_EVERY_PAGES, slice = 2 * at + half;
    unsigned first = n - at + SHARE_FETCH_EVERY_PAGES; /* of the next four */
    if (first < ring->opened)
        share_fetch_slice(&ring->bytes[first % OPEN_MAX], NULL, slice);
    else if (behind(ring))
        share_fetch_slice(NULL, behind(ring), slice);
}

/* The n-th page is being hashed: fetches a half of what there is to be fetched meanwhile. */
__attribute__((always_inline)) static inline void fetch_ahead(struct ring *ring, unsigned n,
                                                              unsigned half)
{
    unsigned ahead = n + SHARE_FETCH_PAGES;
    if (ring->way == SHARE_FETCH_EVERY) {
        fetch_every(ring, n, half);
        return;
    }
    if (ahead < ring->opened && is_jump(ring, ahead))
        share_fetch_half(bytes_of(ring, ahead), half);
}

/* The n-th page has been hashed: fetches half of what the next one begins with, or the next run's
 * first one. */
__attribute__((always_inline)) static inline void fetch_next(const struct ring *ring, unsigned n,
                                                             unsigned half)
{
    if (ring->way == SHARE_FETCH_JUMPS)
        share_fetch_start(n + 1 < ring->opened ? bytes_of(ring, n + 1)
                                               : bytes_of(ring, n) + SHARE_PAGE_SIZE,
                          half);
}

static void meet_next(struct share_run *run, struct hashed *hashed)
{
    uint8_t at = hashed->item[hashed->met++];
    if (!share_item_meet(run, &run->item[at]))
        run->open[run->open_count++] = at;
}

/* While a page is hashed, the table is asked a few pages behind and later pages are on their way:
 * memory never waits for the table, nor the table for memory. */
static void hash_next(struct share_run *run, struct ring *ring, struct hashed *hashed)
{
    unsigned n = ring->hashed++;
    uint8_t at = ring->item[n % OPEN_MAX];
    fetch_ahead(ring, n, 0);
    hash_page(run, &run->item[at], bytes_of(ring, n));
    fetch_ahead(ring, n, 1);
    fetch_next(ring, n, 0);
    if (run->item[at].stage == SHARE_ITEM_OPEN)
        hashed->item[hashed->count++] = at;
    if (hashed->met + TABLE_LAG < hashed->count)
        meet_next(run, hashed);
    fetch_next(ring, n, 1);
}

void share_run_look(struct share_run *run)
{
    run->open_count = 0;
    if (!run->count)
        return;
    struct share_trial trial = share_trial_start(&run->share->tuner, run->item[0].page.id);
    struct ring ring = {.way = trial.way};
    struct hashed hashed = {.count = 0};
    unsigned next = open_some(run, &ring, 0);
    fetch_first(run, &ring);
    while (ring.hashed < ring.opened) {
        hash_next(run, &ring, &hashed);
        next = open_some(run, &ring, next);
    }
    while (hashed.met < hashed.count)
        meet_next(run, &hashed);
    run->expected = ring.way == SHARE_FETCH_EVERY ? behind(&ring) : NULL;
    share_trial_end(&run->share->tuner, &trial, ring.hashed);
}
