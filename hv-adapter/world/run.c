/* SPDX-License-Identifier: MIT */
/* One VM runs until its clock has reached a time: instructions, events, waiting. */
#include "platform/board.h"
#include "virtio/devices.h"
#include "vm/ending.h"
#include "world/world.h"

/* Lets timer and devices do what is due; when to look again, at most `end`. */
static uint64_t next_event(struct hv_vm *vm, uint64_t now, uint64_t end)
{
    uint64_t timer = hv_board_turn(vm, now), device = hv_devices_turn(vm, now);
    uint64_t next = timer < device ? timer : device;
    return next < end ? next : end;
}

/* What is left of its turn it waits; the instruction that found no memory comes again. */
static void wait_for_memory(struct hv_vm *vm, uint64_t end)
{
    uint64_t now = hv_vm_ticks(vm);
    vm->skipped += now < end ? end - now : 0;
    vm->starved = false;
    vm->hungry = true;
}

void hv_vm_run_until(struct hv_vm *vm, uint64_t end)
{
    enum { STUCK_MAX = 16 };
    unsigned stuck = 0;
    struct hv_hart_stats before = hv_hart_stats(vm->hart);
    while (vm->state == HV_RUNNING_VM) {
        uint64_t now = hv_vm_ticks(vm);
        if (now >= end)
            break;
        uint64_t next = next_event(vm, now, end);
        if (vm->waiting && !hv_hart_wakes(vm->hart)) {
            vm->skipped += next - now;
            continue;
        }
        vm->waiting = false;
        uint64_t breaks = vm->counts.breaks;
        hv_shootdown_begin_run(vm);
        enum hv_stop stop = hv_hart_run(vm->hart, next - now);
        hv_shootdown_end_run(vm);
        vm->waiting = vm->waiting || stop == HV_STOP_WFI;
        if (vm->starved)
            wait_for_memory(vm, end);
        stuck = stop == HV_STOP_FILL && vm->counts.breaks == breaks ? stuck + 1 : 0;
        if (stuck == STUCK_MAX)
            hv_vm_fail(vm, "an access that crosses two pages never finds both");
    }
    hv_vm_notice_trap_loop(vm, &before);
}

bool hv_vm_is_idle(const struct hv_vm *vm)
{
    return vm->state != HV_RUNNING_VM || (vm->waiting && hv_devices_next(vm) == UINT64_MAX);
}
