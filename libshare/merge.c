/* SPDX-License-Identifier: MIT */
/*
 * The third step: protect, then compare.
 *
 * *Protect before the deciding compare*: until both pages are write-protected, bytes that compare
 * equal prove nothing. From protect to commit a writer may win at any time: its break turns OWNED
 * into BROKEN, the commit's compare-and-swap fails, and the merge is given up (share_item_release).
 */
#include "compare.h"
#include "invariant.h"
#include "run.h"

#define VECTOR_MAX (2 * SHARE_RUN_PAGES)

/* -------------------------------------------------------------------------------- protect -- */

static bool granted(enum share_answer answer)
{
    return answer == SHARE_ANSWER_OK || answer == SHARE_ANSWER_READONLY;
}

/* Takes the answers for one item's page and its partner's, if that is a hint. */
static void take_answers(struct share_run *run, struct share_item *item,
                         const struct share_protect *own, const struct share_protect *with)
{
    item->is_protected = true; /* or part of it: unprotect leaves alone what is not */
    item->code = own->answer == SHARE_ANSWER_READONLY;
    share_with(run, item)->code = with && with->answer == SHARE_ANSWER_READONLY;
    if (own->answer == SHARE_ANSWER_ALIASED)
        share_item_end_alias(run, item, share_alias_for_ever());
    else if (own->answer == SHARE_ANSWER_STALE)
        share_item_drop(run, item, SHARE_PAGE_GONE);
    else if (!granted(own->answer))
        share_item_release(run, item, share_outcome_of(own->answer));
    else if (with && with->answer == SHARE_ANSWER_ALIASED)
        share_partner_end_alias(run, item, share_alias_for_ever());
    else if (with && with->answer == SHARE_ANSWER_STALE)
        share_partner_drop(run, item); /* its own page stays protected: released or merged later */
    else if (with && !granted(with->answer))
        share_item_release(run, item, share_outcome_of(with->answer));
}

static struct share_protect to_protect(const struct share_vm_object *vm, share_ppn ppn,
                                       share_mpn mpn)
{
    return (struct share_protect){
        .vm = share_ref_of(vm), .ppn = ppn, .mpn = mpn, .answer = SHARE_ANSWER_FAIL};
}

static void protect_all(struct share_run *run)
{
    struct share *share = run->share;
    struct share_protect pages[VECTOR_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = share_matched_at(run, i, SHARE_ITEM_MATCHED);
        if (!item)
            continue;
        share_assert_internal(share_item_is_valid(run, item));
        pages[count++] = to_protect(run->vm, item->ppn, item->mpn);
        const struct share_partner *with = share_with(run, item);
        if (with->kind == SHARE_WITH_HINT)
            pages[count++] = to_protect(with->vm, with->ppn, with->mpn);
    }
    if (!count)
        return;
    share_step(SHARE_STEP_PROTECT);
    share->ops.protect(share->ops_ctx, pages, count);
    const struct share_protect *answer = pages;
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = share_matched_at(run, i, SHARE_ITEM_MATCHED);
        if (!item)
            continue;
        const struct share_protect *own = answer++;
        take_answers(run, item, own,
                     share_with(run, item)->kind == SHARE_WITH_HINT ? answer++ : NULL);
    }
}

/* -------------------------------------------------------------------------------- compare -- */

static bool still_owned(const struct share_page_ref *page)
{
    uint32_t owned = share_word(SHARE_WORD_OWNED, 0);
    return atomic_compare_exchange_strong(page->word, &owned, owned);
}

/* Has a write won? If not, both pages have been protected all the time, and what was read of them
 * holds. */
static bool write_has_won(struct share_run *run, const struct share_item *item)
{
    const struct share_partner *with = share_with(run, item);
    return !still_owned(&item->page) ||
           (with->kind == SHARE_WITH_HINT && !still_owned(&with->page));
}

/* Bytes differ though hashes were equal: what was it? */
static void judge_difference(struct share_run *run, struct share_item *item, uint64_t own_hash,
                             uint64_t with_hash)
{
    if (own_hash != item->hash) {
        share_item_drop(run, item, SHARE_VOLATILE);
        return;
    }
    if (write_has_won(run, item)) { /* bytes and hash are of different moments */
        share_item_release(run, item, SHARE_BUSY);
        return;
    }
    if (share_with(run, item)->kind == SHARE_WITH_ZERO) {
        item->not_zero = true;
        item->stage = SHARE_ITEM_OPEN;
        run->progress++;
    } else if (share_entry_hash_equal(with_hash, item->hash) ||
               share_with(run, item)->kind == SHARE_WITH_FRAME) {
        share_partner_reject(run, item, with_hash == item->hash);
    } else {
        share_partner_drop(run, item);
    }
}

/* What a compare found out about one item, to be acted on when its pages are held no more. */
struct finding {
    bool equal;
    uint64_t own_hash, with_hash; /* if not equal; own_hash also of pages to be promoted */
};

