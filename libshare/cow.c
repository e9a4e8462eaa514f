/* SPDX-License-Identifier: MIT */
/*
 * Breaks and forgets: a page leaves its frame, with a copy, with the last reference, or for good.
 *
 * The order matters. A break copies and remaps before it drops its reference, so the frame cannot
 * be freed under the copy. The last reference goes from one to zero, the frame leaves the table,
 * and only then is the page unprotected: whoever would join meanwhile finds no reference to take,
 * and sees a miss. *Flush the TLB before a frame is reused*: remap has done so when it returns.
 */
#include "cow.h"
#include "enter.h"
#include "group.h"
#include "invariant.h"
#include "ops.h"
#include <string.h>

/* Takes a frame without references out of table or group, where it is found by its content: the
 * page is still protected, so the hash is what it was. */
static void unlink_frame(struct share *share, share_frame frame)
{
    struct share_frame_view view = share_frame_view(&share->frames, frame);
    share_assert(view.refs == 0);
    share_step(SHARE_STEP_UNLINK);
    if (view.outside)
        return;
    if (view.zero) {
        share_group_zero_unlink(share, view.group, frame);
        return;
    }
    struct share_hit entry = {SHARE_KIND_FRAME, frame};
    const void *bytes = share_peek(share, view.mpn);
    bool found = false;
    if (bytes) {
        uint64_t hash = share_hash_stable(&share_group_at(share, view.group)->secret, bytes);
        found = share_table_remove(&share->table, hash, SHARE_ENTRY_HASH_BITS, entry);
        share_unpeek(share, view.mpn, bytes);
    }
    if (!found) /* somebody wrote the page past its protection */
        found = share_table_remove_anywhere(&share->table, entry);
    share_assert(found);
}

/* Of a frame that has lost its last reference. */
static void bury(struct share *share, share_frame frame)
{
    struct share_frame_view view = share_frame_view(&share->frames, frame);
    unlink_frame(share, frame);
    share_step(SHARE_STEP_FREE);
    if (!share->immutable)
        share->ops.free(share->ops_ctx, &view.mpn, 1, view.keep ? SHARE_FREE_KEPT : SHARE_FREE_OWN);
    share_step(SHARE_STEP_RETIRE);
    share_frame_retire(&share->frames, frame);
}

void share_frame_leave(struct share *share, share_frame frame)
{
    if (share_frame_put(&share->frames, frame))
        bury(share, frame);
    share_transit_arrived(&share->transit);
}

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

