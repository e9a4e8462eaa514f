/* SPDX-License-Identifier: MIT */
/* The first step: claim a page, read it once, and know its hash; and how a claim is given back. */
#include "cow.h"
#include "fetch.h"
#include "run.h"

#define TABLE_LAG 8u /* pages: the time that a table line takes to arrive */
_Static_assert(2 * SHARE_FETCH_PAGES <= SHARE_PEEKS_MAX, "all opened pages are peeked at a time");
_Static_assert(2 * SHARE_FETCH_PAGES == SHARE_FETCH_SLICES, "two slices a page make whole pages");

/* Skipped by the scanner in this pass? Pages of one backoff take turns, by page number. */
static bool backs_off(const struct share_run *run, const struct share_item *item)
{
    uint32_t mask = (1u << share_word_backoff(item->was)) - 1;
    return run->back_off && ((run->pass + item->page.id) & mask) != 0;
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
    case SHARE_WORD_HINTED:
    case SHARE_WORD_NO_MATCH:
        if (backs_off(run, item)) {
            item->outcome = SHARE_BACKED_OFF;
            return false;
        }
        break;
    case SHARE_WORD_NONE:
        break;
    }
    uint32_t expected = item->was;
    share_step(SHARE_STEP_SWAP);
    return atomic_compare_exchange_strong(item->page.word, &expected,
                                          share_word(SHARE_WORD_OWNED, 0));
}

