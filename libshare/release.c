/* SPDX-License-Identifier: MIT */
/* How claimed pages are given back: the item's own, and its partner. */
#include "cow.h"
#include "run.h"

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
