/* SPDX-License-Identifier: MIT */
/* Offers: runs of pages through look, match and merge, in rounds, and the counting of outcomes.
 */
#include "offer.h"
#include "enter.h"
#include "index.h"

/* One page of a batch has this outcome, and nobody looked at it. */
static void tell_without_look(struct share *share, const struct share_offer_batch *batch, size_t at,
                              enum share_outcome why)
{
    if (batch->outcomes)
        batch->outcomes[at] = why;
    share_tell(share, &(struct share_event){.struct_size = sizeof(struct share_event),
                                            .kind = SHARE_EVENT_OFFER,
                                            .outcome = why,
                                            .vm = batch->vm,
                                            .ppn = batch->ppns[at]});
}

/* All pages of a batch. */
static void end_without_look(struct share *share, struct share_vm_object *vm,
                             const struct share_offer_batch *batch, enum share_outcome why)
{
    share_count(&vm->counts.outcomes[why], batch->count);
    for (size_t i = 0; i < batch->count; i++)
        tell_without_look(share, batch, i, why);
}

static bool is_shared(const struct share_page_ref *page)
{
    enum share_word_state state =
        share_word_state(atomic_load_explicit(page->word, memory_order_relaxed));
    return state == SHARE_WORD_SHARED || state == SHARE_WORD_CODE;
}

/* A page on a frame. True: `already`, which the caller counts for all of them at once. */
static bool end_shared(struct share_run *run, const struct share_offer_batch *batch, size_t at,
                       const struct share_page_ref *page)
{
    enum share_outcome outcome = share_index_page(run, page);
    if (outcome != SHARE_JOINED)
        tell_without_look(run->share, batch, at, outcome);
    else if (batch->outcomes)
        batch->outcomes[at] = outcome;
    if (outcome != SHARE_ALREADY)
        share_count(&run->vm->counts.outcomes[outcome], 1);
    return outcome == SHARE_ALREADY;
}

static void start_item(struct share_run *run, share_ppn ppn, struct share_page_ref page, size_t at)
{
    struct share_item *item = &run->item[run->count++];
    item->ppn = ppn;
    item->mpn.n = 0;
    item->page = page;
    item->at = at;
    item->told = false;
}

/* Once in 64 passes a chunk's breaks are forgotten. */
static void forget_breaks(const struct share_run *run, const struct share_page_ref *page)
{
    uint32_t turn = page->id >> SHARE_CHUNK_BITS;
    if (run->back_off && ((run->pass + turn) & ((1u << SHARE_BREAKS_LOG2) - 1)) == 0)
        share_chunk_forget_breaks(share_page_chunk(page));
}

/* Starts items for pages from the front of a batch until the run is full; pages that are shared
 * already take no room in it. Neighbours in a chunk are found by its first one. How many pages it
 * went over: fewer only if memory is refused. */
static size_t start_items(struct share_run *run, const struct share_offer_batch *batch)
{
    struct share_page_ref chunk = {0}, page;
    uint64_t index = UINT64_MAX, already = 0;
    size_t at = 0;
    run->count = 0;
    for (; at < batch->count && run->count < SHARE_RUN_PAGES; at++) {
        share_ppn ppn = batch->ppns[at];
        bool valid = share_ppn_valid(run->vm, ppn);
        if (valid && index != ppn.n >> SHARE_CHUNK_BITS) {
            if (!share_page_prepare(&run->share->pages, &run->vm->tree, run->vm->number, ppn,
                                    &chunk))
                break;
            index = ppn.n >> SHARE_CHUNK_BITS;
            forget_breaks(run, &chunk);
        }
        page = valid ? share_page_beside(chunk, ppn.n & (SHARE_CHUNK_PAGES - 1))
                     : (struct share_page_ref){0};
        if (valid && share_ranges_hold(&run->vm->alone, ppn)) {
            tell_without_look(run->share, batch, at, SHARE_GROUP_OFF);
            share_count(&run->vm->counts.outcomes[SHARE_GROUP_OFF], 1);
        } else if (valid && is_shared(&page)) {
            already += end_shared(run, batch, at, &page);
        } else {
            start_item(run, ppn, page, at);
        }
    }
    share_count(&run->vm->counts.outcomes[SHARE_ALREADY], already);
    return at;
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
    if (!run->open_count)
        return;
    share_transit_begin(&run->share->transit);
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
    share_transit_end(&run->share->transit);
}