void share_hint_drop(struct share *share, uint32_t word, uint32_t page_id)
{
    share_assert(share_word_state(word) == SHARE_WORD_HINTED);
    share_step(SHARE_STEP_DROP);
    bool found = share_table_remove(&share->table, share_word_hash(word), SHARE_HINT_HASH_BITS,
                                    (struct share_hit){SHARE_KIND_HINT, page_id});
    share_assert(found && "the hint of a page stands while its word says so");
    (void)found;
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

static void count_left(struct share_vm_object *vm, uint32_t word)
{
    share_assert(atomic_load(&vm->counts.framed_pages) > 0);
    atomic_fetch_sub_explicit(&vm->counts.framed_pages, 1, memory_order_relaxed);
    if (share_word_state(word) == SHARE_WORD_CODE)
        atomic_fetch_sub_explicit(&vm->counts.code_pages, 1, memory_order_relaxed);
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
    unlink_frame(share, frame);
    share_unprotect(share, vm, share_page_ppn(page), mpn);
    count_left(vm, word);
    tell(share, SHARE_EVENT_BREAK_LAST, vm, share_page_ppn(page), mpn, frame);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, share_word_none(pace));
    share_step(SHARE_STEP_RETIRE);
    share_frame_retire(&share->frames, frame);
    share_count(&vm->counts.breaks_last, 1);
    return true;
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

/* Copies the frame's bytes to a new page of the VM and maps it writable. */
static enum share_result copy_and_map(struct share *share, struct share_vm_object *vm,
                                      share_ppn ppn, share_mpn from, share_mpn *to)
{
    void *fresh;
    if (!share_alloc_page(share, vm, to, &fresh))
        return SHARE_NOMEM;
    share_step(SHARE_STEP_COPY);
    const void *bytes = share_peek(share, from);
    struct share_remap remap = {.vm = share_ref_of(vm),
                                .ppn = ppn,
                                .from = from,
                                .to = *to,
                                .writable = true,
                                .answer = SHARE_ANSWER_FAIL};
    if (bytes) {
        memcpy(fresh, bytes, SHARE_PAGE_SIZE);
        share_unpeek(share, from, bytes);
        share->ops.remap(share->ops_ctx, &remap, 1);
    }
    if (remap.answer != SHARE_ANSWER_OK)
        share->ops.free(share->ops_ctx, to, 1, SHARE_FREE_OWN);
    return result_of(remap.answer);
}

/* The page gets a copy of its own if it is not the only one of its frame, or if that is kept. */
static enum share_result break_moving(struct share *share, struct share_vm_object *vm,
                                      const struct share_page_ref *page, uint32_t word,
                                      unsigned pace)
{
    share_frame frame = share_word_frame(word);
    struct share_frame_view view = share_frame_view(&share->frames, frame);
    share_mpn from = view.mpn, to;
    if (!view.keep && break_last(share, vm, page, word, pace))
        return SHARE_OK;
    enum share_result result = copy_and_map(share, vm, share_page_ppn(page), from, &to);
    if (result != SHARE_OK) {
        share_step(SHARE_STEP_RELEASE);
        share_word_set(page, word);
        return result;
    }
    count_left(vm, word);
    tell(share, SHARE_EVENT_BREAK, vm, share_page_ppn(page), to, frame);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, share_word_none(pace));
    share_step(SHARE_STEP_MAPPED);
    share_frame_leave(share, frame);
    share_count(&vm->counts.breaks_copied, 1);
    return SHARE_OK;
}

