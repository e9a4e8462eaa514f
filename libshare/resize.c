/* SPDX-License-Identifier: MIT */
/*
 * A VM's range grows and shrinks, as memory is plugged and unplugged.
 *
 * Chunks of words go with what is unplugged, and any call may be reading them: so this stops the
 * engine, as share_check does.
 */
#include "enter.h"
#include "ranges.h"
#include "scan.h"

/* Is anything known of a page from `end` on? */
static bool is_known_from(struct share *share, const struct share_vm_object *vm, share_ppn end)
{
    uint32_t id;
    uint64_t index = end.n >> SHARE_CHUNK_BITS;
    for (; share_chunk_next(&share->pages, &vm->tree, &index, &id); index++) {
        const struct share_chunk *chunk = share_pool_at(&share->pages.chunks, id);
        for (uint32_t slot = 0; slot < SHARE_CHUNK_PAGES; slot++)
            if ((index << SHARE_CHUNK_BITS | slot) >= end.n &&
                atomic_load(&chunk->word[slot]) != share_word_none(0))
                return true;
    }
    return false;
}

static enum share_result shrink(struct share *share, struct share_vm_object *vm, share_ppn end)
{
    struct share_range beyond = {end.n, vm->end.n};
    if (is_known_from(share, vm, end))
        return SHARE_INVALID;
    if (atomic_load(&vm->alone.count) && !share_ranges_set(&vm->alone, &share->mem, beyond, false))
        return SHARE_NOMEM;
    share_dirty_cut(share, vm, end);
    share_tree_cut(&share->pages, &vm->tree, (end.n + SHARE_CHUNK_PAGES - 1) >> SHARE_CHUNK_BITS);
    share_stretches_drop(share); /* the next pass counts anew */
    vm->end = end;
    return SHARE_OK;
}

static enum share_result resize(struct share *share, struct share_vm_object *vm, share_ppn end)
{
    if (end.n <= vm->begin.n || end.n > SHARE_PPN_END)
        return SHARE_INVALID;
    if (end.n < vm->end.n)
        return shrink(share, vm, end);
    vm->end = end;
    return SHARE_OK;
}

enum share_result share_vm_resize(struct share *share, share_vm number, share_ppn end)
{
    share_gate_close(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        result = resize(share, vm, end);
        share_vm_leave(vm);
    }
    share_gate_open(share);
    return result;
}
