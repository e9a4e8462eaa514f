/* SPDX-License-Identifier: MIT */
/*
 * The second step: find a partner for a hashed page, or leave a hint for it.
 *
 * Frames come before hints, and an entry whose full hash turns out to differ (it keeps only
 * SHARE_ENTRY_HASH_BITS of 64) is noted as tried and passed over. A hint is believed only after it
 * was looked at again: its page must still be there, and hash to what it did, or the hint goes. A
 * page that two of the same run want is left to the next round, when its frame exists.
 *
 * A hint that finds no room in the table is left out (table.h says whose that are). The frame that
 * a hint becomes stands in its place, so it has room.
 */
#include "fetch.h"
#include "forget.h"
#include "run.h"

enum verdict { FOUND, NONE, CONFLICT, OWN_HINT };

static bool was_tried(struct share_run *run, const struct share_item *item, struct share_hit hit)
{
    const struct share_hit *tried = share_with(run, item)->tried;
    for (unsigned i = 0; i < item->tried_count; i++)
        if (tried[i].kind == hit.kind && tried[i].id == hit.id)
            return true;
    return false;
}

static bool take_frame(struct share_run *run, struct share_partner *with, share_frame frame)
{
    struct share_frames *frames = &run->share->frames;
    if (share_frame_view(frames, frame).group != run->group || !share_frame_get(frames, frame))
        return false;
    with->kind = SHARE_WITH_FRAME;
    with->frame = frame;
    with->mpn = share_frame_view(frames, frame).mpn;
    return true;
}

static enum verdict take_hint(struct share_run *run, struct share_partner *with, uint32_t page_id)
{
    struct share_page_ref page = share_page_at(&run->share->pages, page_id);
    share_vm number = atomic_load_explicit(&share_page_chunk(&page)->vm, memory_order_relaxed);
    struct share_vm_object *vm = share_vm_at(run->share, number);
    if (atomic_load(&vm->group) != run->group)
        return NONE;
    uint32_t was = atomic_load(page.word);
    if (share_word_state(was) != SHARE_WORD_HINTED ||
        !share_word_swap(&page, &was, share_word(SHARE_WORD_OWNED, 0)))
        return CONFLICT;
    with->kind = SHARE_WITH_HINT;
    with->page = page;
    with->vm = vm;
    with->ppn = share_page_ppn(&page);
    with->was = was;
    with->code = false;
    return FOUND;
}

/* With the partition's lock held: takes a partner if there is one. */
static enum verdict choose(struct share_run *run, struct share_item *item,
                           const struct share_hit *hits, unsigned count)
{
    struct share_partner *with = share_with(run, item);
    enum verdict verdict = NONE;
    for (unsigned i = 0; i < count; i++)
        if (hits[i].kind == SHARE_KIND_FRAME && !was_tried(run, item, hits[i]) &&
            take_frame(run, with, hits[i].id))
            return FOUND;
    for (unsigned i = 0; i < count; i++) {
        if (hits[i].kind != SHARE_KIND_HINT || was_tried(run, item, hits[i]))
            continue;
        if (hits[i].id == item->page.id) {
            if (verdict == NONE)
                verdict = OWN_HINT;
            continue;
        }
        enum verdict taken = take_hint(run, with, hits[i].id);
        if (taken == FOUND)
            return FOUND;
        if (taken == CONFLICT)
            verdict = CONFLICT;
    }
    return verdict;
}

/* How often it changes, if that is what the pace tells. */
static unsigned pace_of_volatile(unsigned pace)
{
    return pace <= SHARE_PACE_SLOWEST ? pace : 0;
}

/* A new hint's pace. */
static unsigned next_pace(const struct share_run *run, const struct share_item *item)
{
    unsigned pace = share_word_pace(item->was);
    if (item->changed)
        return share_pace_after_change(pace);
    if (share_word_state(item->was) != SHARE_WORD_HINTED) /* it may have changed or not */
        return pace_of_volatile(share_word_pace(share_word_without_hash(item->was)));
    return run->dirty && pace >= SHARE_PACE_STEADY ? 0 : share_pace_after_none(pace);
}

static enum share_outcome hint_outcome(const struct share_item *item)
{
    return item->changed ? SHARE_VOLATILE : item->replaced ? SHARE_REPLACED_STALE : SHARE_HINTED;
}

/* The item's hint stands in the table: its page is let go. */
static void end_hinted(struct share_run *run, struct share_item *item)
{
    uint32_t word = share_word_hint(SHARE_WORD_HINTED, item->hash, next_pace(run, item));
    share_item_end(run, item, word, hint_outcome(item));
}

