/* SPDX-License-Identifier: MIT */
/*
 * Breaks: a page leaves its frame with a copy, or with the last reference and without one.
 *
 * The order matters. A break copies and remaps before it drops its reference, so the frame cannot
 * be freed under the copy. The last reference goes from one to zero, the frame leaves the table,
 * and only then is the page unprotected: whoever would join meanwhile finds no reference to take,
 * and sees a miss.
 *
 * Pages that are broken together are copied one by one and mapped by one remap. Where memory is
 * refused, those that have copies go first: the next page may then be the last one of its frame.
 */
#include "cow.h"
#include "enter.h"
#include "forget.h"
#include "invariant.h"
#include "ops.h"
#include <string.h>

/* The page is ours for that moment: else its reference might go, and the frame with it. */
share_frame share_page_get_frame(struct share *share, const struct share_page_ref *page,
                                 uint32_t *word)
{
    *word = atomic_load(page->word);
    share_frame frame = share_word_frame(*word);
    uint32_t expected = *word;
    share_step(SHARE_STEP_SWAP);
    if (!share_word_on_frame(*word) ||
        !share_word_swap(page, &expected, share_word(SHARE_WORD_MOVING, 0)))
        return 0;
    bool held = share_frame_get(&share->frames, frame);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, *word);
    return held ? frame : 0;
}

static void tell(struct share *share, enum share_event_kind kind, const struct share_vm_object *vm,
                 share_ppn ppn, share_mpn mpn, share_frame frame)
{
    share_tell(share, &(struct share_event){.struct_size = sizeof(struct share_event),
                                            .kind = kind,
                                            .vm = vm->number,
                                            .ppn = ppn,
                                            .mpn = mpn,
                                            .frame = frame});
}

/* The only page of its frame becomes private in place, with this pace. False if there are other
 * references. */
static bool break_last(struct share *share, struct share_vm_object *vm,
                       const struct share_page_ref *page, uint32_t word, unsigned pace)
{
    share_frame frame = share_word_frame(word);
    share_mpn mpn = share_frame_view(&share->frames, frame).mpn;
    share_assert_internal(share_frame_is_valid(&share->frames, frame));
    if (!share_frame_put_if_last(&share->frames, frame))
        return false;
    share_frame_unlink(share, frame);
    share_unprotect(share, vm, share_page_ppn(page), mpn);
    share_count_left(vm, word);
    tell(share, SHARE_EVENT_BREAK_LAST, vm, share_page_ppn(page), mpn, frame);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, share_word_none(pace));
    share_step(SHARE_STEP_RETIRE);
    share_frame_retire(&share->frames, frame);
    share_count(&vm->counts.breaks_last, 1);
    return true;
}

/* The page of this VM, MOVING and the caller's, if it is on this frame, on which the caller holds a
 * reference. The word that it had; 0: it is not. */
static uint32_t take_from_frame(struct share *share, struct share_vm_object *vm, share_ppn ppn,
                                share_frame frame, struct share_page_ref *page)
{
    if (!share_page_find(&share->pages, &vm->tree, ppn, page))
        return 0;
    uint32_t word = atomic_load(page->word);
    bool on_it = share_word_on_frame(word) && share_word_frame(word) == frame;
    return on_it && share_word_swap(page, &word, share_word(SHARE_WORD_MOVING, 0)) ? word : 0;
}

void share_frame_leave_partner(struct share *share, share_frame frame, share_vm number,
                               share_ppn ppn)
{
    struct share_vm_object *vm = share_vm_enter(share, number);
    struct share_page_ref page = {0};
    uint32_t word = vm ? take_from_frame(share, vm, ppn, frame, &page) : 0;
    share_frame_leave(share, frame);
    if (word && !break_last(share, vm, &page, word, 0)) {
        share_step(SHARE_STEP_RELEASE);
        share_word_set(&page, word);
    }
    if (vm)
        share_vm_leave(vm);
}

static enum share_result result_of(enum share_answer answer)
{
    switch (answer) {
    case SHARE_ANSWER_OK:
        return SHARE_OK;
    case SHARE_ANSWER_STALE:
    case SHARE_ANSWER_BUSY:
        return SHARE_RETRY;
    default:
        return SHARE_FAIL;
    }
}

/* A page that is MOVING and the caller's, and has a copy that is not mapped yet. */
struct breaking {
    struct share_page_ref page;
    uint32_t word; /* what it was */
    unsigned pace; /* what it is to have */
    enum share_result *result;
};

#define BREAKS_ROOM 32u

struct breaks {
    struct share_vm_object *vm;
    struct share_burial burial;
    unsigned count;
    struct breaking breaking[BREAKS_ROOM];
    struct share_remap remap[BREAKS_ROOM]; /* an element each */
};

