/* SPDX-License-Identifier: MIT */
/*
 * The last steps: protect, compare, commit, remap, free.
 *
 * *Protect before the deciding compare*: until both pages are write-protected, bytes that compare
 * equal prove nothing. From protect to commit a writer may win at any time: its break turns OWNED
 * into BROKEN, the commit's compare-and-swap fails, and the merge is given up. After the commit the
 * page is MOVING and a writer tries again until remap is done, which no compare delays.
 *
 * A promotion commits the newcomer first (MOVING), then the hint's page, which stays where it is and
 * so goes to SHARED at once; then the table's entry becomes the frame's.
 */
#include "compare.h"
#include "cow.h"
#include "group.h"
#include "run.h"
#include <assert.h>

#define VECTOR_MAX (2 * SHARE_RUN_PAGES)

static bool is_stage(const struct share_run *run, unsigned i, enum share_stage stage)
{
    return run->item[i].stage == stage;
}

/* The item ends without a merge: partner and page go back. */
static void give_up(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    share_partner_release(run, item, false);
    share_item_release(run, item, outcome);
}

/* -------------------------------------------------------------------------------- protect -- */

static enum share_outcome outcome_of(enum share_answer answer)
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
    item->with.code = with && with->answer == SHARE_ANSWER_READONLY;
    if (!granted(own->answer)) {
        share_partner_release(run, item, false);
        if (own->answer == SHARE_ANSWER_STALE)
            share_item_drop(run, item, SHARE_PAGE_GONE);
        else
            share_item_release(run, item, outcome_of(own->answer));
    } else if (with && with->answer == SHARE_ANSWER_STALE) {
        share_partner_release(run, item, true);
        item->replaced = true;
        item->stage = SHARE_ITEM_OPEN; /* stays protected: it will be released or merged */
        run->progress++;
    } else if (with && !granted(with->answer)) {
        give_up(run, item, outcome_of(with->answer));
    }
}

static void protect_all(struct share_run *run)
{
    struct share *share = run->share;
    struct share_protect pages[VECTOR_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < run->count; i++) {
        struct share_item *item = &run->item[i];
        if (item->stage != SHARE_ITEM_MATCHED)
            continue;
        pages[count++] = (struct share_protect){run->vm->number, item->ppn, item->mpn,
                                                SHARE_ANSWER_FAIL};
        if (item->with.kind == SHARE_WITH_HINT)
            pages[count++] = (struct share_protect){item->with.vm, item->with.ppn, item->with.mpn,
                                                    SHARE_ANSWER_FAIL};
    }
    if (!count)
        return;
    share_step(SHARE_STEP_PROTECT);
    share->ops.protect(share->ops_ctx, pages, count);
    const struct share_protect *answer = pages;
    for (unsigned i = 0; i < run->count; i++) {
        struct share_item *item = &run->item[i];
        if (item->stage != SHARE_ITEM_MATCHED)
            continue;
        const struct share_protect *own = answer++;
        take_answers(run, item, own, item->with.kind == SHARE_WITH_HINT ? answer++ : NULL);
    }
}

/* -------------------------------------------------------------------------------- compare -- */

/* Bytes differ though hashes were equal: what was it? Both pages are stable now. */
static void judge_difference(struct share_run *run, struct share_item *item, const void *own,
                             const void *with)
{
    if (share_hash_stable(run->secret, own) != item->hash) {
        share_partner_release(run, item, false);
        share_item_drop(run, item, SHARE_VOLATILE);
        return;
    }
    uint64_t hash = share_hash_stable(run->secret, with);
    if (hash == item->hash || (hash ^ item->hash) >> 28 == 0 ||
        item->with.kind == SHARE_WITH_FRAME) {
        share_item_tried(run, item, hash == item->hash);
        return;
    }
    share_partner_release(run, item, true);
    item->replaced = true;
    item->stage = SHARE_ITEM_OPEN;
    run->progress++;
}

