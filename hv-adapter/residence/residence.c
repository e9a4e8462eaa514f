/* SPDX-License-Identifier: MIT */
/* The one door of a page. See residence.h. */
#include "residence/residence.h"

#include <stdlib.h>
#include <string.h>

#include "hv_assert.h"
#include "residence/commons.h"
#include "residence/sample.h"
#include "residence/share_glue.h"
#include "vm/ending.h"
#include "vm/tables.h"

/* ---- slots of pages that are paged out */

static uint32_t *slot_of(const struct hv_vm *vm, hv_ppn ppn)
{
    return &vm->paged.slot[ppn.n - vm->map.begin.n];
}

static void forget_slot(struct hv_vm *vm, hv_ppn ppn)
{
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    hv_assert(page->state & HV_PAGE_SWAPPED && vm->paged.pages > 0);
    hv_swap_give(&vm->commons->swap, *slot_of(vm, ppn));
    page->state &= (uint8_t)~HV_PAGE_SWAPPED;
    vm->paged.pages--;
}

bool hv_page_peek_paged(const struct hv_vm *vm, hv_ppn ppn, size_t offset, void *bytes,
                        size_t nbytes)
{
    return hv_swap_read(&vm->commons->swap, *slot_of(vm, ppn), offset, bytes, nbytes);
}

/* A slot with the page's bytes in it. Nobody writes the page: the VM does not run, and whoever
 * pins it later finds it gone or makes hv_page_depart refuse. */
static bool fill_slot(struct hv_vm *vm, hv_ppn ppn, uint32_t *slot)
{
    struct hv_swap *swap = &vm->commons->swap;
    if (!vm->paged.slot)
        vm->paged.slot = malloc(hv_vm_pages(vm) * sizeof *vm->paged.slot);
    if (!vm->paged.slot || !hv_swap_take(swap, slot))
        return false;
    hv_mpn mpn = {hv_physmap_at(&vm->map, ppn)->mpn};
    if (hv_swap_write(swap, *slot, hv_machine_page(vm->machine, mpn)))
        return true;
    hv_swap_give(swap, *slot);
    return false;
}

/* ---- arriving */

/* Its bytes come from the VMM's disk, and the VM waits for it. */
static bool bring_back(struct hv_vm *vm, hv_ppn ppn, hv_mpn mpn)
{
    vm->charged += HV_LATENCY_DISK + HV_LATENCY_DISK_PAGE;
    if (!hv_page_peek_paged(vm, ppn, 0, hv_machine_page(vm->machine, mpn), HV_PAGE_BYTES)) {
        struct hv_swap_state swap;
        hv_swap_look(&vm->commons->swap, &swap);
        hv_vm_fail(vm, swap.fault);
        return false;
    }
    forget_slot(vm, ppn);
    vm->paged.in++;
    return true;
}

static bool is_in_balloon(const struct hv_physmap_entry *page)
{
    return (page->state & HV_PAGE_BALLOONED) != 0;
}

static void take_from_balloon(struct hv_vm *vm, struct hv_physmap_entry *page)
{
    hv_assert(is_in_balloon(page) && page->mpn == HV_MPN_NONE && vm->counts.balloon_pages > 0);
    page->state &= (uint8_t)~HV_PAGE_BALLOONED;
    vm->counts.balloon_pages--;
}

bool hv_page_arrive(struct hv_vm *vm, hv_ppn ppn)
{
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    hv_mpn mpn;
    if (page->mpn != HV_MPN_NONE)
        return true;
    if (!hv_machine_alloc(vm->machine, &mpn)) {
        hv_vm_fail(vm, "the host has no machine memory left");
        return false;
    }
    if (is_in_balloon(page)) {
        take_from_balloon(vm, page);
        vm->counts.balloon_touches++;
    }
    if ((page->state & HV_PAGE_SWAPPED) && !bring_back(vm, ppn, mpn)) {
        hv_machine_release(vm->machine, &mpn, 1);
        return false;
    }
    hv_physmap_set(&vm->map, ppn, mpn);
    hv_tables_refresh(vm, ppn);
    hv_assert_internal(hv_tables_page_is_valid(vm, ppn));
    vm->counts.first_touches++;
    hv_vm_charge(vm, HV_CHARGE_FIRST_TOUCH);
    return true;
}