/* The caller has made the page MOVING; `word` is what it was. Its pace is `pace` then. */
static enum share_result break_shared(struct share *share, struct share_vm_object *vm,
                                      const struct share_page_ref *page, uint32_t word,
                                      unsigned pace)
{
    uint32_t arrived = share_transit_begin(&share->transit);
    enum share_result result = break_moving(share, vm, page, word, pace);
    if (result == SHARE_NOMEM && share_transit_brings(&share->transit, arrived))
        result = SHARE_RETRY;
    share_transit_end(&share->transit);
    return result;
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

static enum share_result break_page(struct share *share, struct share_vm_object *vm,
                                    const struct share_page_ref *page)
{
    for (;;) {
        share_step(SHARE_STEP_BREAK);
        uint32_t word = atomic_load(page->word);
        switch (share_word_state(word)) {
        case SHARE_WORD_NONE:
        case SHARE_WORD_HINTED:
        case SHARE_WORD_NO_MATCH:
            return SHARE_OK;
        case SHARE_WORD_OWNED:
        case SHARE_WORD_BROKEN: /* its owner may have protected it after an earlier break */
            if (break_look(share, vm, page, word))
                return SHARE_OK;
            break;
        case SHARE_WORD_MOVING:
            share_count(&vm->counts.breaks_retried, 1);
            return SHARE_RETRY;
        case SHARE_WORD_SHARED:
        case SHARE_WORD_CODE:
            share_step(SHARE_STEP_SWAP);
            if (!share_word_swap(page, &word, share_word(SHARE_WORD_MOVING, 0)))
                continue;
            bool again = share_page_note_break(page);
            return break_shared(share, vm, page, word, again ? SHARE_PACE_BROKEN : 0);
        }
    }
}

enum share_result share_break(struct share *share, share_vm number, share_ppn ppn)
{
    if (share->immutable)
        return SHARE_INVALID;
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        struct share_page_ref page;
        result = !share_ppn_valid(vm, ppn) ? SHARE_INVALID
                 : share_page_find(&share->pages, &vm->tree, ppn, &page)
                     ? break_page(share, vm, &page)
                     : SHARE_OK;
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return result;
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

/* The word of a page, which is now MOVING and the caller's; or of one of which nothing is known,
 * not even a pace, and which stays so. Waits while others own the page. */
static uint32_t take_from_all(const struct share_page_ref *page)
{
    for (;;) {
        uint32_t word = atomic_load(page->word);
        enum share_word_state state = share_word_state(word);
        if (word == share_word_none(0))
            return word;
        share_step(SHARE_STEP_SWAP);
        if (state == SHARE_WORD_OWNED)
            share_word_swap(page, &word, share_word(SHARE_WORD_BROKEN, 0));
        else if (state != SHARE_WORD_BROKEN && state != SHARE_WORD_MOVING &&
                 share_word_swap(page, &word, share_word(SHARE_WORD_MOVING, 0)))
            return word;
        else if (state == SHARE_WORD_BROKEN || state == SHARE_WORD_MOVING)
            share_page_sleep(page, word);
    }
}

/* Ends what is known of a page, MOVING and the caller's; `word` is what it was. */
static void end_page(struct share *share, struct share_vm_object *vm,
                     const struct share_page_ref *page, uint32_t word)
{
    if (share_word_state(word) == SHARE_WORD_HINTED)
        share_hint_drop(share, word, page->id);
    if (share_word_is_alias(word))
        share_alias_drop(&share->aliases, word);
    if (share_word_on_frame(word)) {
        share_frame frame = share_word_frame(word);
        count_left(vm, word);
        tell(share, SHARE_EVENT_FORGET, vm, share_page_ppn(page),
             share_frame_view(&share->frames, frame).mpn, frame);
        share_transit_begin(&share->transit);
        share_frame_leave(share, frame);
        share_transit_end(&share->transit);
    }
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, share_word_none(0));
}

enum share_owner share_page_forget(struct share *share, struct share_vm_object *vm,
                                   const struct share_page_ref *page)
{
    share_assert(share_gate_is_entered(share));
    uint32_t word = take_from_all(page);
    if (word == share_word_none(0))
        return SHARE_OWNER_CALLER;
    bool framed = share_word_on_frame(word);
    share_count(&vm->counts.forgets, framed);
    end_page(share, vm, page, word);
    return framed ? SHARE_OWNER_ENGINE : SHARE_OWNER_CALLER;
}

enum share_result share_page_unshare(struct share *share, struct share_vm_object *vm,
                                     const struct share_page_ref *page)
{
    share_assert(share_gate_is_entered(share));
    uint32_t word = take_from_all(page);
    if (word == share_word_none(0))
        return SHARE_OK;
    if (share_word_on_frame(word) && !share->immutable)
        return break_shared(share, vm, page, word, 0);
    if (share_word_is_alias(word)) { /* in any group */
        share_word_set(page, word);
        return SHARE_OK;
    }
    end_page(share, vm, page, word);
    return SHARE_OK;
}

enum share_result share_page_unhint(struct share *share, struct share_vm_object *vm,
                                    const struct share_page_ref *page)
{
    share_assert(share_gate_is_entered(share));
    uint32_t word = take_from_all(page);
    if (share_word_on_frame(word)) /* perhaps since a moment ago: it is mapped, and stays */
        share_word_set(page, word);
    else if (word != share_word_none(0))
        end_page(share, vm, page, word);
    return SHARE_OK;
}

enum share_result share_forget(struct share *share, share_vm number, share_ppn ppn,
                               enum share_owner *owner)
{
    *owner = SHARE_OWNER_CALLER;
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        struct share_page_ref page;
        result = share_ppn_valid(vm, ppn) ? SHARE_OK : SHARE_INVALID;
        share_step(SHARE_STEP_FORGET);
        if (result == SHARE_OK && share_page_find(&share->pages, &vm->tree, ppn, &page))
            *owner = share_page_forget(share, vm, &page);
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return result;
}