/* Both pages were written alike between the look and the protect: the new frame would stand in the
 * table under a hash that is not its content's. */
static void end_changed_alike(struct share_run *run, struct share_item *item)
{
    share_partner_drop(run, item);
    share_item_drop(run, item, SHARE_VOLATILE);
}

static void act_on(struct share_run *run, struct share_item *item, const struct finding *found)
{
    share_assert_internal(share_item_is_valid(run, item));
    if (found->equal && found->own_hash == item->hash)
        item->stage = SHARE_ITEM_EQUAL;
    else if (found->equal)
        end_changed_alike(run, item);
    else
        judge_difference(run, item, found->own_hash, found->with_hash);
}

static void compare_with_zero(struct share_run *run, struct share_item *item)
{
    const void *own = share_peek(run->share, item->mpn);
    if (!own) {
        share_item_release(run, item, SHARE_ERROR);
        return;
    }
    struct finding found = {.equal = share_page_is_zero(own), .own_hash = item->hash};
    if (!found.equal)
        found.own_hash = share_hash_stable(run->secret, own);
    share_unpeek(run->share, item->mpn, own);
    act_on(run, item, &found);
}

/* Items that are compared abreast, and the pages that they hold. */
struct compared {
    unsigned count;
    struct share_item *item[SHARE_COMPARE_MAX];
    struct share_pair pair[SHARE_COMPARE_MAX];
};
_Static_assert(2 * 2 * SHARE_COMPARE_MAX <= SHARE_PEEKS_MAX, "two of them, as promised");

static void let_go(struct share_run *run, const struct share_item *item,
                   const struct share_pair *pair)
{
    share_unpeek(run->share, share_with(run, item)->mpn, pair->b);
    share_unpeek(run->share, item->mpn, pair->a);
}

/* Gathers items from the `from`-th matched one on. The first one that is left. */
static unsigned gather(struct share_run *run, struct compared *now, unsigned from)
{
    now->count = 0;
    for (; from < run->matched_count && now->count < SHARE_COMPARE_MAX; from++) {
        struct share_item *item = share_matched_at(run, from, SHARE_ITEM_MATCHED);
        if (!item || share_with(run, item)->kind == SHARE_WITH_ZERO)
            continue;
        share_step(SHARE_STEP_COMPARE);
        struct share_pair pair = {.a = share_peek(run->share, item->mpn),
                                  .b = share_peek(run->share, share_with(run, item)->mpn)};
        if (pair.a && pair.b) {
            now->item[now->count] = item;
            now->pair[now->count++] = pair;
        } else {
            let_go(run, item, &pair);
            share_item_release(run, item, SHARE_ERROR);
        }
    }
    return from;
}

static struct finding finding_of(struct share_run *run, const struct share_item *item,
                                 const struct share_pair *pair)
{
    bool promotes = share_with(run, item)->kind == SHARE_WITH_HINT && !run->share->immutable;
    struct finding found = {.equal = pair->equal, .own_hash = item->hash};
    if (promotes || !pair->equal)
        found.own_hash = share_hash_stable(run->secret, pair->a);
    if (!pair->equal)
        found.with_hash = share_hash_stable(run->secret, pair->b);
    return found;
}

/* Compares some; the next ones' partners, of which nothing is in the cache yet, are fetched
 * meanwhile. Pages are let go before they are given back: whoever gets one may free it at once. */
static void compare_some(struct share_run *run, struct compared *now, const struct compared *next)
{
    struct finding found[SHARE_COMPARE_MAX];
    for (unsigned i = 0; i < next->count && i < now->count; i++)
        now->pair[i].next = next->pair[i].b;
    run->share->compare(now->pair, now->count);
    for (unsigned i = 0; i < now->count; i++) {
        found[i] = finding_of(run, now->item[i], &now->pair[i]);
        let_go(run, now->item[i], &now->pair[i]);
    }
    for (unsigned i = 0; i < now->count; i++)
        act_on(run, now->item[i], &found[i]);
}

static void compare_all(struct share_run *run)
{
    struct compared some[2];
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = share_matched_at(run, i, SHARE_ITEM_MATCHED);
        if (item && share_with(run, item)->kind == SHARE_WITH_ZERO) {
            share_step(SHARE_STEP_COMPARE);
            compare_with_zero(run, item);
        }
    }
    unsigned left = gather(run, &some[0], 0);
    for (unsigned now = 0; some[now].count; now ^= 1) {
        left = gather(run, &some[now ^ 1], left);
        compare_some(run, &some[now], &some[now ^ 1]);
    }
}

/* ---------------------------------------------------------------------------------- merge -- */

void share_run_merge(struct share_run *run)
{
    if (!run->matched_count)
        return;
    if (!run->share->immutable)
        protect_all(run);
    compare_all(run);
    share_run_commit(run);
}