static void breaks_init(struct breaks *breaks, struct share *share, struct share_vm_object *vm)
{
    breaks->vm = vm;
    breaks->count = 0;
    share_burial_init(&breaks->burial, share);
}

/* The page stays on its frame, for a reason. */
static void refuse(const struct breaking *breaking, enum share_result result)
{
    share_step(SHARE_STEP_RELEASE);
    share_word_set(&breaking->page, breaking->word);
    *breaking->result = result;
}

/* What became of the page's remap. */
static void finish(struct breaks *breaks, const struct breaking *breaking,
                   const struct share_remap *remap)
{
    struct share *share = breaks->burial.share;
    struct share_vm_object *vm = breaks->vm;
    if (remap->answer != SHARE_ANSWER_OK) {
        share->ops.free(share->ops_ctx, &remap->to, 1, SHARE_FREE_OWN);
        refuse(breaking, result_of(remap->answer));
        return;
    }
    share_frame frame = share_word_frame(breaking->word);
    share_count_left(vm, breaking->word);
    tell(share, SHARE_EVENT_BREAK, vm, remap->ppn, remap->to, frame);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(&breaking->page, share_word_none(breaking->pace));
    share_step(SHARE_STEP_MAPPED);
    share_burial_drop(&breaks->burial, frame);
    share_count(&vm->counts.breaks_copied, 1);
    *breaking->result = SHARE_OK;
}

static void breaks_flush(struct breaks *breaks)
{
    struct share *share = breaks->burial.share;
    if (breaks->count)
        share->ops.remap(share->ops_ctx, breaks->remap, breaks->count);
    for (unsigned i = 0; i < breaks->count; i++)
        finish(breaks, &breaks->breaking[i], &breaks->remap[i]);
    breaks->count = 0;
    share_burial_flush(&breaks->burial);
}

static void breaks_end(struct breaks *breaks)
{
    breaks_flush(breaks);
    share_burial_end(&breaks->burial);
}

/* Copies the frame's bytes to a new page of the VM, for *remap to map it writable. */
static enum share_result copy(struct breaks *breaks, const struct breaking *breaking,
                              share_mpn from, struct share_remap *remap)
{
    struct share *share = breaks->burial.share;
    void *fresh;
    *remap = (struct share_remap){.vm = share_ref_of(breaks->vm),
                                  .ppn = share_page_ppn(&breaking->page),
                                  .from = from,
                                  .writable = true,
                                  .answer = SHARE_ANSWER_FAIL};
    if (!share_alloc_page(share, breaks->vm, &remap->to, &fresh))
        return SHARE_NOMEM;
    share_step(SHARE_STEP_COPY);
    const void *bytes = share_peek(share, from);
    if (!bytes) {
        share->ops.free(share->ops_ctx, &remap->to, 1, SHARE_FREE_OWN);
        return SHARE_FAIL;
    }
    memcpy(fresh, bytes, SHARE_PAGE_SIZE);
    share_unpeek(share, from, bytes);
    return SHARE_OK;
}

/* Begins with a page, MOVING and the caller's: what becomes of it is known after the next flush at
 * the latest. It gets a copy of its own if it is not the only one of its frame, or if that is kept.
 */
static void break_moving(struct breaks *breaks, const struct breaking *breaking)
{
    struct share *share = breaks->burial.share;
    struct share_frame_view view =
        share_frame_view(&share->frames, share_word_frame(breaking->word));
    share_burial_expect(&breaks->burial);
    for (;;) {
        uint32_t arrived = share_transit_arrivals(&share->transit);
        if (!view.keep &&
            break_last(share, breaks->vm, &breaking->page, breaking->word, breaking->pace)) {
            *breaking->result = SHARE_OK;
            return;
        }
        enum share_result result = copy(breaks, breaking, view.mpn, &breaks->remap[breaks->count]);
        if (result == SHARE_NOMEM && breaks->count) {
            breaks_flush(breaks);
            continue;
        }
        if (result == SHARE_NOMEM && share_transit_brings(&share->transit, arrived))
            result = SHARE_RETRY;
        if (result == SHARE_OK)
            breaks->breaking[breaks->count++] = *breaking;
        else
            refuse(breaking, result);
        break;
    }
    if (breaks->count == BREAKS_ROOM)
        breaks_flush(breaks);
}

/* A write to a page that somebody looks at, protected or not yet: the write wins. The payload
 * counts writers in here, and the owner leaves BROKEN only at none: so this unprotect cannot strip
 * a page that a later merge has protected. False: the word changed, look again. */
