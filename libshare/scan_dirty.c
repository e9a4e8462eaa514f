/* SPDX-License-Identifier: MIT */
/* Pages that the caller told are dirty: a mark each in its chunk, looked at before all others. */
#include "enter.h"
#include "scan_batch.h"

static void count_dirty(struct share *share, struct share_vm_object *vm, uint64_t more)
{
    atomic_fetch_add(&vm->counts.dirty_pages, more);
    atomic_fetch_add(&share->scanner.dirty_pages, more);
}

void share_dirty_drop(struct share *share, struct share_vm_object *vm)
{
    count_dirty(share, vm, 0 - atomic_load(&vm->counts.dirty_pages));
}

void share_dirty_cut(struct share *share, struct share_vm_object *vm, share_ppn end)
{
    uint32_t id;
    uint64_t index = end.n >> SHARE_CHUNK_BITS, dropped = 0;
    for (; share_chunk_next(&share->pages, &vm->tree, &index, &id); index++) {
        struct share_chunk *chunk = share_pool_at(&share->pages.chunks, id);
        for (uint32_t i = 0; i < SHARE_MARK_WORDS; i++) {
            uint64_t first = (index << SHARE_CHUNK_BITS) + i * SHARE_MARK_BITS;
            uint64_t kept = first < end.n ? end.n - first : 0;
            uint32_t keep = kept < SHARE_MARK_BITS ? (UINT32_C(1) << kept) - 1 : UINT32_MAX;
            uint32_t was = atomic_fetch_and(&chunk->dirty[i], keep);
            dropped += (unsigned)__builtin_popcount(was & ~keep);
        }
    }
    count_dirty(share, vm, 0 - dropped);
}

/* Marks a page; false if memory for its chunk is refused. */
static bool mark(struct share *share, struct share_vm_object *vm, share_ppn ppn)
{
    struct share_page_ref page;
    if (!share_page_prepare(&share->pages, &vm->tree, vm->number, ppn, &page))
        return false;
    uint32_t slot = share_page_slot(&page), bit = UINT32_C(1) << slot % SHARE_MARK_BITS;
    if (!(atomic_fetch_or(&share_page_chunk(&page)->dirty[slot / SHARE_MARK_BITS], bit) & bit))
        count_dirty(share, vm, 1);
    return true;
}

/* The lowest `room` of the marks. */
static uint32_t lowest(uint32_t marks, size_t room)
{
    while ((unsigned)__builtin_popcount(marks) > room)
        marks &= ~(UINT32_C(1) << (SHARE_MARK_BITS - 1 - (unsigned)__builtin_clz(marks)));
    return marks;
}

/* Moves the marks of one chunk into the batch; false if the batch is full. */
static bool take_marks(struct share_chunk *chunk, struct share_batch *batch)
{
    for (uint32_t i = 0; i < SHARE_MARK_WORDS; i++) {
        uint32_t marks = atomic_load(&chunk->dirty[i]);
        marks = lowest(marks, batch->room - batch->count);
        if (marks)
            marks &= atomic_fetch_and(&chunk->dirty[i], ~marks);
        for (; marks; marks &= marks - 1) {
            uint32_t slot = i * SHARE_MARK_BITS + (uint32_t)__builtin_ctz(marks);
            batch->ppns[batch->count++].n = (uint64_t)chunk->index * SHARE_CHUNK_PAGES + slot;
            share_fetch_to_write((uintptr_t)&chunk->word[slot]); /* soon */
        }
    }
    return batch->count < batch->room;
}

/* Dirty pages of one VM, going on from where the last search in it stopped. */
static void collect_dirty(struct share *share, struct share_vm_object *vm,
                          struct share_batch *batch)
{
    uint64_t start = atomic_load(&vm->dirty_index), index = start;
    uint32_t chunk;
    bool room = true, wrapped = false;
    while (room && atomic_load(&vm->counts.dirty_pages) > batch->count) {
        if (!share_chunk_next(&share->pages, &vm->tree, &index, &chunk)) {
            if (wrapped)
                break;
            wrapped = true;
            index = 0;
            continue;
        }
        if (wrapped && index >= start)
            break;
        room = take_marks(share_pool_at(&share->pages.chunks, chunk), batch);
        index += room;
    }
    count_dirty(share, vm, 0 - (uint64_t)batch->count);
    atomic_store(&vm->dirty_index, index);
}

void share_take_dirty(struct share *share, struct share_batch *batch)
{
    struct share_scanner *scanner = &share->scanner;
    share_vm end = share_vm_end(share);
    if (!atomic_load(&scanner->dirty_pages))
        return;
    share_lock_take(&scanner->lock);
    share_vm first = scanner->dirty_vm < end ? scanner->dirty_vm : 0;
    share_lock_drop(&scanner->lock);
    for (share_vm i = 0; i < end && !batch->count; i++) {
        batch->vm = first + i < end ? first + i : first + i - end;
        struct share_vm_object *vm = share_vm_enter(share, batch->vm);
        if (!vm)
            continue;
        if (atomic_load(&vm->started) && atomic_load(&vm->counts.dirty_pages))
            collect_dirty(share, vm, batch);
        share_vm_leave(vm);
    }
    share_lock_take(&scanner->lock);
    scanner->dirty_vm = batch->vm;
    if (batch->count)
        share_batch_start(scanner, batch);
    share_lock_drop(&scanner->lock);
}

enum share_result share_dirty(struct share *share, share_vm number, const share_ppn *ppns,
                              size_t count)
{
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = vm ? SHARE_OK : SHARE_GONE;
    for (size_t i = 0; i < count && result == SHARE_OK; i++) {
        if (!share_ppn_valid(vm, ppns[i]))
            result = SHARE_INVALID;
        else if (!mark(share, vm, ppns[i]))
            result = SHARE_NOMEM;
    }
    if (vm)
        share_vm_leave(vm);
    share_gate_leave(share);
    return result;
}

bool share_mark_again(struct share *share, const struct share_batch *batch,
                      const enum share_outcome *outcomes)
{
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    bool any = false;
    for (size_t i = 0; vm && i < batch->count; i++)
        if (outcomes[i] == SHARE_BUSY || outcomes[i] == SHARE_ERROR)
            any |= mark(share, vm, batch->ppns[i]);
    if (vm)
        share_vm_leave(vm);
    return any;
}