/* With the hash known: what the last look left no longer holds, or still does. */
static void judge_change(struct share_run *run, struct share_item *item)
{
    enum share_word_state state = share_word_state(item->was);
    if (state == SHARE_WORD_NONE) /* there was none */
        return;
    uint64_t top = share_word_hash(share_word_hint(state, item->hash, 0));
    item->changed = top != share_word_hash(item->was);
    item->hinted = state == SHARE_WORD_HINTED && !item->changed;
    if (state == SHARE_WORD_HINTED && item->changed)
        share_hint_drop(run->share, item->was, item->page.id);
    if (state == SHARE_WORD_NO_MATCH && !item->changed)
        share_item_settle(run, item, item->was, SHARE_INELIGIBLE);
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
    if (!share->ops.resolve(share->ops_ctx, run->vm->number, item->ppn, &item->mpn) ||
        item->mpn.n >= SHARE_MPN_END) {
        share_item_drop(run, item, SHARE_PAGE_GONE);
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
    share_unpeek(run->share, item->mpn, bytes); /* while the page is still ours */
    judge_change(run, item);
}

/* Pages that are open, and not hashed yet: those that are hashed now, or the next ones. */
struct opened {
    unsigned count;
    bool fetched;
    uint8_t item[SHARE_FETCH_PAGES];
    const unsigned char *bytes[SHARE_FETCH_PAGES];
};

/* Pages that have been hashed, in that order; `met` of them have met the table. */
struct hashed {
    unsigned count, met;
    uint8_t item[SHARE_RUN_PAGES];
};

static void meet_next(struct share_run *run, struct hashed *hashed)
{
    uint8_t at = hashed->item[hashed->met++];
    if (!share_item_meet(run, &run->item[at]))
        run->open[run->open_count++] = at;
}

/* While pages are hashed, the table is asked a few pages behind and the next pages are on their
 * way: memory never waits for the table, nor the table for memory. */
static void hash_opened(struct share_run *run, struct opened *opened, struct opened *next,
                        struct hashed *hashed)
{
    bool ahead = next->count;
    if (!opened->fetched && opened->count > 1)
        share_fetch_now(opened->bytes, opened->count);
    for (unsigned i = 0; i < opened->count; i++) {
        struct share_item *item = &run->item[opened->item[i]];
        if (ahead)
            share_fetch_slice(next->bytes, 2 * i);
        hash_page(run, item, opened->bytes[i]);
        if (ahead)
            share_fetch_slice(next->bytes, 2 * i + 1);
        if (item->stage == SHARE_ITEM_OPEN)
            hashed->item[hashed->count++] = opened->item[i];
        if (hashed->met + TABLE_LAG < hashed->count)
            meet_next(run, hashed);
    }
    next->fetched = opened->count;
    *opened = (struct opened){.count = 0};
}

static void add_opened(struct opened *opened, unsigned item, const unsigned char *bytes)
{
    opened->bytes[opened->count] = bytes;
    opened->item[opened->count++] = (uint8_t)item;
}

/* A last group of fewer is prefetched like the others. */
static void fill_up(struct opened *opened)
{
    for (unsigned i = opened->count; i && i < SHARE_FETCH_PAGES; i++)
        opened->bytes[i] = opened->bytes[i - 1];
}

void share_run_look(struct share_run *run)
{
    struct opened two[2] = {{.count = 0}, {.count = 0}}, *now = &two[0], *next = &two[1];
    struct hashed hashed = {.count = 0};
    run->open_count = 0;
    for (unsigned i = 0; i < run->count; i++) {
        const unsigned char *bytes = open_page(run, &run->item[i]);
        if (bytes)
            add_opened(next, i, bytes);
        if (next->count == SHARE_FETCH_PAGES) {
            hash_opened(run, now, next, &hashed);
            struct opened *empty = now;
            now = next;
            next = empty;
        }
    }
    fill_up(next);
    hash_opened(run, now, next, &hashed);
    hash_opened(run, next, now, &hashed);
    while (hashed.met < hashed.count)
        meet_next(run, &hashed);
}

/* ---------------------------------------------------------------------- giving pages back -- */

static void unprotect_one(struct share *share, share_vm vm, share_ppn ppn, share_mpn mpn)
{
    struct share_protect page = {.vm = vm, .ppn = ppn, .mpn = mpn};
    share->ops.unprotect(share->ops_ctx, &page, 1);
}

void share_owner_release(struct share *share, share_vm vm, const struct share_page_ref *page,
                         share_mpn mpn, bool was_protected, uint32_t word)
{
    if (was_protected)
        unprotect_one(share, vm, share_page_ppn(page), mpn);
    if (share_owner_give(page, word))
        return;
    /* A write won: what did not match is no more. Writers still on their way out count themselves
     * in the payload. */
    if (share_word_state(word) == SHARE_WORD_NO_MATCH)
        word = share_word(SHARE_WORD_NONE, 0);
    uint32_t state = share_word(SHARE_WORD_BROKEN, 0);
    while (!atomic_compare_exchange_weak(page->word, &state, word)) {
        state = share_word(SHARE_WORD_BROKEN, 0);
        share_pause();
    }
}

void share_item_settle(struct share_run *run, struct share_item *item, uint32_t word,
                       enum share_outcome outcome)
{
    if (item->is_protected || !share_owner_give(&item->page, word))
        share_owner_release(run->share, run->vm->number, &item->page, item->mpn, item->is_protected,
                            word);
    item->stage = SHARE_ITEM_DONE;
    item->outcome = (uint8_t)outcome;
    run->progress++;
}

void share_item_release(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    uint32_t word = item->hinted ? item->was : share_word(SHARE_WORD_NONE, 0);
    share_item_settle(run, item, word, outcome);
}

void share_item_drop(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    if (item->hinted)
        share_hint_drop(run->share, item->was, item->page.id);
    item->hinted = false;
    share_item_release(run, item, outcome);
}

void share_partner_release(struct share_run *run, struct share_item *item, bool stale)
{
    struct share_partner *with = share_with(run, item);
    if (with->kind == SHARE_WITH_FRAME)
        share_frame_leave(run->share, with->frame);
    if (with->kind == SHARE_WITH_HINT) {
        if (stale)
            share_hint_drop(run->share, with->was, with->page.id);
        share_owner_release(run->share, with->vm, &with->page, with->mpn, item->is_protected,
                            stale ? share_word(SHARE_WORD_NONE, 0) : with->was);
    }
    with->kind = SHARE_WITH_NONE;
}
