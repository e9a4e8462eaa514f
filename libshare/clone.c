/* SPDX-License-Identifier: MIT */
/*
 * A fork of a VM: every page of the parent on a frame that the clone's page is on, too.
 *
 * A batch of pages at a time: claim, protect both sides with one vector, make frames of two
 * references for pages that were private, and join those that stand. A page that somebody owns or
 * has pinned is left to the caller, who copies it. An error takes the clone's pages off again, and
 * makes the parent's private in place, since each is the last one of its frame then.
 */
#include "bury.h"
#include "cow.h"
#include "enter.h"
#include "forget.h"
#include "ops.h"

#define BATCH_PAGES 64u

struct twin {
    struct share_page_ref page, clone;
    share_ppn ppn;
    share_mpn mpn;
    share_frame
        frame; /* that the parent's page is on, with a reference for the clone; 0: private */
    bool code, clone_code, busy;
};

struct cloning {
    struct share *share;
    struct share_vm_object *parent, *child;
    share_ppn *busy;
    size_t busy_room, *busy_count;
    share_ppn *made; /* of the parent, private before */
    size_t made_count, made_room;
    struct twin twin[BATCH_PAGES];
    size_t count;
};

/* -------------------------------------------------------------------------------- collect -- */

static bool note_busy(struct cloning *cloning, share_ppn ppn)
{
    if (*cloning->busy_count == cloning->busy_room)
        return false;
    cloning->busy[(*cloning->busy_count)++] = ppn;
    return true;
}

/* Claims the parent's page, or takes a reference on its frame. False: somebody owns it, or others
 * map its machine page, too. */
static bool claim(struct cloning *cloning, struct twin *twin)
{
    struct share *share = cloning->share;
    uint32_t word = atomic_load(twin->page.word);
    if (share_word_on_frame(word)) {
        twin->frame = share_page_get_frame(share, &twin->page, &word);
        if (twin->frame)
            twin->mpn = share_frame_view(&share->frames, twin->frame).mpn;
        return twin->frame != 0;
    }
    bool owned = share_word_state(word) == SHARE_WORD_OWNED ||
                 share_word_state(word) == SHARE_WORD_BROKEN ||
                 share_word_state(word) == SHARE_WORD_MOVING;
    if (owned || share_word_is_alias(word) ||
        !share_word_swap(&twin->page, &word, share_word(SHARE_WORD_MOVING, 0)))
        return false;
    if (share_word_state(word) == SHARE_WORD_HINTED)
        share_hint_drop(share, word, twin->page.id);
    return true;
}

/* Claims as many pages from *next on as make a batch. */
static enum share_result collect(struct cloning *cloning, share_ppn *next)
{
    struct share *share = cloning->share;
    struct share_vm_object *parent = cloning->parent, *child = cloning->child;
    cloning->count = 0;
    while (cloning->count < BATCH_PAGES && next->n < parent->end.n) {
        struct twin *twin = &cloning->twin[cloning->count];
        *twin = (struct twin){.frame = 0};
        if (!share_next_present(share, parent, *next, &twin->ppn))
            break;
        if (!share_page_prepare(&share->pages, &parent->tree, parent->number, twin->ppn,
                                &twin->page) ||
            !share_page_prepare(&share->pages, &child->tree, child->number, twin->ppn,
                                &twin->clone))
            return SHARE_NOMEM;
        next->n = twin->ppn.n + 1;
        if (!claim(cloning, twin)) {
            if (!note_busy(cloning, twin->ppn))
                return SHARE_RETRY;
            continue;
        }
        cloning->count++;
        if (!twin->frame && share_resolve(share, parent, twin->ppn, &twin->mpn) != SHARE_PRESENT)
            return SHARE_FAIL;
    }
    return SHARE_OK;
}

/* -------------------------------------------------------------------------------- protect -- */

static struct share_protect to_protect(const struct share_vm_object *vm, const struct twin *twin)
{
    return (struct share_protect){
        .vm = share_ref_of(vm), .ppn = twin->ppn, .mpn = twin->mpn, .answer = SHARE_ANSWER_FAIL};
}

