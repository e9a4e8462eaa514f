/* SPDX-License-Identifier: MIT */
/*
 * The third step: protect, then compare.
 *
 * *Protect before the deciding compare*: until both pages are write-protected, bytes that compare
 * equal prove nothing. From protect to commit a writer may win at any time: its break turns OWNED
 * into BROKEN, the commit's compare-and-swap fails, and the merge is given up.
 */
#include "compare.h"
#include "cow.h"
#include "run.h"

#define VECTOR_MAX (2 * SHARE_RUN_PAGES)

void share_item_give_up(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    share_partner_release(run, item, false);
    share_item_release(run, item, outcome);
}

/* -------------------------------------------------------------------------------- protect -- */

enum share_outcome share_outcome_of(enum share_answer answer)
{
    switch (answer) {
    case SHARE_ANSWER_STALE:
        return SHARE_PAGE_GONE;
    case SHARE_ANSWER_BUSY:
        return SHARE_BUSY;
    default:
        return SHARE_ERROR;
    }
}

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
    if (!granted(own->answer)) {
        share_partner_release(run, item, false);
        if (own->answer == SHARE_ANSWER_STALE)
            share_item_drop(run, item, SHARE_PAGE_GONE);
        else
            share_item_release(run, item, share_outcome_of(own->answer));
    } else if (with && with->answer == SHARE_ANSWER_STALE) {
        share_partner_release(run, item, true);
        item->replaced = true;
        item->stage = SHARE_ITEM_OPEN; /* stays protected: it will be released or merged */
        run->progress++;
    } else if (with && !granted(with->answer)) {
        share_item_give_up(run, item, share_outcome_of(with->answer));
    }
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
        pages[count++] =
            (struct share_protect){run->vm->number, item->ppn, item->mpn, SHARE_ANSWER_FAIL};
        if (share_with(run, item)->kind == SHARE_WITH_HINT)
            pages[count++] =
                (struct share_protect){share_with(run, item)->vm, share_with(run, item)->ppn,
                                       share_with(run, item)->mpn, SHARE_ANSWER_FAIL};
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
        share_partner_release(run, item, false);
        share_item_drop(run, item, SHARE_VOLATILE);
        return;
    }
    if (write_has_won(run, item)) { /* bytes and hash are of different moments */
        share_item_give_up(run, item, SHARE_BUSY);
        return;
    }
    if (share_with(run, item)->kind == SHARE_WITH_ZERO) {
        item->not_zero = true;
    } else if ((with_hash ^ item->hash) >> 28 == 0 ||
               share_with(run, item)->kind == SHARE_WITH_FRAME) {
        share_item_tried(run, item, with_hash == item->hash);
        return;
    } else {
        share_partner_release(run, item, true);
        item->replaced = true;
    }
    item->stage = SHARE_ITEM_OPEN;
    run->progress++;
}

/* What a compare found out about one item, to be acted on when no page is held any more. */
struct finding {
    bool readable, equal;
    uint64_t own_hash, with_hash; /* if not equal; own_hash also of pages to be promoted */
};

/* Both pages were written alike between the look and the protect: the new frame would stand in the
 * table under a hash that is not its content's. */
static void end_changed_alike(struct share_run *run, struct share_item *item)
{
    share_partner_release(run, item, true);
    share_item_drop(run, item, SHARE_VOLATILE);
}

static void act_on(struct share_run *run, struct share_item *item, const struct finding *found)
{
    if (!found->readable)
        share_item_give_up(run, item, SHARE_ERROR);
    else if (found->equal && found->own_hash == item->hash)
        item->stage = SHARE_ITEM_EQUAL;
    else if (found->equal)
        end_changed_alike(run, item);
    else
        judge_difference(run, item, found->own_hash, found->with_hash);
}

static void compare_with_zero(struct share_run *run, struct share_item *item)
{
    struct finding found = {.own_hash = item->hash};
    const void *own = share_peek(run->share, item->mpn);
    found.readable = own != NULL;
    found.equal = own && share_page_is_zero(own);
    if (own && !found.equal)
        found.own_hash = share_hash_stable(run->secret, own);
    share_unpeek(run->share, item->mpn, own);
    act_on(run, item, &found);
}

/* Items with a partner, up to SHARE_COMPARE_MAX of them, abreast. All pages are let go before any
 * is given back: whoever gets one may free it at once. */
static void compare_group(struct share_run *run, struct share_item *const *items, unsigned count)
{
    struct share *share = run->share;
    struct share_pair pairs[SHARE_COMPARE_MAX];
    struct finding found[SHARE_COMPARE_MAX];
    unsigned readable = 0;
    for (; readable < count; readable++) {
        struct share_pair *pair = &pairs[readable];
        pair->a = share_peek(share, items[readable]->mpn);
        pair->b = share_peek(share, share_with(run, items[readable])->mpn);
        if (!pair->a || !pair->b)
            break;
    }
    share->compare(pairs, readable);
    for (unsigned i = 0; i < count && i <= readable; i++) {
        bool promotes = share_with(run, items[i])->kind == SHARE_WITH_HINT && !share->immutable;
        found[i] = (struct finding){.readable = i < readable, .own_hash = items[i]->hash};
        if (i < readable) {
            found[i].equal = pairs[i].equal;
            if (promotes || !pairs[i].equal)
                found[i].own_hash = share_hash_stable(run->secret, pairs[i].a);
            if (!pairs[i].equal)
                found[i].with_hash = share_hash_stable(run->secret, pairs[i].b);
        }
        share_unpeek(share, share_with(run, items[i])->mpn, pairs[i].b);
        share_unpeek(share, items[i]->mpn, pairs[i].a);
    }
    for (unsigned i = 0; i < count && i <= readable; i++)
        act_on(run, items[i], &found[i]);
    if (readable + 1 < count) /* the rest, beyond the unreadable one */
        compare_group(run, items + readable + 1, count - readable - 1);
}

static void compare_all(struct share_run *run)
{
    struct share_item *group[SHARE_COMPARE_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = share_matched_at(run, i, SHARE_ITEM_MATCHED);
        if (!item)
            continue;
        share_step(SHARE_STEP_COMPARE);
        if (share_with(run, item)->kind == SHARE_WITH_ZERO)
            compare_with_zero(run, item);
        else
            group[count++] = item;
        if (count == SHARE_COMPARE_MAX) {
            compare_group(run, group, count);
            count = 0;
        }
    }
    if (count)
        compare_group(run, group, count);
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
