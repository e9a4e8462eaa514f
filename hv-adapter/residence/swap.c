/* SPDX-License-Identifier: MIT */
/* Paging by the VMM. See swap.h. */
#include "residence/swap.h"

#include <stdlib.h>
#include <string.h>

#include "prng.h"
#include "world/vm_state.h"

enum { SLOTS_MAX = 1 << 24, TRIES_A_PAGE = 32 };

void hv_swap_init(struct hv_swap *swap)
{
    *swap = (struct hv_swap){.ready = false};
    pthread_mutex_init(&swap->lock, NULL);
}

void hv_swap_fini(struct hv_swap *swap)
{
    if (swap->ready)
        hv_store_fini(&swap->store);
    free(swap->free);
    pthread_mutex_destroy(&swap->lock);
}

/* Room for a slot to be given back is made when it is handed out: giving back cannot fail. */
static bool take_slot_locked(struct hv_swap *swap, uint32_t *slot)
{
    if (!swap->ready && !hv_store_init(&swap->store, (uint64_t)SLOTS_MAX * HV_PAGE_BYTES))
        return false;
    swap->ready = true;
    if (swap->free_count > 0) {
        *slot = swap->free[--swap->free_count];
        return true;
    }
    if (swap->next == SLOTS_MAX)
        return false;
    if (swap->next == swap->free_room) {
        uint32_t room = swap->free_room ? swap->free_room * 2 : 1024;
        uint32_t *more = realloc(swap->free, room * sizeof *more);
        if (!more)
            return false;
        swap->free = more;
        swap->free_room = room;
    }
    *slot = swap->next++;
    return true;
}

static bool take_slot(struct hv_swap *swap, uint32_t *slot)
{
    pthread_mutex_lock(&swap->lock);
    bool taken = take_slot_locked(swap, slot);
    pthread_mutex_unlock(&swap->lock);
    return taken;
}

static void give_slot(struct hv_swap *swap, uint32_t slot)
{
    pthread_mutex_lock(&swap->lock);
    swap->free[swap->free_count++] = slot;
    pthread_mutex_unlock(&swap->lock);
}

static uint32_t *slot_of(const struct hv_vm *vm, hv_ppn ppn)
{
    return &vm->swap.slot[ppn.n - vm->map.begin.n];
}

static bool find_elsewhere(struct hv_vm *vm, hv_ppn ppn)
{
    enum share_outcome outcome = SHARE_ERROR;
    share_ppn offered = {ppn.n};
    if (!vm->offered || share_offer(vm->world->share, vm->share, &offered, 1, &outcome) != SHARE_OK)
        return false;
    return outcome == SHARE_PROMOTED || outcome == SHARE_JOINED || outcome == SHARE_ZERO;
}

/* The page has machine memory of its own. (One that is pinned will be refused by who drops it.) */
static bool is_candidate(struct hv_vm *vm, hv_ppn ppn)
{
    pthread_mutex_lock(&vm->lock);
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    bool is = hv_physmap_is_present(page) && !(page->reasons & HV_REASON_SHARING);
    pthread_mutex_unlock(&vm->lock);
    return is;
}

static bool write_out(struct hv_vm *vm, hv_ppn ppn)
{
    uint8_t bytes[HV_PAGE_BYTES];
    struct hv_swap *swap = &vm->world->swap;
    uint32_t slot;
    if (!vm->swap.slot)
        vm->swap.slot = malloc((vm->map.end.n - vm->map.begin.n) * sizeof *vm->swap.slot);
    if (!vm->swap.slot || !take_slot(swap, &slot))
        return false;
    hv_mpn mpn = {hv_physmap_at(&vm->map, ppn)->mpn};
    memcpy(bytes, hv_machine_page(&vm->world->machine, mpn), sizeof bytes);
    if (!hv_store_write(&swap->store, (uint64_t)slot * HV_PAGE_BYTES, bytes, sizeof bytes) ||
        !hv_share_drop_page(vm, ppn, HV_PAGE_SWAPPED)) {
        give_slot(swap, slot);
        return false;
    }
    *slot_of(vm, ppn) = slot;
    vm->swap.pages++;
    vm->swap.out++;
    return true;
}

bool hv_swap_page_out(struct hv_vm *vm, hv_ppn ppn)
{
    if (!is_candidate(vm, ppn))
        return false;
    if (find_elsewhere(vm, ppn)) {
        vm->swap.shared++;
        return true;
    }
    return write_out(vm, ppn);
}

uint64_t hv_swap_reclaim(struct hv_vm *vm, uint64_t pages)
{
    uint64_t done = 0, size = vm->map.end.n - vm->map.begin.n;
    for (uint64_t tries = 0; size && done < pages && tries < pages * TRIES_A_PAGE; tries++)
        done += hv_swap_page_out(
            vm, (hv_ppn){vm->map.begin.n + hv_random_next(&vm->swap.random) % size});
    return done;
}

bool hv_swap_peek(const struct hv_vm *vm, hv_ppn ppn, size_t offset, void *bytes, size_t nbytes)
{
    return hv_store_read(&vm->world->swap.store,
                         (uint64_t)*slot_of(vm, ppn) * HV_PAGE_BYTES + offset, bytes, nbytes);
}

bool hv_swap_page_in(struct hv_vm *vm, hv_ppn ppn, void *page)
{
    if (!hv_swap_peek(vm, ppn, 0, page, HV_PAGE_BYTES))
        return false;
    hv_swap_forget(vm, ppn);
    vm->swap.in++;
    return true;
}

void hv_swap_forget(struct hv_vm *vm, hv_ppn ppn)
{
    give_slot(&vm->world->swap, *slot_of(vm, ppn));
    hv_physmap_at(&vm->map, ppn)->state &= (uint8_t)~HV_PAGE_SWAPPED;
    vm->swap.pages--;
}

void hv_swap_leave(struct hv_vm *vm)
{
    for (hv_ppn ppn = vm->map.begin; vm->swap.pages && ppn.n < vm->map.end.n; ppn.n++)
        if (hv_physmap_at(&vm->map, ppn)->state & HV_PAGE_SWAPPED)
            hv_swap_forget(vm, ppn);
    free(vm->swap.slot);
    vm->swap.slot = NULL;
}