static void compare_zero(struct share_run *run, struct share_item *item, const void *own)
{
    if (share_page_is_zero(own)) {
        item->stage = SHARE_ITEM_EQUAL;
    } else if (share_hash_stable(run->secret, own) != item->hash) {
        share_item_drop(run, item, SHARE_VOLATILE);
    } else {
        item->not_zero = true;
        item->stage = SHARE_ITEM_OPEN;
        run->progress++;
    }
}

static void compare(struct share_run *run, struct share_item *item)
{
    struct share *share = run->share;
    bool zero = item->with.kind == SHARE_WITH_ZERO;
    share_mpn with_mpn = item->with.mpn;
    share_step(SHARE_STEP_COMPARE);
    const void *own = share_peek(share, item->mpn);
    const void *with = zero ? NULL : share_peek(share, with_mpn);
    if (!own || (!zero && !with))
        give_up(run, item, SHARE_ERROR);
    else if (zero)
        compare_zero(run, item, own);
    else if (share_pages_equal(own, with))
        item->stage = SHARE_ITEM_EQUAL;
    else
        judge_difference(run, item, own, with);
    share_unpeek(share, item->mpn, own);
    if (!zero)
        share_unpeek(share, with_mpn, with);
}

/* --------------------------------------------------------------------------------- commit -- */

static uint32_t shared_word(bool code, share_frame frame)
{
    return share_word(code ? SHARE_WORD_CODE : SHARE_WORD_SHARED, frame);
}

static bool commit_word(const struct share_page_ref *page, uint32_t word)
{
    uint32_t owned = share_word(SHARE_WORD_OWNED, 0);
    return atomic_compare_exchange_strong(page->word, &owned, word);
}

static void count_framed(struct share_vm_object *vm, bool code)
{
    atomic_fetch_add_explicit(&vm->counts.framed_pages, 1, memory_order_relaxed);
    if (code)
        atomic_fetch_add_explicit(&vm->counts.code_pages, 1, memory_order_relaxed);
}

/* The page is on its frame now, and maps it. */
static void finish(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    if (item->hinted)
        share_hint_drop(run->share, item->was, item->page.id);
    count_framed(run->vm, item->code);
    atomic_store(item->page.word, shared_word(item->code, item->with.frame));
    item->stage = SHARE_ITEM_DONE;
    item->outcome = outcome;
    run->progress++;
}

/* A committed page goes back to private: the remap was refused, or the partner was lost. The frame's
 * reference has been dropped. */
static void uncommit(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    struct share_protect page = {run->vm->number, item->ppn, item->mpn, SHARE_ANSWER_OK};
    if (!run->share->immutable)
        run->share->ops.unprotect(run->share->ops_ctx, &page, 1);
    atomic_store(item->page.word, item->hinted ? item->was : share_word(SHARE_WORD_NONE, 0));
    item->stage = SHARE_ITEM_DONE;
    item->outcome = outcome;
    run->progress++;
}

/* Promotes: the hint's page and this one go on a new frame. */
static void commit_hint(struct share_run *run, struct share_item *item)
{
    struct share *share = run->share;
    struct share_partner *with = &item->with;
    share_frame frame = share_frame_new(&share->frames, with->mpn, run->group, false, 2);
    run->frames_made++;
    share_step(SHARE_STEP_PARTNER);
    if (!commit_word(&with->page, shared_word(with->code, frame))) {
        /* The frame was never seen by anyone. */
        share_frame_put(&share->frames, frame);
        share_frame_put(&share->frames, frame);
        share_frame_retire(&share->frames, frame);
        share_partner_release(run, item, false);
        uncommit(run, item, SHARE_BUSY);
        return;
    }
    struct share_partition *part = share_table_lock(&share->table, item->hash);
    bool replaced =
        share_table_replace(part, item->hash, (struct share_hit){SHARE_KIND_HINT, with->page.id},
                            (struct share_hit){SHARE_KIND_FRAME, frame});
    share_table_unlock(part);
    assert(replaced && "the hint stands while its page is owned");
    (void)replaced;
    with->frame = frame;
    count_framed(share_vm_at(share, with->vm), with->code);
}

