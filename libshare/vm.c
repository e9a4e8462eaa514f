/* SPDX-License-Identifier: MIT */
/* VMs: adding, removing, moving to another group. */
#include "cow.h"
#include "enter.h"
#include "forget.h"
#include "group.h"
#include <string.h>

static void set_state(struct share_vm_object *vm, enum share_vm_state to)
{
    share_assert(share_vm_may_become((enum share_vm_state)atomic_load(&vm->state), to));
    atomic_store(&vm->state, to);
}

/* Has a VM left nothing behind? Of one that is FREE, or about to be. */
static bool is_empty(const struct share_vm_object *vm)
{
    return !atomic_load(&vm->offers) && !atomic_load(&vm->regrouping) &&
           !atomic_load(&vm->tree.root) && !atomic_load(&vm->counts.framed_pages) &&
           !atomic_load(&vm->counts.code_pages) && !atomic_load(&vm->counts.dirty_pages);
}

/* One VM more in a group that lives. Admin lock held. */
static struct share_group_object *join_group(struct share *share, share_group group)
{
    if (group >= share_pool_end(&share->groups) - 1)
        return NULL;
    struct share_group_object *object = share_group_at(share, group);
    if (!atomic_load(&object->live))
        return NULL;
    atomic_fetch_add(&object->vms, 1);
    return object;
}

static void leave_group(struct share *share, share_group group)
{
    struct share_group_object *object = share_group_at(share, group);
    share_assert(atomic_load(&object->live) && atomic_load(&object->vms) > 0);
    atomic_fetch_sub(&object->vms, 1);
}

enum share_result share_vm_add(struct share *share, share_group group, share_ppn begin,
                               share_ppn end, void *owner, share_vm *out)
{
    if (begin.n >= end.n || end.n > SHARE_PPN_END)
        return SHARE_INVALID;
    if (!share_pool_reserve(&share->vms, 1))
        return SHARE_NOMEM;
    share_lock_take(&share->admin);
    struct share_group_object *object = join_group(share, group);
    if (object) {
        share_vm number = share_pool_take(&share->vms) - 1;
        struct share_vm_object *vm = share_vm_at(share, number);
        share_assert_internal(is_empty(vm));
        if (vm->number != number) /* who looked at the last one of that number may read it still */
            vm->number = number;
        vm->owner = owner;
        atomic_store(&vm->started, 0);
        vm->begin = begin;
        vm->end = end;
        atomic_store(&vm->regrouping, 0);
        atomic_store(&vm->dirty_index, 0);
        atomic_store(&vm->group, group);
        set_state(vm, SHARE_VM_LIVE);
        *out = number;
    } else {
        share_pool_unreserve(&share->vms, 1);
    }
    share_lock_drop(&share->admin);
    return object ? SHARE_OK : SHARE_GONE;
}