/* Items that ended before their pages were the run's. */
static void tell_the_rest(struct share_run *run)
{
    for (unsigned i = 0; i < run->count; i++)
        share_item_tell(run, &run->item[i], (enum share_outcome)run->item[i].outcome);
}

static void count_outcomes(struct share_run *run, enum share_outcome *outcomes)
{
    uint32_t sums[SHARE_OUTCOMES] = {0};
    for (unsigned i = 0; i < run->count; i++) {
        const struct share_item *item = &run->item[i];
        share_assert(item->outcome < SHARE_OUTCOMES);
        sums[item->outcome]++;
        if (outcomes)
            outcomes[item->at] = (enum share_outcome)item->outcome;
    }
    for (unsigned o = 0; o < SHARE_OUTCOMES; o++)
        share_count(&run->vm->counts.outcomes[o], sums[o]);
}

/* A frame for each item is there before the run starts. */
static enum share_result run_items(struct share_run *run)
{
    struct share_pool *frames = &run->share->frames.pool;
    if (!share_pool_reserve(frames, run->count)) {
        for (unsigned i = 0; i < run->count; i++)
            run->item[i].outcome = SHARE_ERROR;
        return SHARE_NOMEM;
    }
    run->others = share_gate_is_shared(run->share);
    run->memory_refused = run->left_out = false;
    run->frames_taken = 0;
    drive(run);
    share_assert(run->frames_taken <= run->count);
    share_pool_unreserve(frames, run->count - run->frames_taken);
    bool strays = run->share->immutable && share_table_strays(&run->share->table);
    return run->memory_refused || run->left_out || strays ? SHARE_NOMEM : SHARE_OK;
}

/* Offers as much of the front of a batch as makes a run, and takes it off. */
static enum share_result offer_run(struct share_run *run, struct share_offer_batch *left)
{
    size_t count = start_items(run, left);
    enum share_result result = run_items(run);
    if (count < left->count && run->count < SHARE_RUN_PAGES)
        result = SHARE_NOMEM;
    tell_the_rest(run);
    count_outcomes(run, left->outcomes);
    left->ppns += count;
    left->count -= count;
    if (left->outcomes)
        left->outcomes += count;
    return result;
}

static enum share_result offer_all(struct share *share, struct share_vm_object *vm,
                                   const struct share_offer_batch *batch)
{
    struct share_run run;
    share_group group = atomic_load(&vm->group);
    if (!share_group_at(share, group)->sharing) {
        end_without_look(share, vm, batch, SHARE_GROUP_OFF);
        return SHARE_OK;
    }
    run.share = share;
    run.vm = vm;
    run.group = group;
    run.secret = &share_group_at(share, group)->secret;
    run.back_off = batch->back_off;
    run.dirty = batch->dirty;
    run.pass = batch->pass;
    run.expected = NULL;
    enum share_result result = SHARE_OK;
    struct share_offer_batch left = *batch;
    while (left.count && result == SHARE_OK)
        result = offer_run(&run, &left);
    end_without_look(share, vm, &left, SHARE_ERROR);
    return result;
}

enum share_result share_offer_batch(struct share *share, const struct share_offer_batch *batch)
{
    share_assert(share_gate_is_entered(share));
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    if (!vm)
        return SHARE_GONE;
    enum share_result result = SHARE_OK;
    if (batch->scans && !atomic_load(&vm->started)) {
        result = SHARE_GONE;
    } else if (share_offers_enter(vm)) {
        result = offer_all(share, vm, batch);
        share_offers_leave(vm);
    } else {
        end_without_look(share, vm, batch, SHARE_GROUP_OFF);
    }
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
