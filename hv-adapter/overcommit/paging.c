/* SPDX-License-Identifier: MIT */
/* Which pages go to the host's disk. See paging.h. */
#include "overcommit/paging.h"

#include "prng.h"
#include "residence/residence.h"
#include "residence/share_glue.h"
#include "vm/vm.h"

enum { TRIES_A_PAGE = 32 };

/* The page has machine memory of its own. (A pinned one will be refused by the door.) */
static bool is_candidate(struct hv_vm *vm, hv_ppn ppn)
{
    pthread_mutex_lock(&vm->lock);
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    bool is = hv_physmap_is_present(page) && !(page->reasons & HV_REASON_SHARING);
    pthread_mutex_unlock(&vm->lock);
    return is;
}

enum hv_paging hv_paging_take(struct hv_vm *vm, hv_ppn ppn)
{
    enum share_outcome outcome;
    if (!is_candidate(vm, ppn))
        return HV_PAGING_NOTHING;
    if (hv_share_offer(vm, ppn, &outcome) && hv_share_merged(outcome))
        return HV_PAGING_SHARED;
    return hv_page_depart(vm, ppn, HV_DEPART_PAGED_OUT) ? HV_PAGING_OUT : HV_PAGING_NOTHING;
}

uint64_t hv_paging_reclaim(struct hv_vm *vm, uint64_t *random, uint64_t pages)
{
    uint64_t done = 0, size = hv_vm_pages(vm);
    for (uint64_t tries = 0; size && done < pages && tries < pages * TRIES_A_PAGE; tries++) {
        hv_ppn ppn = {vm->map.begin.n + hv_random_next(random) % size};
        done += hv_paging_take(vm, ppn) != HV_PAGING_NOTHING;
    }
    return done;
}
