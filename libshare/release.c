/* SPDX-License-Identifier: MIT */
/* How claimed pages are given back: the item's own, and its partner. run.h has the table. */
#include "bury.h"
#include "forget.h"
#include "invariant.h"
#include "run.h"

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

/* Gives an owned page another word; if a write won meanwhile, makes sure that it is not protected
 * first. `mpn`: what the owner knows it to map. */
static void give_back(struct share *share, const struct share_vm_object *vm,
                      const struct share_page_ref *page, share_mpn mpn, bool was_protected,
                      uint32_t word)
{
    if (was_protected)
        share_unprotect(share, vm, share_page_ppn(page), mpn);
    if (share_owner_give(page, word))
        return;
    /* A write won: what did not match is no more. Writers still on their way out count themselves
     * in the payload. */
    if (share_word_state(word) == SHARE_WORD_NO_MATCH && !share_word_is_alias(word))
        word = share_word_without_hash(word);
    share_word_set_broken(page, word);
}

/* ------------------------------------------------------------------------------- partners -- */

/* `word`: what the partner is to be if it is a hint; its hint goes if that is not what it was. */
static void give_partner_back(struct share_run *run, struct share_item *item, uint32_t word)
{
    struct share_partner *with = share_with(run, item);
    share_assert(share_item_has_partner(item) && with->kind != SHARE_WITH_NONE);
    if (with->kind == SHARE_WITH_FRAME)
        share_frame_leave(run->share, with->frame);
    if (with->kind == SHARE_WITH_HINT) {
        if (word != with->was)
            share_hint_drop(run->share, with->was, with->page.id);
        give_back(run->share, with->vm, &with->page, with->mpn, item->is_protected, word);
    }
    with->kind = SHARE_WITH_NONE;
}

void share_partner_release(struct share_run *run, struct share_item *item)
{
    give_partner_back(run, item, share_with(run, item)->was);
}

/* A partner that is a hint becomes something else; the item may find another one. */
static void drop_partner(struct share_run *run, struct share_item *item, uint32_t word)
{
    give_partner_back(run, item, word);
    item->stage = SHARE_ITEM_OPEN;
    run->progress++;
}

void share_partner_drop(struct share_run *run, struct share_item *item)
{
    item->replaced = true;
    drop_partner(run, item, share_word_after_change(share_with(run, item)->was));
}

void share_partner_end_alias(struct share_run *run, struct share_item *item, uint32_t mark)
{
    drop_partner(run, item, mark);
}

void share_partner_reject(struct share_run *run, struct share_item *item, bool equal_hash)
{
    struct share_partner *with = share_with(run, item);
    struct share_hit hit = with->kind == SHARE_WITH_FRAME
                               ? (struct share_hit){SHARE_KIND_FRAME, with->frame}
                               : (struct share_hit){SHARE_KIND_HINT, with->page.id};
    share_partner_release(run, item);
    item->stage = SHARE_ITEM_OPEN;
    if (equal_hash || item->tried_count == SHARE_TRIED_MAX) {
        share_item_drop_hint(run, item);
        uint32_t word = share_word_hint(SHARE_WORD_NO_MATCH, item->hash, 0);
        share_item_end(run, item, word, SHARE_FALSE_MATCH);
        return;
    }
    with->tried[item->tried_count++] = hit;
    run->progress++;
}

/* ---------------------------------------------------------------------------------- items -- */

void share_item_drop_hint(struct share_run *run, struct share_item *item)
{
    if (item->hinted)
        share_hint_drop(run->share, item->was, item->page.id);
    item->hinted = false;
}

void share_item_end(struct share_run *run, struct share_item *item, uint32_t word,
                    enum share_outcome outcome)
{
    share_assert(!share_item_has_partner(item) || share_with(run, item)->kind == SHARE_WITH_NONE);
    share_assert(share_page_is_owned(&item->page));
    share_item_tell(run, item, outcome);
    if (item->is_protected || !share_owner_give(&item->page, word))
        give_back(run->share, run->vm, &item->page, item->mpn, item->is_protected, word);
    item->stage = SHARE_ITEM_DONE;
    run->progress++;
}

void share_item_release(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    if (share_item_has_partner(item))
        share_partner_release(run, item);
    share_item_end(run, item, share_item_word_before(item), outcome);
}

void share_item_end_alias(struct share_run *run, struct share_item *item, uint32_t mark)
{
    if (share_item_has_partner(item))
        share_partner_release(run, item);
    share_item_drop_hint(run, item);
    share_item_end(run, item, mark, SHARE_ALREADY);
}

void share_item_drop(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    if (share_item_has_partner(item))
        share_partner_release(run, item);
    share_item_drop_hint(run, item);
    share_item_end(run, item,
                   outcome == SHARE_VOLATILE ? share_word_after_change(item->was)
                                             : share_word_none(0),
                   outcome);
}
