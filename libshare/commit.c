/* SPDX-License-Identifier: MIT */
/*
 * The last steps: commit, remap, free.
 *
 * After its commit a page is MOVING, and a writer tries again until remap is done, which no compare
 * delays.
 *
 * A promotion commits the newcomer first (MOVING), then the hint's page; then the table's entry
 * becomes the frame's, and the hint's page, which stays where it is, goes to SHARED at once.
 */
#include "bury.h"
#include "cow.h"
#include "group.h"
#include "invariant.h"
#include "run.h"

static uint32_t shared_word(bool code, share_frame frame)
{
    return share_word(code ? SHARE_WORD_CODE : SHARE_WORD_SHARED, frame);
}

static bool commit_word(const struct share_page_ref *page, uint32_t word)
{
    uint32_t owned = share_word(SHARE_WORD_OWNED, 0);
    return share_word_swap(page, &owned, word);
}

/* Before they can be broken again. */
static void count_framed(struct share_vm_object *vm, uint64_t pages, uint64_t code_pages)
{
    share_count(&vm->counts.framed_pages, pages);
    share_count(&vm->counts.code_pages, code_pages);
}

/* The page is on its frame now, and maps it. It has been counted. */
static void finish(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    share_item_drop_hint(run, item);
    share_item_tell(run, item, outcome);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(&item->page, shared_word(item->code, share_with(run, item)->frame));
    item->stage = SHARE_ITEM_DONE;
    run->progress++;
}

/* A committed page goes back to what it was: the remap was refused, or the partner was lost. The
 * caller gives that back. */
static void uncommit_to(struct share_run *run, struct share_item *item, uint32_t word,
                        enum share_outcome outcome)
{
    if (!run->share->immutable)
        share_unprotect(run->share, run->vm, item->ppn, item->mpn);
    share_item_tell(run, item, outcome);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(&item->page, word);
    item->stage = SHARE_ITEM_DONE;
    run->progress++;
}

static void uncommit(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    uncommit_to(run, item, share_item_word_before(item), outcome);
}

/* Pages of the run's own VM that are partners in promotions. They are counted together, before any
 * is on its frame: a count each would be a line that threads take from each other. */
struct own_partners {
    uint64_t pages, code_pages;
};

static bool is_promotion(struct share_run *run, const struct share_item *item)
{
    return item && share_with(run, item)->kind == SHARE_WITH_HINT;
}

static bool has_own_partner(struct share_run *run, const struct share_item *item)
{
    return is_promotion(run, item) && share_with(run, item)->vm == run->vm;
}

static struct own_partners find_own_partners(struct share_run *run)
{
    struct own_partners own = {0, 0};
    for (unsigned i = 0; i < run->matched_count; i++) {
        const struct share_item *item = share_matched_at(run, i, SHARE_ITEM_EQUAL);
        if (has_own_partner(run, item)) {
            own.pages++;
            own.code_pages += share_with(run, item)->code;
        }
    }
    return own;
}

/* Promotes: the hint's page and this one go on a new frame. False: a write has won. */
static bool commit_hint(struct share_run *run, struct share_item *item, share_frame frame)
{
    struct share *share = run->share;
    struct share_partner *with = share_with(run, item);
    share_frame_make(&share->frames, frame, with->mpn, run->group, 0, 2);
    share_step(SHARE_STEP_PARTNER);
    if (!commit_word(&with->page, share_word(SHARE_WORD_MOVING, 0))) {
        /* The frame was never seen by anyone. */
        share_frame_put(&share->frames, frame);
        share_frame_put(&share->frames, frame);
        share_frame_retire(&share->frames, frame);
        share_partner_release(run, item);
        uncommit(run, item, SHARE_BUSY);
        return false;
    }
    share_step(SHARE_STEP_PROMOTE);
    struct share_partition *part = share_table_lock(&share->table, item->hash);
    bool replaced =
        share_table_replace(part, item->hash, (struct share_hit){SHARE_KIND_HINT, with->page.id},
                            (struct share_hit){SHARE_KIND_FRAME, frame});
    share_table_unlock(part);
    share_assert(replaced && "the hint stands while its page is owned");
    with->frame = frame;
    if (with->vm != run->vm)
        count_framed(with->vm, 1, with->code);
    share_tell(share, &(struct share_event){.struct_size = sizeof(struct share_event),
                                            .kind = SHARE_EVENT_PARTNER,
                                            .vm = with->vm->number,
                                            .ppn = with->ppn,
                                            .mpn = with->mpn,
                                            .frame = frame});
    share_step(SHARE_STEP_RELEASE);
    share_word_set(&with->page, shared_word(with->code, frame));
    return true;
}

static void commit_zero(struct share_run *run, struct share_item *item)
{
    bool made;
    share_step(SHARE_STEP_PARTNER);
    share_frame frame = share_group_zero_get(run->share, run->group, item->mpn, &made);
    if (!frame) {
        uncommit(run, item, SHARE_BUSY);
        return;
    }
    share_mpn mpn = share_frame_view(&run->share->frames, frame).mpn;
    if (!made && mpn.n == item->mpn.n) { /* an alias: to remap it would free what it maps */
        share_item_drop_hint(run, item);
        uncommit_to(run, item, share_alias_for_ever(), SHARE_ALREADY);
        share_frame_leave(run->share, frame);
        return;
    }
    run->frames_taken += made;
    share_with(run, item)->frame = frame;
    share_with(run, item)->mpn = mpn;
    if (made) { /* on its own machine page: nothing to remap */
        count_framed(run->vm, 1, item->code);
        finish(run, item, SHARE_ZERO);
    }
}

