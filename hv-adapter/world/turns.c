/* SPDX-License-Identifier: MIT */
/* Turns: every VM and the scanner run for the same time, in one thread or in several. */
#include <time.h>

#include "residence/sample.h"
#include "world/crew.h"
#include "world/world.h"

/* The scanner rests when all VMs stand still: who stopped them wants to look. */
static bool any_runs(const struct hv_world *world)
{
    for (unsigned i = 0; i < world->vms_count; i++)
        if (world->vms[i]->state == HV_RUNNING_VM)
            return true;
    return false;
}

/* The scanner's part of a turn. */
static void scan(struct hv_world *world, uint64_t ticks)
{
    struct share_scan_report report;
    world->scan_credit += world->config.scan_rate * ticks;
    uint64_t budget = world->scan_credit / HV_TICKS_PER_SECOND;
    world->scan_credit %= HV_TICKS_PER_SECOND;
    while (budget > 0) {
        if (share_scan(world->commons.share, SHARE_SEQUENTIAL, 0, budget, &report) != SHARE_OK)
            return;
        uint64_t backed_off = report.outcomes[SHARE_BACKED_OFF];
        uint64_t looked = report.looked_pages > backed_off ? report.looked_pages : backed_off;
        budget -= looked < budget ? looked : budget;
        if (report.passes == 0 || looked == 0)
            return; /* one pass a turn is enough: nothing changed since */
    }
}

uint64_t hv_thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void hv_world_host_ns(const struct hv_world *world, uint64_t *guests_ns, uint64_t *scan_ns)
{
    *guests_ns = world->guests_ns;
    *scan_ns = world->scan_ns;
}

/* A stopped VM's clock goes on with the world's. */
static void stand_still(struct hv_vm *vm, uint64_t until)
{
    uint64_t now = hv_vm_ticks(vm);
    if (vm->state == HV_STOPPED && now < until)
        vm->skipped += until - now;
}

void hv_vm_turn(struct hv_vm *vm, uint64_t ticks)
{
    uint64_t before = hv_hart_stats(vm->hart).ticks;
    uint64_t got = vm->counts.first_touches + vm->counts.breaks;
    vm->hungry = false;
    hv_vm_run_until(vm, vm->world->ticks);
    bool waits = vm->hungry && got == vm->counts.first_touches + vm->counts.breaks;
    vm->waits_ticks = waits ? vm->waits_ticks + ticks : 0;
    if (hv_hart_stats(vm->hart).ticks != before)
        vm->ran = vm->world->ticks;
    stand_still(vm, vm->world->ticks);
    hv_sample_turn(vm, ticks);
}

/* One VM after the other, then the scanner. */
static void run_alone(struct hv_world *world, uint64_t ticks, bool scans)
{
    uint64_t begin = hv_thread_cpu_ns();
    for (unsigned i = 0; i < world->vms_count; i++)
        hv_vm_turn(world->vms[i], ticks);
    uint64_t middle = hv_thread_cpu_ns();
    if (scans && any_runs(world))
        scan(world, ticks);
    world->guests_ns += middle - begin;
    world->scan_ns += hv_thread_cpu_ns() - middle;
}

/* VMs by the crew, the scanner beside them. */
static void run_together(struct hv_world *world, uint64_t ticks, bool scans)
{
    uint64_t begin = hv_thread_cpu_ns();
    scans = scans && any_runs(world);
    hv_crew_begin_turn(world->crew, ticks);
    if (scans)
        scan(world, ticks);
    world->scan_ns += hv_thread_cpu_ns() - begin;
    world->guests_ns += hv_crew_end_turn(world->crew);
}

void hv_world_run(struct hv_world *world, uint64_t ticks, bool (*until)(void *ctx), void *ctx)
{
    uint64_t end = world->ticks + ticks;
    bool scans = world->commons.share && world->config.scan_rate;
    while (world->ticks < end && !(until && until(ctx))) {
        uint64_t slice = world->config.slice_ticks;
        if (slice > end - world->ticks)
            slice = end - world->ticks;
        world->ticks += slice;
        if (world->crew)
            run_together(world, slice, scans);
        else
            run_alone(world, slice, scans);
        hv_world_trim_code(world);
    }
}