bool hv_page_access(struct hv_vm *vm, hv_ppn ppn)
{
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    if ((page->mpn == HV_MPN_NONE && hv_vm_starves(vm)) || !hv_page_arrive(vm, ppn))
        return false;
    if (page->reasons & HV_REASON_SAMPLING)
        hv_sample_touched(vm, page);
    return true;
}

bool hv_page_deflate(struct hv_vm *vm, hv_ppn ppn)
{
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    if (!is_in_balloon(page)) /* was touched meanwhile, or never put in */
        return false;
    take_from_balloon(vm, page);
    return true;
}

bool hv_vm_starves(struct hv_vm *vm)
{
    uint64_t reserve = vm->commons->reserve_pages;
    if (reserve && vm->machine->pages - hv_machine_used(vm->machine) <= reserve)
        vm->starved = true;
    return vm->starved;
}

/* ---- departing */

/* With the VM's lock: what becomes of the page besides its machine page. */
static void mark(struct hv_vm *vm, hv_ppn ppn, enum hv_departure how, uint32_t slot)
{
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    if (page->state & HV_PAGE_SWAPPED)
        forget_slot(vm, ppn);
    if (how == HV_DEPART_BALLOON && !is_in_balloon(page)) {
        page->state |= HV_PAGE_BALLOONED;
        vm->counts.balloon_pages++;
    }
    if (how == HV_DEPART_PAGED_OUT) {
        *slot_of(vm, ppn) = slot;
        page->state |= HV_PAGE_SWAPPED;
        vm->paged.pages++;
        vm->paged.out++;
    }
}

/* With the VM's lock: no translation is left when hv_shootdown_wait returns. */
static void unmap(struct hv_vm *vm, hv_ppn ppn, hv_mpn mpn)
{
    hv_tables_zap(vm, ppn);
    hv_shootdown_page(vm, mpn, HV_SHOOT_PAGE);
    hv_physmap_clear(&vm->map, ppn);
    hv_assert_internal(hv_tables_page_is_valid(vm, ppn));
}

bool hv_page_depart(struct hv_vm *vm, hv_ppn ppn, enum hv_departure how)
{
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    uint32_t slot = 0;
    if (how == HV_DEPART_PAGED_OUT && (!hv_physmap_is_present(page) || !fill_slot(vm, ppn, &slot)))
        return false;
    pthread_mutex_lock(&vm->lock);
    hv_mpn mpn = {page->mpn};
    bool stays = page->pins > 0 || (page->reasons & HV_REASON_PARA_TABLE);
    if (!stays)
        mark(vm, ppn, how, slot);
    if (!stays && mpn.n != HV_MPN_NONE)
        unmap(vm, ppn, mpn);
    pthread_mutex_unlock(&vm->lock);
    if (stays && how == HV_DEPART_PAGED_OUT)
        hv_swap_give(&vm->commons->swap, slot);
    if (stays || mpn.n == HV_MPN_NONE)
        return !stays;
    hv_shootdown_wait(vm);
    hv_assert_expensive(!hv_hart_tlb_has_host_page(vm->hart, hv_machine_page(vm->machine, mpn)));
    if (hv_share_forget(vm, ppn)) /* the engine frees what is on a shared frame */
        hv_machine_release(vm->machine, &mpn, 1);
    return true;
}

void hv_pages_leave(struct hv_vm *vm)
{
    hv_ppn ppn = vm->map.begin;
    pthread_mutex_lock(&vm->lock);
    hv_tables_flush(vm);
    hv_hart_tlb_flush(vm->hart);
    pthread_mutex_unlock(&vm->lock);
    for (; hv_physmap_next(&vm->map, ppn, &ppn); ppn.n++)
        (void)hv_page_depart(vm, ppn, HV_DEPART_FREE);
    hv_share_leave(vm);
    for (ppn = vm->map.begin; vm->paged.pages && ppn.n < vm->map.end.n; ppn.n++)
        if (hv_physmap_at(&vm->map, ppn)->state & HV_PAGE_SWAPPED)
            forget_slot(vm, ppn);
    free(vm->paged.slot);
    vm->paged.slot = NULL;
    hv_machine_trim(vm->machine);
}