/* Re-checks the claim, atomically: from here on a writer waits for the remap. False: a write has
 * won. */
static bool commit(struct share_run *run, struct share_item *item)
{
    share_step(SHARE_STEP_COMMIT);
    share_assert_internal(share_item_is_valid(run, item));
    if (!commit_word(&item->page, share_word(SHARE_WORD_MOVING, 0))) {
        share_item_release(run, item, SHARE_BUSY);
        return false;
    }
    item->stage = SHARE_ITEM_COMMITTED;
    return true;
}

/* Numbers for the frames of all promotions are taken at once, and what was not needed put back. */
static unsigned take_frames(struct share_run *run, share_frame *frames)
{
    unsigned count = 0;
    for (unsigned i = 0; i < run->matched_count; i++)
        count += is_promotion(run, share_matched_at(run, i, SHARE_ITEM_EQUAL));
    if (count)
        share_pool_take_some(&run->share->frames.pool, frames, count);
    for (unsigned i = 0; run->others && i < count; i++)
        share_frame_prefetch(&run->share->frames, frames[i]);
    run->frames_taken += count;
    return count;
}

static void commit_all(struct share_run *run)
{
    share_frame frames[SHARE_RUN_PAGES];
    unsigned taken = take_frames(run, frames), used = 0;
    struct own_partners own = find_own_partners(run);
    count_framed(run->vm, own.pages, own.code_pages);
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = share_matched_at(run, i, SHARE_ITEM_EQUAL);
        bool own_partner = has_own_partner(run, item);
        share_item_fetch_ahead(run, run->matched, run->matched_count, i);
        if (!item || !commit(run, item))
            continue;
        if (!is_promotion(run, item)) {
            if (share_with(run, item)->kind == SHARE_WITH_ZERO)
                commit_zero(run, item);
        } else if (commit_hint(run, item, frames[used++]) && own_partner) {
            own.pages--;
            own.code_pages -= share_with(run, item)->code;
        }
    }
    count_framed(run->vm, -own.pages, -own.code_pages); /* those that writes have won */
    while (used < taken)
        share_pool_put(&run->share->frames.pool, frames[used++]);
}

/* ---------------------------------------------------------------------------------- remap -- */

static enum share_outcome merged_outcome(struct share_run *run, const struct share_item *item)
{
    enum share_partner_kind kind = share_with(run, item)->kind;
    return kind == SHARE_WITH_HINT    ? SHARE_PROMOTED
           : kind == SHARE_WITH_FRAME ? SHARE_JOINED
                                      : SHARE_ZERO;
}

/* Counts the items that are about to be finished: all committed ones, or those of them whose answer
 * is yes. */
static void count_committed(struct share_run *run, const struct share_remap *answer)
{
    unsigned pages = 0, code_pages = 0;
    for (unsigned i = 0; i < run->matched_count; i++) {
        const struct share_item *item = share_matched_at(run, i, SHARE_ITEM_COMMITTED);
        if (item && (!answer || (answer++)->answer == SHARE_ANSWER_OK)) {
            pages++;
            code_pages += item->code;
        }
    }
    count_framed(run->vm, pages, code_pages);
}

static void remap_all(struct share_run *run)
{
    struct share *share = run->share;
    struct share_remap pages[SHARE_RUN_PAGES];
    share_mpn freed[SHARE_RUN_PAGES];
    size_t count = 0, freed_count = 0, answer = 0;
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = share_matched_at(run, i, SHARE_ITEM_COMMITTED);
        share_assert_internal(!item || share_item_is_valid(run, item));
        if (item)
            pages[count++] = (struct share_remap){.vm = share_ref_of(run->vm),
                                                  .ppn = item->ppn,
                                                  .from = item->mpn,
                                                  .to = share_with(run, item)->mpn,
                                                  .answer = SHARE_ANSWER_FAIL};
    }
    if (!count)
        return;
    share_step(SHARE_STEP_REMAP);
    share->ops.remap(share->ops_ctx, pages, count);
    count_committed(run, pages);
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = share_matched_at(run, i, SHARE_ITEM_COMMITTED);
        if (!item)
            continue;
        enum share_answer got = pages[answer++].answer;
        if (got == SHARE_ANSWER_OK) {
            freed[freed_count++] = item->mpn;
            finish(run, item, merged_outcome(run, item));
        } else {
            const struct share_partner *with = share_with(run, item);
            uncommit(run, item, share_outcome_of(got));
            if (with->kind == SHARE_WITH_HINT)
                share_frame_leave_partner(share, with->frame, with->vm->number, with->ppn);
            else
                share_frame_leave(share, with->frame);
        }
    }
    share_step(SHARE_STEP_FREE);
    if (freed_count) {
        share->ops.free(share->ops_ctx, freed, freed_count, SHARE_FREE_OWN);
        share_transit_arrived(&share->transit);
    }
}

static void finish_all(struct share_run *run)
{
    count_committed(run, NULL);
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = share_matched_at(run, i, SHARE_ITEM_COMMITTED);
        if (item)
            finish(run, item, merged_outcome(run, item));
    }
}

void share_run_commit(struct share_run *run)
{
    commit_all(run);
    if (run->share->immutable)
        finish_all(run);
    else
        remap_all(run);
}
