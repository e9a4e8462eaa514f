/* SPDX-License-Identifier: MIT */
/* Offers: runs of 64 pages through look, match and merge, in rounds, and the counting of outcomes. */
#include "offer.h"
#include "run.h"

/* Everything that a run may need is there before it starts: words of its pages, a frame for each. */
static bool prepare(struct share_run *run, const share_ppn *ppns)
{
    struct share *share = run->share;
    for (unsigned i = 0; i < run->count; i++)
        if (share_ppn_valid(run->vm, ppns[i]) &&
            !share_page_prepare(&share->pages, &run->vm->tree, run->vm->number, ppns[i]))
            return false;
    return share_pool_reserve(&share->frames.pool, run->count);
}

static unsigned count_open(const struct share_run *run)
{
    unsigned open = 0;
    for (unsigned i = 0; i < run->count; i++)
        open += run->item[i].stage == SHARE_ITEM_OPEN;
    return open;
}

/* Match and merge until all items are done, or nothing moves any more. Two pages of one content in a
 * run make a frame in the first round; a third joins it in the second. */
static void drive(struct share_run *run)
{
    const unsigned idle_rounds_max = 2; /* another thread may own a partner for a moment */
    bool has_room = share_table_reserve(&run->share->table);
    for (unsigned idle_rounds = 0; idle_rounds < idle_rounds_max;) {
        run->progress = 0;
        share_run_match(run);
        share_run_merge(run);
        if (!count_open(run))
            return;
        has_room = share_table_reserve(&run->share->table);
        idle_rounds = run->progress ? 0 : idle_rounds + 1;
    }
    run->memory_refused = !has_room;
    for (unsigned i = 0; i < run->count; i++)
        if (run->item[i].stage == SHARE_ITEM_OPEN)
            share_item_release(run, &run->item[i], has_room ? SHARE_BUSY : SHARE_ERROR);
}

static void tell_outcomes(const struct share_run *run)
{
    for (unsigned i = 0; i < run->count && run->share->observer.event; i++) {
        const struct share_item *item = &run->item[i];
        bool merged = item->outcome == SHARE_PROMOTED || item->outcome == SHARE_JOINED ||
                      item->outcome == SHARE_ZERO;
        struct share_event event = {.kind = SHARE_EVENT_OFFER,
                                    .outcome = item->outcome,
                                    .vm = run->vm->number,
                                    .ppn = item->ppn,
                                    .mpn = merged ? item->with.mpn : item->mpn};
        if (merged)
            event.frame = item->with.frame;
        if (item->outcome == SHARE_PROMOTED) {
            event.with_vm = item->with.vm;
            event.with_ppn = item->with.ppn;
        }
        share_tell(run->share, &event);
    }
}

static void count_outcomes(struct share_run *run, enum share_outcome *outcomes)
{
    uint32_t sums[SHARE_OUTCOMES] = {0};
    for (unsigned i = 0; i < run->count; i++) {
        sums[run->item[i].outcome]++;
        if (outcomes)
            outcomes[i] = run->item[i].outcome;
    }
    for (unsigned o = 0; o < SHARE_OUTCOMES; o++)
        share_count(&run->vm->counts.outcomes[o], sums[o]);
}

static void settle_without_look(struct share_vm_object *vm, size_t count, enum share_outcome why,
                                enum share_outcome *outcomes)
{
    share_count(&vm->counts.outcomes[why], count);
    for (size_t i = 0; outcomes && i < count; i++)
        outcomes[i] = why;
}

static enum share_result offer_run(struct share_run *run, const share_ppn *ppns,
                                   enum share_outcome *outcomes)
{
    if (!prepare(run, ppns)) {
        settle_without_look(run->vm, run->count, SHARE_ERROR, outcomes);
        return SHARE_NOMEM;
    }
    run->memory_refused = false;
    run->frames_made = 0;
    share_run_look(run, ppns);
    drive(run);
    share_pool_unreserve(&run->share->frames.pool, run->count - run->frames_made);
    tell_outcomes(run);
    count_outcomes(run, outcomes);
    return run->memory_refused ? SHARE_NOMEM : SHARE_OK;
}

static enum share_result offer_all(struct share *share, struct share_vm_object *vm,
                                   const struct share_offer_batch *batch)
{
    struct share_run run;
    share_group group = atomic_load(&vm->group);
    if (!share_group_at(share, group)->sharing) {
        settle_without_look(vm, batch->count, SHARE_GROUP_OFF, batch->outcomes);
        return SHARE_OK;
    }
    run.share = share;
    run.vm = vm;
    run.group = group;
    run.secret = &share_group_at(share, group)->secret;
    run.back_off = batch->back_off;
    run.pass = batch->pass;
    enum share_result result = SHARE_OK;
    for (size_t at = 0; at < batch->count; at += SHARE_RUN_PAGES) {
        size_t left = batch->count - at;
        enum share_outcome *outcomes = batch->outcomes ? batch->outcomes + at : NULL;
        if (result != SHARE_OK) {
            settle_without_look(vm, left, SHARE_ERROR, outcomes);
            break;
        }
        run.count = left < SHARE_RUN_PAGES ? (unsigned)left : SHARE_RUN_PAGES;
        result = offer_run(&run, batch->ppns + at, outcomes);
    }
    return result;
}

enum share_result share_offer_batch(struct share *share, const struct share_offer_batch *batch)
{
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    if (!vm)
        return SHARE_GONE;
    enum share_result result = SHARE_OK;
    atomic_fetch_add(&vm->offers, 1);
    if (atomic_load(&vm->regrouping))
        settle_without_look(vm, batch->count, SHARE_GROUP_OFF, batch->outcomes);
    else
        result = offer_all(share, vm, batch);
    atomic_fetch_sub(&vm->offers, 1);
    share_vm_leave(vm);
    return result;
}

enum share_result share_offer(struct share *share, share_vm vm, const share_ppn *ppns, size_t count,
                              enum share_outcome *outcomes)
{
    share_gate_enter(share);
    enum share_result result = share_offer_batch(
        share,
        &(struct share_offer_batch){.vm = vm, .ppns = ppns, .count = count, .outcomes = outcomes});
    share_gate_leave(share);
    for (size_t i = 0; result == SHARE_GONE && outcomes && i < count; i++)
        outcomes[i] = SHARE_ERROR;
    return result;
}