static bool break_look(struct share *share, struct share_vm_object *vm,
                       const struct share_page_ref *page, uint32_t word)
{
    bool first = share_word_state(word) == SHARE_WORD_OWNED;
    uint32_t broken = first ? share_word(SHARE_WORD_BROKEN, 1) : word + 1;
    share_step(SHARE_STEP_SWAP);
    if (!share_word_swap(page, &word, broken))
        return false;
    share_mpn mpn = {0};
    (void)share_resolve(share, vm, share_page_ppn(page), &mpn);
    share_step(SHARE_STEP_COPY);
    share_unprotect(share, vm, share_page_ppn(page), mpn);
    share_word_writer_leaves(page);
    if (first)
        share_count(&vm->counts.breaks_abandoned, 1);
    return true;
}

static void break_page(struct breaks *breaks, const struct share_page_ref *page,
                       enum share_result *result)
{
    struct share *share = breaks->burial.share;
    *result = SHARE_OK;
    for (;;) {
        share_step(SHARE_STEP_BREAK);
        uint32_t word = atomic_load(page->word);
        switch (share_word_state(word)) {
        case SHARE_WORD_NONE:
        case SHARE_WORD_HINTED:
        case SHARE_WORD_NO_MATCH:
            return;
        case SHARE_WORD_OWNED:
        case SHARE_WORD_BROKEN: /* its owner may have protected it after an earlier break */
            if (break_look(share, breaks->vm, page, word))
                return;
            break;
        case SHARE_WORD_MOVING:
            share_count(&breaks->vm->counts.breaks_retried, 1);
            *result = SHARE_RETRY;
            return;
        case SHARE_WORD_SHARED:
        case SHARE_WORD_CODE:
            share_step(SHARE_STEP_SWAP);
            if (!share_word_swap(page, &word, share_word(SHARE_WORD_MOVING, 0)))
                continue;
            bool again = share_page_note_break(page);
            break_moving(breaks,
                         &(struct breaking){*page, word, again ? SHARE_PACE_BROKEN : 0, result});
            return;
        }
    }
}

/* Of a VM that is entered. */
static void break_pages(struct share *share, struct share_vm_object *vm, const share_ppn *ppns,
                        size_t count, enum share_result *results)
{
    struct breaks breaks;
    breaks_init(&breaks, share, vm);
    for (size_t i = 0; i < count; i++) {
        struct share_page_ref page;
        results[i] = share_ppn_valid(vm, ppns[i]) ? SHARE_OK : SHARE_INVALID;
        if (results[i] == SHARE_OK && share_page_find(&share->pages, &vm->tree, ppns[i], &page))
            break_page(&breaks, &page, &results[i]);
    }
    breaks_end(&breaks);
}

enum share_result share_break_pages(struct share *share, share_vm number, const share_ppn *ppns,
                                    size_t count, enum share_result *results)
{
    if (share->immutable)
        return SHARE_INVALID;
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    if (vm) {
        break_pages(share, vm, ppns, count, results);
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return vm ? SHARE_OK : SHARE_GONE;
}

enum share_result share_break(struct share *share, share_vm number, share_ppn ppn)
{
    enum share_result of_page, result = share_break_pages(share, number, &ppn, 1, &of_page);
    return result == SHARE_OK ? of_page : result;
}

/* Sleeps while a page is being moved; if it is not, while memory is on its way. */
static void wait_for(struct share *share, const struct share_page_ref *page)
{
    uint32_t word = atomic_load(page->word);
    if (share_word_state(word) != SHARE_WORD_MOVING)
        share_transit_wait(&share->transit);
    for (; share_word_state(word) == SHARE_WORD_MOVING; word = atomic_load(page->word))
        share_page_sleep(page, word);
}

enum share_result share_wait(struct share *share, share_vm number, share_ppn ppn)
{
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        struct share_page_ref page;
        result = share_ppn_valid(vm, ppn) ? SHARE_OK : SHARE_INVALID;
        if (result == SHARE_OK && share_page_find(&share->pages, &vm->tree, ppn, &page))
            wait_for(share, &page);
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return result;
}

enum share_result share_page_unshare(struct share *share, struct share_vm_object *vm,
                                     const struct share_page_ref *page)
{
    share_assert(share_gate_is_entered(share));
    struct breaks breaks;
    breaks_init(&breaks, share, vm);
    uint32_t word = share_page_take(&breaks.burial, page);
    enum share_result result = SHARE_OK;
    if (word == share_word_none(0))
        return SHARE_OK;
    if (share_word_is_alias(word)) { /* in any group */
        share_word_set(page, word);
        return SHARE_OK;
    }
    if (share_word_on_frame(word) && !share->immutable)
        break_moving(&breaks, &(struct breaking){*page, word, 0, &result});
    else
        share_page_end(&breaks.burial, vm, page, word);
    breaks_end(&breaks);
    return result;
}
