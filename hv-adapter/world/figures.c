/* SPDX-License-Identifier: MIT */
/* What a VM's memory and work come to, and one address through every table. See hv.h. */
#include <stdlib.h>
#include <string.h>

#include "residence/guest_mem.h"
#include "tables/tables.h"

static void sharing_figures(struct hv_vm *vm, struct hv_figures *figures)
{
    struct share_vm_usage usage;
    struct share_stats stats;
    if (!vm->offered || share_vm_usage(vm->world->share, vm->share, &usage) != SHARE_OK ||
        share_vm_stats(vm->world->share, vm->share, &stats) != SHARE_OK)
        return;
    double saved = (double)(usage.shared_pages + usage.single_pages) - usage.charge_pages;
    figures->shared_pages = usage.shared_pages;
    figures->zero_pages = usage.zero_pages;
    figures->code_shared_pages = usage.code_pages;
    figures->saved_pages = saved;
    figures->reclaimed_pages = (uint64_t)(saved + 0.5);
    figures->cow_breaks = stats.breaks_copied + stats.breaks_last;
}

/* Its pages are nobody's any more: only its work is left. */
static void keep_work(struct hv_figures *figures)
{
    figures->pages = figures->touched_pages = figures->shared_pages = figures->reclaimed_pages = 0;
    figures->zero_pages = figures->code_shared_pages = figures->swapped_pages = 0;
    figures->balloon_target_pages = figures->balloon_pages = 0;
    figures->shadow_nodes = figures->table_pages = 0;
    figures->saved_pages = 0;
}

void hv_vm_end_figures(const struct hv_vm *vm, struct hv_figures *figures)
{
    *figures = vm->last;
}

void hv_vm_figures(struct hv_vm *vm, struct hv_figures *figures)
{
    if (!vm->map.entries) {
        *figures = vm->last;
        keep_work(figures);
        return;
    }
    struct hv_hart_stats hart = hv_hart_stats(vm->hart);
    *figures = (struct hv_figures){
        .pages = vm->map.end.n - vm->map.begin.n,
        .touched_pages = vm->map.present_pages,
        .balloon_target_pages = vm->balloon.target_pages,
        .balloon_pages = vm->balloon.pages,
        .balloon_touches = vm->balloon.touched,
        .swapped_pages = vm->swap.pages,
        .swapped_out = vm->swap.out,
        .swapped_in = vm->swap.in,
        .reported_pages = vm->balloon.reported,
        .tlb_misses = hart.tlb_misses,
        .shadow_fills = vm->shadow.stats.fills,
        .pt_write_traps = vm->counts.pt_write_traps,
        .instructions = hart.instructions,
        .satp_writes = vm->counts.satp_writes,
        .sfences = vm->counts.sfences,
        .shadow_nodes = vm->shadow.stats.nodes,
        .ticks = hv_vm_ticks(vm),
    };
    if (vm->para) {
        figures->hypercalls = vm->para->stats.hypercalls;
        figures->pt_updates = vm->para->stats.updates;
        figures->table_pages = vm->para->stats.tables;
    }
    sharing_figures(vm, figures);
}

static void add(struct hv_figures *sum, const struct hv_figures *one)
{
    sum->cow_breaks += one->cow_breaks;
    sum->balloon_touches += one->balloon_touches;
    sum->swapped_out += one->swapped_out;
    sum->swapped_in += one->swapped_in;
    sum->reported_pages += one->reported_pages;
    sum->tlb_misses += one->tlb_misses;
    sum->shadow_fills += one->shadow_fills;
    sum->pt_write_traps += one->pt_write_traps;
    sum->instructions += one->instructions;
    sum->satp_writes += one->satp_writes;
    sum->sfences += one->sfences;
    sum->hypercalls += one->hypercalls;
    sum->pt_updates += one->pt_updates;
    sum->ticks += one->ticks;
    sum->pages += one->pages;
    sum->touched_pages += one->touched_pages;
    sum->balloon_target_pages += one->balloon_target_pages;
    sum->swapped_pages += one->swapped_pages;
    sum->balloon_pages += one->balloon_pages;
    sum->shared_pages += one->shared_pages;
    sum->zero_pages += one->zero_pages;
    sum->code_shared_pages += one->code_shared_pages;
    sum->shadow_nodes += one->shadow_nodes;
    sum->table_pages += one->table_pages;
}

void hv_world_figures(struct hv_world *world, struct hv_figures *figures)
{
    struct hv_figures one;
    memset(figures, 0, sizeof *figures);
    for (unsigned i = 0; i < world->vms_count; i++) {
        hv_vm_figures(world->vms[i], &one);
        add(figures, &one);
    }
    /* touched - distinct MPNs: every machine page in use backs at least one guest page, or is a
     * page table of a paravirtualized guest */
    figures->reclaimed_pages =
        figures->touched_pages + figures->table_pages - hv_machine_used(&world->machine);
}

bool hv_vm_page_info(struct hv_vm *vm, hv_ppn ppn, struct share_page_info *info)
{
    return vm->offered && hv_physmap_at(&vm->map, ppn) &&
           share_page_info(vm->world->share, vm->share, (share_ppn){ppn.n}, 1, info) == SHARE_OK;
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
    if (!vm->map.entries)
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
