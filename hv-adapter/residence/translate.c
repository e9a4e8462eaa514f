/* SPDX-License-Identifier: MIT */
/* One virtual address through every table, and what the engine knows of a page: for people who
 * look. See hv.h. */
#include <string.h>

#include "residence/commons.h"
#include "residence/guest_mem.h"
#include "residence/share_glue.h"
#include "vm/tables.h"

bool hv_vm_page_info(struct hv_vm *vm, hv_ppn ppn, struct share_page_info *info)
{
    return vm->offered && hv_physmap_at(&vm->map, ppn) &&
           share_page_info(vm->commons->share, vm->share, (share_ppn){ppn.n}, 1, info) == SHARE_OK;
}

bool hv_vm_break_page(struct hv_vm *vm, hv_ppn ppn)
{
    const struct hv_physmap_entry *page = vm->map.entries ? hv_physmap_at(&vm->map, ppn) : NULL;
    if (!vm->offered || !page || !(page->reasons & HV_REASON_SHARING))
        return false;
    return hv_share_break(vm, ppn);
}

static bool view_read(void *ctx, uint64_t gpa, uint64_t *pte)
{
    return hv_guest_read_pte(ctx, gpa, pte);
}

/* Looking must not set accessed bits: the walk is told that it has. */
static bool view_update(void *ctx, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
    (void)ctx, (void)gpa, (void)expected, (void)desired;
    return true;
}

/* For whatever access, in whichever mode, it is allowed. */
static bool view_walk(struct hv_vm *vm, uint64_t va, struct hv_sv39_walk *walk)
{
    static const struct hv_sv39_ops ops = {view_read, view_update};
    struct hv_mmu mmu = hv_hart_mmu(vm->hart);
    mmu.sum = true;
    for (unsigned i = 0; i < 4; i++) {
        mmu.priv = i < 2 ? HV_PRIV_S : HV_PRIV_U;
        if (hv_sv39_walk(&ops, vm, &mmu, va, i % 2 ? HV_ACCESS_FETCH : HV_ACCESS_LOAD, walk) == 0)
            return true;
    }
    return false;
}

static void view_tables(struct hv_vm *vm, struct hv_view *view)
{
    struct hv_sv39_walk walk;
    view->mapped = view_walk(vm, view->va, &walk);
    view->gpa = walk.gpa;
    view->steps = walk.steps;
    memcpy(view->pte_gpa, walk.pte_gpa, sizeof view->pte_gpa);
    for (unsigned i = 0; i < walk.steps; i++) /* as the guest has them, not as a walk would */
        if (!hv_guest_read_pte(vm, walk.pte_gpa[i], &view->pte[i]))
            view->pte[i] = 0;
}

/* The tables that the TLB walks are the guest's. */
static void view_para(struct hv_vm *vm, struct hv_view *view)
{
    struct hv_para_path path = hv_para_path(vm->para, view->va);
    bool window = view->va >= HV_PARA_DEVICES_VA;
    view->mapped = !window && (path.mapped || path.steps == 0);
    view->gpa = path.steps ? path.ppn.n << HV_PAGE_SHIFT | hv_page_offset(view->va) : view->va;
    view->steps = window ? 0 : path.steps;
    memcpy(view->pte_gpa, path.gpa, sizeof view->pte_gpa);
    memcpy(view->pte, path.entry, sizeof view->pte);
}

void hv_vm_view(struct hv_vm *vm, uint64_t va, struct hv_view *view)
{
    struct hv_mmu mmu = hv_hart_mmu(vm->hart);
    *view = (struct hv_view){.va = va, .satp = mmu.satp, .para = vm->para != NULL};
    if (!hv_vm_has_memory(vm))
        return;
    pthread_mutex_lock(&vm->lock);
    if (vm->para)
        view_para(vm, view);
    else
        view_tables(vm, view);
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(view->gpa));
    view->memory = view->mapped && page;
    if (view->memory) {
        view->present = page->mpn != HV_MPN_NONE;
        view->mpn.n = view->present ? page->mpn : 0;
        view->reasons = page->reasons;
        view->shadow_entries = hv_tables_count(vm, hv_ppn_of(view->gpa), &view->shadow_writable);
    }
    if (!vm->para)
        view->shadow_entry = hv_shadow_lookup(&vm->shadow, &mmu, va).entry;
    view->tlb_load = hv_hart_tlb_find(vm->hart, va, HV_ACCESS_LOAD) != NULL;
    view->tlb_store = hv_hart_tlb_find(vm->hart, va, HV_ACCESS_STORE) != NULL;
    view->tlb_fetch = hv_hart_tlb_find(vm->hart, va, HV_ACCESS_FETCH) != NULL;
    pthread_mutex_unlock(&vm->lock);
}