/* What became of one twin: `answer` is the clone's, and then the parent's if that was private. */
static enum share_result take_answers(struct cloning *cloning, struct twin *twin,
                                      const struct share_protect *answer)
{
    enum share_result clone = share_result_of_protect(answer->answer);
    enum share_result parent = twin->frame ? SHARE_OK : share_result_of_protect(answer[1].answer);
    twin->clone_code = answer->answer == SHARE_ANSWER_READONLY;
    twin->code = !twin->frame && answer[1].answer == SHARE_ANSWER_READONLY;
    twin->busy = clone == SHARE_RETRY || parent == SHARE_RETRY;
    if (twin->busy)
        return note_busy(cloning, twin->ppn) ? SHARE_OK : SHARE_RETRY;
    return clone != SHARE_OK ? clone : parent;
}

static enum share_result protect(struct cloning *cloning)
{
    struct share *share = cloning->share;
    struct share_protect pages[2 * BATCH_PAGES];
    size_t count = 0;
    for (size_t i = 0; i < cloning->count; i++) {
        pages[count++] = to_protect(cloning->child, &cloning->twin[i]);
        if (!cloning->twin[i].frame)
            pages[count++] = to_protect(cloning->parent, &cloning->twin[i]);
    }
    if (count) {
        share_step(SHARE_STEP_PROTECT);
        share->ops.protect(share->ops_ctx, pages, count);
    }
    enum share_result result = SHARE_OK;
    const struct share_protect *answer = pages;
    for (size_t i = 0; i < cloning->count && result == SHARE_OK; i++) {
        result = take_answers(cloning, &cloning->twin[i], answer);
        answer += cloning->twin[i].frame ? 1 : 2;
    }
    return result;
}

/* Gives a twin back: neither side is protected for it any more. */
static void give_back(struct cloning *cloning, const struct twin *twin)
{
    struct share *share = cloning->share;
    share_unprotect(share, cloning->child, twin->ppn, twin->mpn);
    if (twin->frame) {
        share_frame_leave(share, twin->frame);
        return;
    }
    share_unprotect(share, cloning->parent, twin->ppn, twin->mpn);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(&twin->page, share_word_none(0));
}

/* --------------------------------------------------------------------------------- commit -- */

static void put_on_frame(struct cloning *cloning, struct share_vm_object *vm,
                         const struct share_page_ref *page, const struct twin *twin, bool code)
{
    share_count(&vm->counts.framed_pages, 1);
    share_count(&vm->counts.code_pages, code);
    share_tell(cloning->share, &(struct share_event){.struct_size = sizeof(struct share_event),
                                                     .kind = SHARE_EVENT_ADOPT,
                                                     .vm = vm->number,
                                                     .ppn = twin->ppn,
                                                     .mpn = twin->mpn,
                                                     .frame = twin->frame});
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, share_word(code ? SHARE_WORD_CODE : SHARE_WORD_SHARED, twin->frame));
}

static void commit(struct cloning *cloning, struct twin *twin)
{
    struct share *share = cloning->share;
    bool was_private = !twin->frame;
    if (was_private) {
        twin->frame = share_pool_take(&share->frames.pool);
        share_frame_make(&share->frames, twin->frame, twin->mpn,
                         atomic_load(&cloning->parent->group), SHARE_FRAME_OUTSIDE, 2);
        cloning->made[cloning->made_count++] = twin->ppn;
    }
    uint32_t none = share_word_none(0);
    bool claimed = share_word_swap(&twin->clone, &none, share_word(SHARE_WORD_MOVING, 0));
    share_assert(claimed && "nobody knows the clone's pages yet");
    (void)claimed;
    put_on_frame(cloning, cloning->child, &twin->clone, twin, twin->clone_code);
    if (was_private)
        put_on_frame(cloning, cloning->parent, &twin->page, twin, twin->code);
}

/* Room for a batch more. */
static bool reserve_made(struct cloning *cloning)
{
    struct share_mem *mem = &cloning->share->mem;
    if (cloning->made_count + BATCH_PAGES <= cloning->made_room)
        return true;
    size_t room = 2 * (cloning->made_room + BATCH_PAGES);
    share_ppn *made = share_mem_new(mem, room * sizeof *made, SHARE_LINE_NBYTES);
    if (!made)
        return false;
    for (size_t i = 0; i < cloning->made_count; i++)
        made[i] = cloning->made[i];
    share_mem_free(mem, cloning->made, cloning->made_room * sizeof *made);
    cloning->made = made;
    cloning->made_room = room;
    return true;
}