static void commit_zero(struct share_run *run, struct share_item *item)
{
    bool made;
    share_frame frame = share_group_zero_get(run->share, run->group, item->mpn, &made);
    if (!frame) {
        uncommit(run, item, SHARE_BUSY);
        return;
    }
    run->frames_made += made;
    item->with.frame = frame;
    item->with.mpn = share_frame_view(&run->share->frames, frame).mpn;
    if (made) /* on its own machine page: nothing to remap */
        finish(run, item, SHARE_ZERO);
}

/* Re-checks the claim, atomically: from here on a writer waits for the remap. */
static void commit(struct share_run *run, struct share_item *item)
{
    share_step(SHARE_STEP_COMMIT);
    if (!commit_word(&item->page, share_word(SHARE_WORD_MOVING, 0))) {
        give_up(run, item, SHARE_BUSY);
        return;
    }
    item->stage = SHARE_ITEM_COMMITTED;
    if (item->with.kind == SHARE_WITH_HINT)
        commit_hint(run, item);
    else if (item->with.kind == SHARE_WITH_ZERO)
        commit_zero(run, item);
}

/* ---------------------------------------------------------------------------------- remap -- */

static enum share_outcome merged_outcome(const struct share_item *item)
{
    return item->with.kind == SHARE_WITH_HINT    ? SHARE_PROMOTED
           : item->with.kind == SHARE_WITH_FRAME ? SHARE_JOINED
                                                 : SHARE_ZERO;
}

static void remap_all(struct share_run *run)
{
    struct share *share = run->share;
    struct share_remap pages[SHARE_RUN_PAGES];
    share_mpn freed[SHARE_RUN_PAGES];
    size_t count = 0, freed_count = 0, answer = 0;
    for (unsigned i = 0; i < run->count; i++) {
        const struct share_item *item = &run->item[i];
        if (item->stage == SHARE_ITEM_COMMITTED)
            pages[count++] = (struct share_remap){run->vm->number, item->ppn, item->mpn,
                                                  item->with.mpn, false, SHARE_ANSWER_FAIL};
    }
    if (!count)
        return;
    share_step(SHARE_STEP_REMAP);
    share->ops.remap(share->ops_ctx, pages, count);
    for (unsigned i = 0; i < run->count; i++) {
        struct share_item *item = &run->item[i];
        if (item->stage != SHARE_ITEM_COMMITTED)
            continue;
        enum share_answer got = pages[answer++].answer;
        if (got == SHARE_ANSWER_OK) {
            freed[freed_count++] = item->mpn;
            finish(run, item, merged_outcome(item));
        } else {
            uncommit(run, item, outcome_of(got));
            share_frame_leave(share, item->with.frame);
        }
    }
    share_step(SHARE_STEP_FREE);
    if (freed_count)
        share->ops.free(share->ops_ctx, freed, freed_count);
}

static void finish_all(struct share_run *run)
{
    for (unsigned i = 0; i < run->count; i++)
        if (is_stage(run, i, SHARE_ITEM_COMMITTED))
            finish(run, &run->item[i], merged_outcome(&run->item[i]));
}

void share_run_merge(struct share_run *run)
{
    if (!run->share->immutable)
        protect_all(run);
    for (unsigned i = 0; i < run->count; i++)
        if (is_stage(run, i, SHARE_ITEM_MATCHED))
            compare(run, &run->item[i]);
    for (unsigned i = 0; i < run->count; i++)
        if (is_stage(run, i, SHARE_ITEM_EQUAL))
            commit(run, &run->item[i]);
    if (run->share->immutable)
        finish_all(run);
    else
        remap_all(run);
}
