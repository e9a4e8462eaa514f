/* SPDX-License-Identifier: MIT */
/*
 * A world: what its VMs have in common, the VMs, and its clock.
 *
 * Threads: callers of hv.h, one at a time; within a turn see crew.h.
 */
#ifndef HV_WORLD_H
#define HV_WORLD_H

#include "hv.h"
#include "residence/commons.h"
#include "vm/vm.h"

enum { HV_VMS_MAX = 4096 };

struct hv_world {
    struct hv_world_config config;
    struct hv_commons commons;
    struct hv_crew *crew; /* owned; NULL: one thread does everything */
    uint64_t ticks;
    uint64_t guests_ns, scan_ns;   /* host processor time */
    uint64_t scan_credit;          /* pages * HV_TICKS_PER_SECOND that may be looked at */
    struct hv_vm *vms[HV_VMS_MAX]; /* owned */
    unsigned vms_count;
};

/* vm.c */
void hv_vm_free(struct hv_vm *vm);

/* run.c: runs until its clock is at least `end`, or it stops. */
void hv_vm_run_until(struct hv_vm *vm, uint64_t end);

/* turns.c */
/* The VM's part of a turn of so many ticks that ends at world->ticks. One thread a VM. */
void hv_vm_turn(struct hv_vm *vm, uint64_t ticks);
/* code.c: between turns. Bounds the memory of decoded code: harts that rested longest lose theirs.
 */
void hv_world_trim_code(struct hv_world *world);
/* Processor time of this thread. */
uint64_t hv_thread_cpu_ns(void);

#endif
