/* SPDX-License-Identifier: MIT */
/* Offers: runs of pages through look, match and merge, in rounds, and the counting of outcomes.
 */
#include "offer.h"
#include "run.h"

/* Starts an item for each page. Neighbours in a chunk are found by its first one. */
static bool start_items(struct share_run *run, const share_ppn *ppns)
{
    struct share *share = run->share;
    struct share_page_ref page = {0};
    uint64_t index = UINT64_MAX;
    for (unsigned i = 0; i < run->count; i++) {
        struct share_item *item = &run->item[i];
        bool valid = share_ppn_valid(run->vm, ppns[i]);
        if (valid && index != ppns[i].n >> SHARE_CHUNK_BITS) {
            if (!share_page_prepare(&share->pages, &run->vm->tree, run->vm->number, ppns[i], &page))
                return false;
            index = ppns[i].n >> SHARE_CHUNK_BITS;
        }
        item->ppn = ppns[i];
        item->mpn.n = 0;
        item->page = valid ? share_page_beside(page, ppns[i].n & (SHARE_CHUNK_PAGES - 1))
                           : (struct share_page_ref){0};
    }
    return true;
}

/* Everything that a run may need is there before it starts: words of its pages, a frame for each.
 */
static bool prepare(struct share_run *run, const share_ppn *ppns)
{
    return start_items(run, ppns) && share_pool_reserve(&run->share->frames.pool, run->count);
}

static void keep_open(struct share_run *run)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < run->open_count; i++)
        if (run->item[run->open[i]].stage == SHARE_ITEM_OPEN)
            run->open[kept++] = run->open[i];
    run->open_count = kept;
}

/* Looks, matches and merges until all items are done, or nothing moves any more. Two pages of one
 * content in a run make a frame in the first round; a third joins it in the second. */
static void drive(struct share_run *run)
{
    const unsigned idle_rounds_max = 2; /* another thread may own a partner for a moment */
    bool has_room = share_table_reserve(&run->share->table);
    share_run_look(run);
    for (unsigned idle_rounds = 0; run->open_count && idle_rounds < idle_rounds_max;) {
        run->progress = 0;
        share_run_match(run);
        share_run_merge(run);
        keep_open(run);
        idle_rounds = run->progress ? 0 : idle_rounds + 1;
        if (run->open_count)
            has_room = share_table_reserve(&run->share->table);
    }
    run->memory_refused = !has_room && run->open_count;
    for (unsigned i = 0; i < run->open_count; i++)
        share_item_release(run, &run->item[run->open[i]],
                           run->memory_refused ? SHARE_ERROR : SHARE_BUSY);
}

static void tell_outcomes(struct share_run *run)
{
    for (unsigned i = 0; i < run->count && run->share->observer.event; i++) {
        const struct share_item *item = &run->item[i];
        const struct share_partner *with = share_with(run, item);
        bool merged = item->outcome == SHARE_PROMOTED || item->outcome == SHARE_JOINED ||
                      item->outcome == SHARE_ZERO;
        struct share_event event = {.kind = SHARE_EVENT_OFFER,
                                    .outcome = (enum share_outcome)item->outcome,
                                    .vm = run->vm->number,
                                    .ppn = item->ppn,
                                    .mpn = merged ? with->mpn : item->mpn};
        if (merged)
            event.frame = with->frame;
        if (item->outcome == SHARE_PROMOTED) {
            event.with_vm = with->vm;
            event.with_ppn = with->ppn;
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
            outcomes[i] = (enum share_outcome)run->item[i].outcome;
    }
    for (unsigned o = 0; o < SHARE_OUTCOMES; o++)
        share_count(&run->vm->counts.outcomes[o], sums[o]);
}

/* All pages of a batch have this outcome, and nobody looked at them. */
static void settle_without_look(struct share *share, struct share_vm_object *vm,
                                const struct share_offer_batch *batch, enum share_outcome why)
{
    share_count(&vm->counts.outcomes[why], batch->count);
    for (size_t i = 0; batch->outcomes && i < batch->count; i++)
        batch->outcomes[i] = why;
    for (size_t i = 0; share->observer.event && i < batch->count; i++)
        share_tell(share, &(struct share_event){.kind = SHARE_EVENT_OFFER,
                                                .outcome = why,
                                                .vm = vm->number,
                                                .ppn = batch->ppns[i]});
}

/* At most a run's pages. */
static enum share_result offer_run(struct share_run *run, const struct share_offer_batch *part)
{
    run->count = (unsigned)part->count;
    if (!prepare(run, part->ppns)) {
        settle_without_look(run->share, run->vm, part, SHARE_ERROR);
        return SHARE_NOMEM;
    }
    run->memory_refused = false;
    run->frames_taken = 0;
    drive(run);
    share_pool_unreserve(&run->share->frames.pool, run->count - run->frames_taken);
    tell_outcomes(run);
    count_outcomes(run, part->outcomes);
    return run->memory_refused ? SHARE_NOMEM : SHARE_OK;
}

static enum share_result offer_all(struct share *share, struct share_vm_object *vm,
                                   const struct share_offer_batch *batch)
{
    struct share_run run;
    share_group group = atomic_load(&vm->group);
    if (!share_group_at(share, group)->sharing) {
        settle_without_look(share, vm, batch, SHARE_GROUP_OFF);
        return SHARE_OK;
    }
    run.share = share;
    run.vm = vm;
    run.group = group;
    run.secret = &share_group_at(share, group)->secret;
    run.back_off = batch->back_off;
    run.pass = batch->pass;
    enum share_result result = SHARE_OK;
    struct share_offer_batch left = *batch;
    while (left.count && result == SHARE_OK) {
        struct share_offer_batch part = left;
        if (part.count > SHARE_RUN_PAGES)
            part.count = SHARE_RUN_PAGES;
        result = offer_run(&run, &part);
        left.ppns += part.count;
        left.count -= part.count;
        if (left.outcomes)
            left.outcomes += part.count;
    }
    settle_without_look(share, vm, &left, SHARE_ERROR);
    return result;
}

enum share_result share_offer_batch(struct share *share, const struct share_offer_batch *batch)
{
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    if (!vm)
        return SHARE_GONE;
    enum share_result result = SHARE_OK;
    atomic_fetch_add(&vm->offers, 1);
    share_step(SHARE_STEP_ENTER);
    if (atomic_load(&vm->regrouping))
        settle_without_look(share, vm, batch, SHARE_GROUP_OFF);
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
