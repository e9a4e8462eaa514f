/* SPDX-License-Identifier: MIT */
/* What holds of an item between two steps, and what is told of it. */
#include "run.h"

static bool partner_is_valid(struct share_run *run, const struct share_item *item)
{
    const struct share_partner *with = share_with(run, item);
    switch (with->kind) {
    case SHARE_WITH_HINT:
        return with->page.id != item->page.id && share_page_is_owned(&with->page) &&
               share_word_state(with->was) == SHARE_WORD_HINTED;
    case SHARE_WITH_FRAME:
        return share_frame_is_valid(&run->share->frames, with->frame);
    case SHARE_WITH_ZERO:
        return !item->not_zero;
    default:
        return false;
    }
}

/* Once committed, whatever the partner was is a frame. */
static bool committed_is_valid(struct share_run *run, const struct share_item *item)
{
    uint32_t word = atomic_load_explicit(item->page.word, memory_order_relaxed);
    return share_word_state(word) == SHARE_WORD_MOVING &&
           share_frame_is_valid(&run->share->frames, share_with(run, item)->frame);
}

bool share_item_is_valid(struct share_run *run, const struct share_item *item)
{
    switch ((enum share_stage)item->stage) {
    case SHARE_ITEM_DONE:
        return item->outcome < SHARE_OUTCOMES;
    case SHARE_ITEM_COMMITTED:
        return committed_is_valid(run, item);
    case SHARE_ITEM_MATCHED:
    case SHARE_ITEM_EQUAL:
        if (!partner_is_valid(run, item))
            return false;
        break;
    case SHARE_ITEM_OPEN:
        break;
    }
    return share_page_is_owned(&item->page) && item->tried_count <= SHARE_TRIED_MAX &&
           (!item->hinted || share_word_state(item->was) == SHARE_WORD_HINTED);
}

void share_item_tell(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    const struct share_partner *with = share_with(run, item);
    bool merged = outcome == SHARE_PROMOTED || outcome == SHARE_JOINED || outcome == SHARE_ZERO;
    item->outcome = (uint8_t)outcome;
    if (item->told || !run->share->observer.event)
        return;
    item->told = true;
    struct share_event event = {.struct_size = sizeof event,
                                .kind = SHARE_EVENT_OFFER,
                                .outcome = outcome,
                                .vm = run->vm->number,
                                .ppn = item->ppn,
                                .mpn = merged ? with->mpn : item->mpn};
    if (merged)
        event.frame = with->frame;
    if (outcome == SHARE_PROMOTED) {
        event.with_vm = with->vm->number;
        event.with_ppn = with->ppn;
    }
    share_tell(run->share, &event);
}