enum share_result share_vm_start(struct share *share, share_vm number)
{
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    if (vm) {
        atomic_store(&vm->started, 1);
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return vm ? SHARE_OK : SHARE_GONE;
}

/* Adds a VM's counters to the engine's, and clears them. Its gauges are zero by now. */
static void keep_counts(struct share *share, struct share_vm_object *vm)
{
    _Atomic uint64_t *from = (_Atomic uint64_t *)&vm->counts;
    _Atomic uint64_t *to = (_Atomic uint64_t *)&share->gone;
    for (size_t i = 0; i < sizeof vm->counts / sizeof *from; i++)
        share_count(&to[i], atomic_exchange(&from[i], 0));
}

static void forget_all(struct share *share, struct share_vm_object *vm)
{
    uint32_t chunk;
    struct share_burial burial;
    share_burial_init(&burial, share);
    for (uint64_t index = 0; share_chunk_next(&share->pages, &vm->tree, &index, &chunk); index++) {
        share_step(SHARE_STEP_FORGET);
        for (uint32_t slot = 0; slot < SHARE_CHUNK_PAGES; slot++) {
            struct share_page_ref page =
                share_page_at(&share->pages, chunk << SHARE_CHUNK_BITS | slot);
            share_page_forget(&burial, vm, &page);
        }
    }
    share_burial_end(&burial);
}

/* Is every page's word NONE? O(pages looked at). */
static bool is_forgotten(struct share *share, struct share_vm_object *vm)
{
    bool forgotten = true;
    uint32_t chunk;
    for (uint64_t index = 0; share_chunk_next(&share->pages, &vm->tree, &index, &chunk); index++) {
        const struct share_chunk *at = share_pool_at(&share->pages.chunks, chunk);
        for (uint32_t slot = 0; slot < SHARE_CHUNK_PAGES; slot++)
            forgotten = forgotten && atomic_load(&at->word[slot]) == share_word_none(0);
    }
    return forgotten;
}

enum share_result share_vm_remove(struct share *share, share_vm number)
{
    share_gate_enter(share);
    uint32_t live = SHARE_VM_LIVE;
    struct share_vm_object *vm = number < share_vm_end(share) ? share_vm_at(share, number) : NULL;
    bool ours = vm && atomic_compare_exchange_strong(&vm->state, &live, SHARE_VM_DYING);
    if (ours) {
        share_step(SHARE_STEP_ENTER);
        share_sleep_until_none(&vm->users);
        forget_all(share, vm);
        share_assert_expensive(is_forgotten(share, vm));
        share_tree_drop(&share->pages, &vm->tree);
        share_ranges_fini(&vm->alone, &share->mem);
        share_dirty_drop(share, vm);
        share_stretches_drop(share);
        share_table_trim(&share->table);
        share_assert_internal(is_empty(vm));
        keep_counts(share, vm);
        leave_group(share, atomic_load(&vm->group));
        set_state(vm, SHARE_VM_FREE);
        share_pool_put(&share->vms, number + 1);
    }
    share_gate_leave(share);
    return ours ? SHARE_OK : SHARE_GONE;
}

typedef enum share_result (*page_fn)(struct share *share, struct share_vm_object *vm,
                                     const struct share_page_ref *page);

/* Each page of a range that may be known, until one is not OK. */
static enum share_result for_pages(struct share *share, struct share_vm_object *vm,
                                   struct share_range range, page_fn each)
{
    uint32_t chunk;
    uint64_t index = range.begin >> SHARE_CHUNK_BITS;
    for (; share_chunk_next(&share->pages, &vm->tree, &index, &chunk); index++)
        for (uint32_t slot = 0; slot < SHARE_CHUNK_PAGES; slot++) {
            struct share_page_ref page =
                share_page_at(&share->pages, chunk << SHARE_CHUNK_BITS | slot);
            uint64_t ppn = index << SHARE_CHUNK_BITS | slot;
            enum share_result result = SHARE_OK;
            if (ppn >= range.end)
                return SHARE_OK;
            if (ppn >= range.begin)
                result = each(share, vm, &page);
            if (result != SHARE_OK)
                return result;
        }
    return SHARE_OK;
}

/* Not while an offer of the VM is under way, and none begins: then `group_off`. False: somebody
 * else has the offers off. */
static bool offers_off(struct share_vm_object *vm)
{
    uint32_t idle = 0;
    if (!atomic_compare_exchange_strong(&vm->regrouping, &idle, 1))
        return false;
    share_step(SHARE_STEP_ENTER);
    share_sleep_until_none(&vm->offers);
    return true;
}

static void offers_on(struct share_vm_object *vm)
{
    atomic_store(&vm->regrouping, 0);
}

/* With the VM pinned: one regrouping at a time, and no offer of the VM meanwhile. */
static enum share_result regroup(struct share *share, struct share_vm_object *vm, share_group group)
{
    if (!offers_off(vm))
        return SHARE_RETRY;
    share_lock_take(&share->admin);
    struct share_group_object *target = join_group(share, group);
    share_lock_drop(&share->admin);
    enum share_result result = SHARE_GONE;
    if (target) {
        result =
            for_pages(share, vm, (struct share_range){vm->begin.n, vm->end.n}, share_page_unshare);
        share_group left = result == SHARE_OK ? atomic_exchange(&vm->group, group) : group;
        leave_group(share, left);
    }
    offers_on(vm);
    return result;
}

enum share_result share_vm_regroup(struct share *share, share_vm number, share_group group)
{
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        result = atomic_load(&vm->group) == group ? SHARE_OK : regroup(share, vm, group);
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return result;
}

/* ---------------------------------------------------------------------------------- ranges -- */

static bool range_of(const struct share_vm_object *vm, share_ppn first, uint64_t count,
                     struct share_range *range)
{
    *range = (struct share_range){first.n, first.n + count};
    return share_ppn_valid(vm, first) && count && count <= vm->end.n - first.n;
}

enum share_result share_unshare(struct share *share, share_vm number, share_ppn first,
                                uint64_t count)
{
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        struct share_range range;
        result = range_of(vm, first, count, &range)
                     ? for_pages(share, vm, range, share_page_unshare)
                     : SHARE_INVALID;
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return result;
}

static enum share_result leave_alone(struct share *share, struct share_vm_object *vm,
                                     struct share_range range)
{
    if (!offers_off(vm))
        return SHARE_RETRY;
    bool set = share_ranges_set(&vm->alone, &share->mem, range, true);
    if (set)
        (void)for_pages(share, vm, range, share_page_unhint);
    offers_on(vm);
    return set ? SHARE_OK : SHARE_NOMEM;
}

enum share_result share_leave_alone(struct share *share, share_vm number, share_ppn first,
                                    uint64_t count, bool alone)
{
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        struct share_range range;
        if (!range_of(vm, first, count, &range))
            result = SHARE_INVALID;
        else if (alone)
            result = leave_alone(share, vm, range);
        else
            result =
                share_ranges_set(&vm->alone, &share->mem, range, false) ? SHARE_OK : SHARE_NOMEM;
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return result;
}