/* There is no room for the item's hint, and a larger table would have none either: its page is let
 * go without one. An immutable engine leaves no match out, so this one can go no further. */
static void end_left_out(struct share_run *run, struct share_item *item)
{
    bool fails = run->share->immutable;
    run->left_out |= fails;
    share_count(&run->share->hints_left_out, 1);
    share_item_end(run, item, share_word(SHARE_WORD_NONE, 0),
                   fails ? SHARE_ERROR : hint_outcome(item));
}

/* Nothing that looks meet has the hash of an item whose own hint stands in the table: that is of
 * another content, which differs below the bits in the page's word; or a stray. */
static void drop_unmet_hint(struct share_run *run, struct share_item *item)
{
    struct share_hit own = {SHARE_KIND_HINT, item->page.id};
    item->hinted = false;
    if (share_table_remove(&run->share->table, item->hash, SHARE_ENTRY_HASH_BITS, own))
        return;
    share_hint_drop(run->share, item->was, item->page.id);
    item->changed = true;
}

static bool is_like_zero(const struct share_run *run, const struct share_item *item)
{
    return item->hash == run->secret->zero_hash && !item->not_zero;
}

/* A page looked at before, and unchanged: does its hint stand alone? Partition locked. */
static bool stands_alone(const struct share_partition *part, const struct share_item *item)
{
    struct share_hit hits[SHARE_TABLE_HITS];
    unsigned count = share_table_find(part, item->hash, hits);
    return count == 1 && hits[0].kind == SHARE_KIND_HINT && hits[0].id == item->page.id;
}

/* Leaves a hint if nothing has the page's hash, or notes what has. Partition locked. */
static bool insert_if_new(struct share_run *run, struct share_partition *part,
                          struct share_item *item)
{
    struct share *share = run->share;
    struct share_hit hits[SHARE_TABLE_HITS], own = {SHARE_KIND_HINT, item->page.id};
    if (share_table_insert_near(&share->table, part, item->hash, own))
        return true;
    bool inserted;
    unsigned count =
        share_table_find_or_insert(&share->table, part, item->hash, own, hits, &inserted);
    if (count)
        item->met = hits[0];
    return inserted;
}

bool share_item_meet(struct share_run *run, struct share_item *item)
{
    bool ended;
    item->met.id = 0;
    if (is_like_zero(run, item))
        return false;
    share_step(SHARE_STEP_FIND);
    struct share_partition *part = share_table_lock(&run->share->table, item->hash);
    if (item->hinted)
        ended = stands_alone(part, item);
    else
        ended = insert_if_new(run, part, item);
    share_table_unlock(part);
    if (ended)
        end_hinted(run, item);
    return ended;
}

/* Asks the table, and takes a partner or leaves a hint. True if the item has one of both. */
static bool ask(struct share_run *run, struct share_item *item)
{
    struct share_table *table = &run->share->table;
    struct share_hit hits[SHARE_TABLE_HITS], own = {SHARE_KIND_HINT, item->page.id};
    share_step(SHARE_STEP_FIND);
    struct share_partition *part = share_table_lock(table, item->hash);
    unsigned count = share_table_find(part, item->hash, hits);
    enum verdict verdict = choose(run, item, hits, count);
    bool inserts = verdict == NONE && !item->hinted;
    bool inserted = inserts && share_table_insert(table, part, item->hash, own);
    bool waits = share_table_is_full(part);
    share_table_unlock(part);

    if (verdict == FOUND) {
        item->stage = SHARE_ITEM_MATCHED;
        run->progress++;
        share_assert_internal(share_item_is_valid(run, item));
        return true;
    }
    if (verdict == NONE && item->hinted) {
        drop_unmet_hint(run, item);
        return ask(run, item);
    }
    if (inserted || verdict == OWN_HINT) {
        end_hinted(run, item);
        return true;
    }
    if (inserts && !waits) {
        end_left_out(run, item);
        return true;
    }
    return false; /* somebody owns the partner, or the partition is full: the next round */
}

/* Item and partner map one machine page, and nobody declared that. Pages that cannot change do no
 * harm. */
static void end_pair_of_aliases(struct share_run *run, struct share_item *item)
{
    struct share *share = run->share;
    if (share->immutable) {
        share_item_release(run, item, SHARE_ALREADY);
        return;
    }
    share_partner_end_alias(run, item, share_alias_add(&share->aliases, &share->mem, item->mpn));
    share_item_end_alias(run, item, share_alias_add(&share->aliases, &share->mem, item->mpn));
}

