/* SPDX-License-Identifier: MIT */
/* What a VM's memory and work come to. See hv.h. */
#include <string.h>

#include "virtio/balloon.h"
#include "world/world.h"

static void sharing_figures(struct hv_vm *vm, struct hv_figures *figures)
{
    struct share_vm_usage usage;
    struct share_stats stats;
    if (!vm->offered || share_vm_usage(vm->commons->share, vm->share, &usage) != SHARE_OK ||
        share_vm_stats(vm->commons->share, vm->share, &stats) != SHARE_OK)
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
    if (!hv_vm_has_memory(vm)) {
        *figures = vm->last;
        keep_work(figures);
        return;
    }
    struct hv_hart_stats hart = hv_hart_stats(vm->hart);
    const struct hv_balloon *balloon = hv_balloon_of(vm);
    *figures = (struct hv_figures){
        .pages = hv_vm_pages(vm),
        .touched_pages = vm->map.present_pages,
        .balloon_target_pages = balloon->target_pages,
        .balloon_pages = vm->counts.balloon_pages,
        .balloon_taken_back = balloon->taken_back,
        .balloon_touches = vm->counts.balloon_touches,
        .swapped_pages = vm->paged.pages,
        .swapped_out = vm->paged.out,
        .swapped_in = vm->paged.in,
        .reported_pages = balloon->reported,
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
    sum->balloon_taken_back += one->balloon_taken_back;
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
        figures->touched_pages + figures->table_pages - hv_machine_used(&world->commons.machine);
}