static enum share_result clone_batch(struct cloning *cloning, share_ppn *next)
{
    struct share_pool *frames = &cloning->share->frames.pool;
    if (!reserve_made(cloning) || !share_pool_reserve(frames, BATCH_PAGES))
        return SHARE_NOMEM;
    enum share_result result = collect(cloning, next);
    if (result == SHARE_OK)
        result = protect(cloning);
    size_t taken = cloning->made_count;
    for (size_t i = 0; i < cloning->count; i++) {
        if (result != SHARE_OK || cloning->twin[i].busy)
            give_back(cloning, &cloning->twin[i]);
        else
            commit(cloning, &cloning->twin[i]);
    }
    share_pool_unreserve(frames, BATCH_PAGES - (uint32_t)(cloning->made_count - taken));
    return result;
}

/* ----------------------------------------------------------------------------------- call -- */

/* Nobody maps the child's pages yet: they leave their frames, and their protection goes. */
static void undo_page(struct cloning *cloning, struct share_burial *burial,
                      const struct share_page_ref *page)
{
    struct share *share = cloning->share;
    uint32_t word = atomic_load(page->word);
    if (!share_word_on_frame(word))
        return;
    share_mpn mpn = share_frame_view(&share->frames, share_word_frame(word)).mpn;
    (void)share_page_forget(burial, cloning->child, page);
    share_unprotect(share, cloning->child, share_page_ppn(page), mpn);
}

static void undo(struct cloning *cloning)
{
    struct share *share = cloning->share;
    uint32_t chunk;
    struct share_burial burial;
    share_burial_init(&burial, share);
    for (uint64_t index = 0; share_chunk_next(&share->pages, &cloning->child->tree, &index, &chunk);
         index++)
        for (uint32_t slot = 0; slot < SHARE_CHUNK_PAGES; slot++) {
            struct share_page_ref page =
                share_page_at(&share->pages, chunk << SHARE_CHUNK_BITS | slot);
            undo_page(cloning, &burial, &page);
        }
    share_burial_end(&burial);
    for (size_t i = 0; i < cloning->made_count; i++) {
        struct share_page_ref page;
        if (share_page_find(&share->pages, &cloning->parent->tree, cloning->made[i], &page))
            (void)share_page_unshare(share, cloning->parent, &page);
    }
}

/* Is the child fit to become a clone? */
static bool is_fresh(const struct share_vm_object *parent, const struct share_vm_object *child)
{
    return parent != child && !atomic_load(&child->started) &&
           !atomic_load(&child->counts.framed_pages) &&
           atomic_load(&parent->group) == atomic_load(&child->group) &&
           child->begin.n <= parent->begin.n && child->end.n >= parent->end.n;
}

static enum share_result clone_all(struct cloning *cloning)
{
    share_ppn next = cloning->parent->begin;
    enum share_result result = SHARE_OK;
    share_transit_begin(&cloning->share->transit);
    do
        result = clone_batch(cloning, &next);
    while (result == SHARE_OK && cloning->count == BATCH_PAGES);
    if (result != SHARE_OK)
        undo(cloning);
    share_transit_end(&cloning->share->transit);
    share_mem_free(&cloning->share->mem, cloning->made, cloning->made_room * sizeof *cloning->made);
    return result;
}

/* Neither VM changes its group meanwhile. */
static enum share_result clone_pinned(struct cloning *cloning)
{
    enum share_result result = SHARE_RETRY;
    if (!share_offers_enter(cloning->parent))
        return SHARE_RETRY;
    if (share_offers_enter(cloning->child)) {
        result = is_fresh(cloning->parent, cloning->child) ? clone_all(cloning) : SHARE_INVALID;
        share_offers_leave(cloning->child);
    }
    share_offers_leave(cloning->parent);
    return result;
}

enum share_result share_vm_clone(struct share *share, share_vm parent, share_vm child,
                                 share_ppn *busy, size_t busy_room, size_t *busy_count)
{
    *busy_count = 0;
    if (share->immutable)
        return SHARE_INVALID;
    share_gate_enter(share);
    struct cloning cloning = {.share = share,
                              .parent = share_vm_enter(share, parent),
                              .child = share_vm_enter(share, child),
                              .busy = busy,
                              .busy_room = busy_room,
                              .busy_count = busy_count};
    enum share_result result = SHARE_GONE;
    if (cloning.parent && cloning.child)
        result = clone_pinned(&cloning);
    if (cloning.child)
        share_vm_leave(cloning.child);
    if (cloning.parent)
        share_vm_leave(cloning.parent);
    share_gate_leave(share);
    return result;
}
