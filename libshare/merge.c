/* SPDX-License-Identifier: MIT */
/*
 * The last steps: protect, compare, commit, remap, free.
 *
 * *Protect before the deciding compare*: until both pages are write-protected, bytes that compare
 * equal prove nothing. From protect to commit a writer may win at any time: its break turns OWNED
 * into BROKEN, the commit's compare-and-swap fails, and the merge is given up. After the commit the
 * page is MOVING and a writer tries again until remap is done, which no compare delays.
 *
 * A promotion commits the newcomer first (MOVING), then the hint's page, which stays where it is
 * and so goes to SHARED at once; then the table's entry becomes the frame's.
 */
#include "compare.h"
#include "cow.h"
#include "group.h"
#include "run.h"
#include <assert.h>

#define VECTOR_MAX (2 * SHARE_RUN_PAGES)

/* The i-th matched item, if it has come to this stage and not left it; else NULL. */
static struct share_item *matched_at(struct share_run *run, unsigned i, enum share_stage stage)
{
    struct share_item *item = &run->item[run->matched[i]];
    return item->stage == stage ? item : NULL;
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
    share_with(run, item)->code = with && with->answer == SHARE_ANSWER_READONLY;
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
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = matched_at(run, i, SHARE_ITEM_MATCHED);
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
        struct share_item *item = matched_at(run, i, SHARE_ITEM_MATCHED);
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
        give_up(run, item, SHARE_BUSY);
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
        give_up(run, item, SHARE_ERROR);
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
        struct share_item *item = matched_at(run, i, SHARE_ITEM_MATCHED);
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

/* Before they can be broken again. */
static void count_framed(struct share_vm_object *vm, unsigned pages, unsigned code_pages)
{
    share_count(&vm->counts.framed_pages, pages);
    share_count(&vm->counts.code_pages, code_pages);
}

/* The page is on its frame now, and maps it. It has been counted. */
static void finish(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    if (item->hinted)
        share_hint_drop(run->share, item->was, item->page.id);
    share_step(SHARE_STEP_RELEASE);
    atomic_store_explicit(item->page.word, shared_word(item->code, share_with(run, item)->frame),
                          memory_order_release);
    item->stage = SHARE_ITEM_DONE;
    item->outcome = (uint8_t)outcome;
    run->progress++;
}

/* A committed page goes back to private: the remap was refused, or the partner was lost. The
 * frame's reference has been dropped. */
static void uncommit(struct share_run *run, struct share_item *item, enum share_outcome outcome)
{
    struct share_protect page = {run->vm->number, item->ppn, item->mpn, SHARE_ANSWER_OK};
    if (!run->share->immutable)
        run->share->ops.unprotect(run->share->ops_ctx, &page, 1);
    share_step(SHARE_STEP_RELEASE);
    atomic_store(item->page.word, item->hinted ? item->was : share_word(SHARE_WORD_NONE, 0));
    item->stage = SHARE_ITEM_DONE;
    item->outcome = (uint8_t)outcome;
    run->progress++;
}

/* Promotes: the hint's page and this one go on a new frame. */
static void commit_hint(struct share_run *run, struct share_item *item, share_frame frame)
{
    struct share *share = run->share;
    struct share_partner *with = share_with(run, item);
    share_frame_make(&share->frames, frame, with->mpn, run->group, false, 2);
    share_step(SHARE_STEP_PARTNER);
    if (!commit_word(&with->page, share_word(SHARE_WORD_MOVING, 0))) {
        /* The frame was never seen by anyone. */
        share_frame_put(&share->frames, frame);
        share_frame_put(&share->frames, frame);
        share_frame_retire(&share->frames, frame);
        share_partner_release(run, item, false);
        uncommit(run, item, SHARE_BUSY);
        return;
    }
    share_step(SHARE_STEP_PROMOTE);
    struct share_partition *part = share_table_lock(&share->table, item->hash);
    bool replaced =
        share_table_replace(part, item->hash, (struct share_hit){SHARE_KIND_HINT, with->page.id},
                            (struct share_hit){SHARE_KIND_FRAME, frame});
    share_table_unlock(part);
    assert(replaced && "the hint stands while its page is owned");
    (void)replaced;
    with->frame = frame;
    count_framed(share_vm_at(share, with->vm), 1, with->code);
    share_step(SHARE_STEP_RELEASE);
    atomic_store_explicit(with->page.word, shared_word(with->code, frame), memory_order_release);
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
    if (!made && mpn.n == item->mpn.n) { /* to remap it would free what it maps */
        uncommit(run, item, SHARE_ALREADY);
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
    if (!commit_word(&item->page, share_word(SHARE_WORD_MOVING, 0))) {
        give_up(run, item, SHARE_BUSY);
        return false;
    }
    item->stage = SHARE_ITEM_COMMITTED;
    return true;
}

static bool is_promotion(struct share_run *run, const struct share_item *item)
{
    return item && share_with(run, item)->kind == SHARE_WITH_HINT;
}

/* Numbers for the frames of all promotions are taken at once, and what was not needed put back. */
static void commit_all(struct share_run *run)
{
    share_frame frames[SHARE_RUN_PAGES];
    uint32_t taken = 0, used = 0;
    for (unsigned i = 0; i < run->matched_count; i++)
        taken += is_promotion(run, matched_at(run, i, SHARE_ITEM_EQUAL));
    if (taken)
        share_pool_take_some(&run->share->frames.pool, frames, taken);
    run->frames_taken += taken;
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = matched_at(run, i, SHARE_ITEM_EQUAL);
        if (!item || !commit(run, item))
            continue;
        if (is_promotion(run, item))
            commit_hint(run, item, frames[used++]);
        else if (share_with(run, item)->kind == SHARE_WITH_ZERO)
            commit_zero(run, item);
    }
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
        const struct share_item *item = matched_at(run, i, SHARE_ITEM_COMMITTED);
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
        struct share_item *item = matched_at(run, i, SHARE_ITEM_COMMITTED);
        if (item)
            pages[count++] = (struct share_remap){run->vm->number, item->ppn,
                                                  item->mpn,       share_with(run, item)->mpn,
                                                  false,           SHARE_ANSWER_FAIL};
    }
    if (!count)
        return;
    share_step(SHARE_STEP_REMAP);
    share->ops.remap(share->ops_ctx, pages, count);
    count_committed(run, pages);
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = matched_at(run, i, SHARE_ITEM_COMMITTED);
        if (!item)
            continue;
        enum share_answer got = pages[answer++].answer;
        if (got == SHARE_ANSWER_OK) {
            freed[freed_count++] = item->mpn;
            finish(run, item, merged_outcome(run, item));
        } else {
            uncommit(run, item, outcome_of(got));
            share_frame_leave(share, share_with(run, item)->frame);
        }
    }
    share_step(SHARE_STEP_FREE);
    if (freed_count)
        share->ops.free(share->ops_ctx, freed, freed_count);
}

static void finish_all(struct share_run *run)
{
    count_committed(run, NULL);
    for (unsigned i = 0; i < run->matched_count; i++) {
        struct share_item *item = matched_at(run, i, SHARE_ITEM_COMMITTED);
        if (item)
            finish(run, item, merged_outcome(run, item));
    }
}

void share_run_merge(struct share_run *run)
{
    if (!run->matched_count)
        return;
    if (!run->share->immutable)
        protect_all(run);
    compare_all(run);
    commit_all(run);
    if (run->share->immutable)
        finish_all(run);
    else
        remap_all(run);
}
