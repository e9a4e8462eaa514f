/* SPDX-License-Identifier: MIT */
/*
 * Everything that ends a VM: it cannot go on, it switched itself off, it reset.
 *
 *     RUNNING <-> STOPPED          by people, or for lack of memory
 *     RUNNING, STOPPED -> ENDED    it wished to, or hv_vm_exit was called
 *     any -> FAILED                it cannot go on; the first reason stays, and so does the state
 *
 * Threads: the VM's own, or between turns.
 */
#ifndef HV_VM_ENDING_H
#define HV_VM_ENDING_H

#include <stdbool.h>

#include "cpu/hart.h"

struct hv_vm;

/* The VM cannot go on. */
void hv_vm_fail(struct hv_vm *vm, const char *why);
/* The VM has ended in good order. */
void hv_vm_end(struct hv_vm *vm, const char *why);
/* The VM resets itself, perhaps because of a failure: it has ended or failed. `printed`: the last
 * lines of its console. */
void hv_vm_reset(struct hv_vm *vm, bool failure, const char *printed);

/* Fails a VM that made no progress since its hart's counts were `before`: its trap handler traps.
 */
void hv_vm_notice_trap_loop(struct hv_vm *vm, const struct hv_hart_stats *before);

#endif
