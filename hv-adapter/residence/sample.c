/* SPDX-License-Identifier: MIT */
/* Sampling of working sets. See sample.h. */
#include "residence/sample.h"

#include <stdlib.h>

#include "hv_assert.h"
#include "prng.h"
#include "vm/tables.h"

enum { TRIES_A_PAGE = 64 }; /* of drawing; a VM that is nearly all balloon gets a smaller sample */

bool hv_sample_init(struct hv_vm *vm)
{
    vm->sample = calloc(1, sizeof *vm->sample);
    return vm->sample != NULL;
}

void hv_sample_fini(struct hv_vm *vm)
{
    free(vm->sample);
}

/* No translation of it is left: the next access faults. */
static void watch(struct hv_vm *vm, uint64_t i)
{
    struct hv_physmap_entry *page = &vm->map.entries[i];
    page->reasons |= HV_REASON_SAMPLING;
    if (page->maps != HV_ENTRY_NONE)
        page->state |= HV_PAGE_UNMAPPED;
    if (page->mpn == HV_MPN_NONE)
        return;
    hv_tables_hide(vm, (hv_ppn){vm->map.begin.n + i});
    if (!vm->sample->census) /* it empties the TLB once for all */
        hv_hart_tlb_drop_host_page(vm->hart, hv_machine_page(vm->machine, (hv_mpn){page->mpn}));
}

static void draw_sample(struct hv_vm *vm)
{
    struct hv_sample *sample = vm->sample;
    sample->drawn = sample->touched = 0;
    for (unsigned tries = 0;
         sample->drawn < HV_SAMPLE_PAGES && tries < HV_SAMPLE_PAGES * TRIES_A_PAGE; tries++) {
        uint64_t i = hv_random_next(&sample->random) % hv_vm_pages(vm);
        struct hv_physmap_entry *page = &vm->map.entries[i];
        if ((page->state & (HV_PAGE_BALLOONED | HV_PAGE_SAMPLED)) ||
            (page->reasons & HV_REASON_PARA_TABLE))
            continue;
        page->state |= HV_PAGE_SAMPLED;
        sample->ppn[sample->drawn++] = (uint32_t)i;
        watch(vm, i);
        uint64_t cost = page->state & HV_PAGE_UNMAPPED ? HV_CHARGE_SAMPLE_PAGE : 0;
        vm->charged += cost;
        sample->cost_ticks += cost;
    }
}

static void begin_census(struct hv_vm *vm)
{
    for (uint64_t i = 0; i < hv_vm_pages(vm); i++)
        if (!(vm->map.entries[i].state & HV_PAGE_BALLOONED) &&
            !(vm->map.entries[i].reasons & HV_REASON_PARA_TABLE))
            watch(vm, i);
    hv_hart_tlb_flush(vm->hart);
}

static void begin_period(struct hv_vm *vm)
{
    struct hv_sample *sample = vm->sample;
    sample->elapsed_ticks = 0;
    sample->population = hv_vm_pages(vm) - vm->counts.balloon_pages;
    sample->population_touched = 0;
    draw_sample(vm);
    if (sample->census)
        begin_census(vm);
}

static double fraction(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static void forget(struct hv_vm *vm, uint64_t i)
{
    struct hv_physmap_entry *page = &vm->map.entries[i];
    page->state &= (uint8_t) ~(HV_PAGE_SAMPLED | HV_PAGE_UNMAPPED);
    if (!(page->reasons & HV_REASON_SAMPLING))
        return;
    page->reasons &= (uint8_t)~HV_REASON_SAMPLING;
    hv_tables_refresh(vm, (hv_ppn){vm->map.begin.n + i});
    hv_assert_internal(hv_tables_page_is_valid(vm, (hv_ppn){vm->map.begin.n + i}));
}

static void end_period(struct hv_vm *vm)
{
    struct hv_sample *sample = vm->sample;
    sample->last = fraction(sample->touched, sample->drawn);
    sample->truth = sample->census ? fraction(sample->population_touched, sample->population) : -1;
    if (sample->drawn > 0) {
        hv_estimate_period(&sample->estimate, sample->last);
        sample->periods++;
    }
    for (unsigned i = 0; i < sample->drawn; i++)
        forget(vm, sample->ppn[i]);
    for (uint64_t i = 0; sample->census && i < hv_vm_pages(vm); i++)
        forget(vm, i);
    sample->drawn = 0;
}

void hv_sample_touched(struct hv_vm *vm, struct hv_physmap_entry *page)
{
    struct hv_sample *sample = vm->sample;
    page->reasons &= (uint8_t)~HV_REASON_SAMPLING;
    hv_tables_refresh(vm, (hv_ppn){vm->map.begin.n + (uint64_t)(page - vm->map.entries)});
    sample->population_touched++;
    bool sampled = page->state & HV_PAGE_SAMPLED, unmapped = page->state & HV_PAGE_UNMAPPED;
    page->state &= (uint8_t)~HV_PAGE_UNMAPPED;
    sample->touched += sampled;
    if (sampled && unmapped)
        sample->cost_ticks += HV_CHARGE_SHADOW_FILL;
    else if (unmapped)
        vm->charged -= HV_CHARGE_SHADOW_FILL; /* a census is free: the fill that follows is its */
}

void hv_sample_turn(struct hv_vm *vm, uint64_t ticks)
{
    struct hv_sample *sample = vm->sample;
    if (!sample->period_ticks || vm->state != HV_RUNNING_VM)
        return;
    sample->elapsed_ticks += ticks;
    if (sample->elapsed_ticks < sample->period_ticks)
        return;
    pthread_mutex_lock(&vm->lock);
    end_period(vm);
    begin_period(vm);
    pthread_mutex_unlock(&vm->lock);
}

void hv_vm_sample(struct hv_vm *vm, uint64_t period_ticks, bool census)
{
    struct hv_sample *sample = vm->sample;
    if (!hv_vm_has_memory(vm))
        return;
    pthread_mutex_lock(&vm->lock);
    if (sample->period_ticks)
        end_period(vm);
    uint64_t cost = sample->cost_ticks;
    *sample = (struct hv_sample){.period_ticks = period_ticks,
                                 .census = census,
                                 .random = vm->index + 1,
                                 .truth = -1,
                                 .cost_ticks = cost};
    if (period_ticks)
        begin_period(vm);
    pthread_mutex_unlock(&vm->lock);
}

void hv_vm_active(const struct hv_vm *vm, struct hv_active *active)
{
    const struct hv_sample *sample = vm->sample;
    double so_far = fraction(sample->touched, sample->drawn);
    *active = (struct hv_active){
        .known = sample->periods > 0,
        .periods = sample->periods,
        .active = hv_estimate_active(&sample->estimate, so_far),
        .slow = sample->estimate.slow,
        .fast = sample->estimate.fast,
        .current = hv_estimate_current(&sample->estimate, so_far),
        .last = sample->last,
        .truth = sample->truth,
        .cost_ticks = sample->cost_ticks,
    };
}