/* Where is the page of the hint that was taken? True: it is to be looked at again, which is cheaper
 * than protecting it in vain. Pages of an immutable engine cannot have changed. */
static bool find_hinted(struct share_run *run, struct share_item *item)
{
    struct share *share = run->share;
    struct share_partner *with = share_with(run, item);
    if (share_resolve(share, with->vm, with->ppn, &with->mpn) != SHARE_PRESENT) {
        share_partner_drop(run, item);
        return false;
    }
    if (with->mpn.n == item->mpn.n) {
        end_pair_of_aliases(run, item);
        return false;
    }
    return !share->immutable;
}

/* Is the hint still true? `bytes`: of its page, NULL if they cannot be read. */
static void verify_hint(struct share_run *run, struct share_item *item, const void *bytes)
{
    uint64_t hash = bytes ? share_hash_look(run->secret, bytes) : 0;
    share_unpeek(run->share, share_with(run, item)->mpn, bytes);
    if (bytes && hash == item->hash)
        return;
    if (bytes && share_entry_hash_equal(hash, item->hash))
        share_partner_reject(run, item, false);
    else
        share_partner_drop(run, item);
}

/* Pages of hints lie anywhere: they are read together. */
static void verify_hints(struct share_run *run, struct share_item *const *items, unsigned count)
{
    const unsigned char *bytes[SHARE_FETCH_PAGES], *readable[SHARE_FETCH_PAGES];
    unsigned readable_count = 0;
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = share_peek(run->share, share_with(run, items[i])->mpn);
        if (bytes[i])
            readable[readable_count++] = bytes[i];
    }
    if (readable_count > 1)
        share_fetch_now(readable, readable_count);
    for (unsigned i = 0; i < count; i++)
        verify_hint(run, items[i], bytes[i]);
}

/* Decides one item as far as it can be. True: it has taken a hint, which is to be verified; if it
 * turns out stale, there is room for another look. */
static bool decide(struct share_run *run, struct share_item *item)
{
    struct share_partner *with = share_with(run, item);
    if (is_like_zero(run, item)) {
        with->kind = SHARE_WITH_ZERO;
        item->stage = SHARE_ITEM_MATCHED;
        run->progress++;
        return false;
    }
    while (item->stage == SHARE_ITEM_OPEN && ask(run, item)) {
        if (item->stage != SHARE_ITEM_MATCHED)
            continue;
        if (with->kind == SHARE_WITH_HINT && find_hinted(run, item))
            return true;
        if (with->kind == SHARE_WITH_FRAME && with->mpn.n == item->mpn.n)
            share_item_end_alias(run, item, share_alias_for_ever());
    }
    return false;
}

static void decide_hinted(struct share_run *run, struct share_item *const *items, unsigned count)
{
    verify_hints(run, items, count);
    for (unsigned i = 0; i < count; i++)
        while (items[i]->stage == SHARE_ITEM_OPEN && decide(run, items[i]))
            verify_hints(run, &items[i], 1);
}

/* What the i-th open item met, which is about to be taken as its partner. Not fetched when it met
 * it: that would come between pages that are hashed, and delay them. */
static void fetch_met(const struct share_run *run, unsigned i)
{
    if (i >= run->open_count)
        return;
    struct share_hit met = run->item[run->open[i]].met;
    if (met.id && met.kind == SHARE_KIND_HINT)
        share_page_prefetch(&run->share->pages, met.id);
    else if (met.id)
        share_frame_prefetch(&run->share->frames, met.id);
}

void share_run_match(struct share_run *run)
{
    const unsigned ahead = 8;
    struct share_item *hinted[SHARE_FETCH_PAGES];
    unsigned count = 0;
    for (unsigned i = 0; i < ahead; i++)
        fetch_met(run, i);
    for (unsigned i = 0; i < run->open_count; i++) {
        struct share_item *item = &run->item[run->open[i]];
        share_item_fetch_ahead(run, run->open, run->open_count, i);
        fetch_met(run, i + ahead);
        share_assert_internal(share_item_is_valid(run, item));
        if (item->stage == SHARE_ITEM_OPEN && decide(run, item))
            hinted[count++] = item;
        if (count == SHARE_FETCH_PAGES || (count && i + 1 == run->open_count)) {
            decide_hinted(run, hinted, count);
            count = 0;
        }
    }
    run->matched_count = 0;
    for (unsigned i = 0; i < run->open_count; i++)
        if (run->item[run->open[i]].stage == SHARE_ITEM_MATCHED)
            run->matched[run->matched_count++] = run->open[i];
}
