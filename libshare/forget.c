/* SPDX-License-Identifier: MIT */
/* Forgets: the caller has unmapped a page. See forget.h. */
#include "forget.h"
#include "enter.h"
#include "invariant.h"

void share_hint_drop(struct share *share, uint32_t word, uint32_t page_id)
{
    share_assert(share_word_state(word) == SHARE_WORD_HINTED);
    share_step(SHARE_STEP_DROP);
    bool found = share_table_remove(&share->table, share_word_hash(word), SHARE_HINT_HASH_BITS,
                                    (struct share_hit){SHARE_KIND_HINT, page_id});
    share_assert(found && "the hint of a page stands while its word says so");
    (void)found;
}

void share_count_left(struct share_vm_object *vm, uint32_t word)
{
    share_assert(atomic_load(&vm->counts.framed_pages) > 0);
    atomic_fetch_sub_explicit(&vm->counts.framed_pages, 1, memory_order_relaxed);
    if (share_word_state(word) == SHARE_WORD_CODE)
        atomic_fetch_sub_explicit(&vm->counts.code_pages, 1, memory_order_relaxed);
}

uint32_t share_page_take(struct share_burial *burial, const struct share_page_ref *page)
{
    for (;;) {
        uint32_t word = atomic_load(page->word);
        enum share_word_state state = share_word_state(word);
        if (word == share_word_none(0))
            return word;
        if (state == SHARE_WORD_BROKEN || state == SHARE_WORD_MOVING) {
            share_burial_end(burial); /* others may be waiting for it */
            share_page_sleep(page, word);
            continue;
        }
        share_step(SHARE_STEP_SWAP);
        if (state == SHARE_WORD_OWNED)
            share_word_swap(page, &word, share_word(SHARE_WORD_BROKEN, 0));
        else if (share_word_swap(page, &word, share_word(SHARE_WORD_MOVING, 0)))
            return word;
    }
}

static void leave_frame(struct share_burial *burial, struct share_vm_object *vm,
                        const struct share_page_ref *page, uint32_t word)
{
    struct share *share = burial->share;
    share_frame frame = share_word_frame(word);
    share_count_left(vm, word);
    share_tell(share, &(struct share_event){.struct_size = sizeof(struct share_event),
                                            .kind = SHARE_EVENT_FORGET,
                                            .vm = vm->number,
                                            .ppn = share_page_ppn(page),
                                            .mpn = share_frame_view(&share->frames, frame).mpn,
                                            .frame = frame});
    share_burial_expect(burial);
    share_burial_drop(burial, frame);
}

void share_page_end(struct share_burial *burial, struct share_vm_object *vm,
                    const struct share_page_ref *page, uint32_t word)
{
    struct share *share = burial->share;
    if (share_word_state(word) == SHARE_WORD_HINTED)
        share_hint_drop(share, word, page->id);
    if (share_word_is_alias(word))
        share_alias_drop(&share->aliases, word);
    if (share_word_on_frame(word))
        leave_frame(burial, vm, page, word);
    share_step(SHARE_STEP_RELEASE);
    share_word_set(page, share_word_none(0));
}

enum share_owner share_page_forget(struct share_burial *burial, struct share_vm_object *vm,
                                   const struct share_page_ref *page)
{
    share_assert(share_gate_is_entered(burial->share));
    uint32_t word = share_page_take(burial, page);
    if (word == share_word_none(0))
        return SHARE_OWNER_CALLER;
    bool framed = share_word_on_frame(word);
    share_count(&vm->counts.forgets, framed);
    share_page_end(burial, vm, page, word);
    return framed ? SHARE_OWNER_ENGINE : SHARE_OWNER_CALLER;
}

enum share_result share_page_unhint(struct share *share, struct share_vm_object *vm,
                                    const struct share_page_ref *page)
{
    struct share_burial burial;
    share_assert(share_gate_is_entered(share));
    share_burial_init(&burial, share);
    uint32_t word = share_page_take(&burial, page);
    if (share_word_on_frame(word)) /* perhaps since a moment ago: it is mapped, and stays */
        share_word_set(page, word);
    else if (word != share_word_none(0))
        share_page_end(&burial, vm, page, word);
    share_burial_end(&burial);
    return SHARE_OK;
}

/* Of a VM that is entered. */
static enum share_result forget_pages(struct share *share, struct share_vm_object *vm,
                                      const share_ppn *ppns, size_t count, enum share_owner *owners)
{
    enum share_result result = SHARE_OK;
    struct share_burial burial;
    share_burial_init(&burial, share);
    for (size_t i = 0; i < count; i++) {
        struct share_page_ref page;
        share_step(SHARE_STEP_FORGET);
        if (!share_ppn_valid(vm, ppns[i]))
            result = SHARE_INVALID;
        else if (share_page_find(&share->pages, &vm->tree, ppns[i], &page))
            owners[i] = share_page_forget(&burial, vm, &page);
    }
    share_burial_end(&burial);
    return result;
}

enum share_result share_forget_pages(struct share *share, share_vm number, const share_ppn *ppns,
                                     size_t count, enum share_owner *owners)
{
    for (size_t i = 0; i < count; i++)
        owners[i] = SHARE_OWNER_CALLER;
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        result = forget_pages(share, vm, ppns, count, owners);
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return result;
}

enum share_result share_forget(struct share *share, share_vm number, share_ppn ppn,
                               enum share_owner *owner)
{
    return share_forget_pages(share, number, &ppn, 1, owner);
}
