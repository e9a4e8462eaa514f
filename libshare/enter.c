/* SPDX-License-Identifier: MIT */
/* The gate, and pins on VMs. */
#include "enter.h"

/* ----------------------------------------------------------------------------------- gate -- */

void share_gate_enter(struct share *share)
{
    while (atomic_fetch_add_explicit(&share->gate, 1, memory_order_acquire) & SHARE_GATE_CLOSED) {
        atomic_fetch_sub_explicit(&share->gate, 1, memory_order_relaxed);
        while (atomic_load_explicit(&share->gate, memory_order_relaxed) & SHARE_GATE_CLOSED)
            share_pause();
    }
}

void share_gate_leave(struct share *share)
{
    atomic_fetch_sub_explicit(&share->gate, 1, memory_order_release);
}

void share_gate_close(struct share *share)
{
    while (atomic_fetch_or(&share->gate, SHARE_GATE_CLOSED) & SHARE_GATE_CLOSED)
        share_pause(); /* another check */
    while (atomic_load(&share->gate) != SHARE_GATE_CLOSED)
        share_pause();
}

void share_gate_open(struct share *share)
{
    atomic_fetch_and(&share->gate, ~SHARE_GATE_CLOSED);
}

/* ----------------------------------------------------------------------------------- pins -- */

struct share_vm_object *share_vm_enter(struct share *share, share_vm number)
{
    if (number >= share_vm_end(share))
        return NULL;
    struct share_vm_object *vm = share_vm_at(share, number);
    atomic_fetch_add(&vm->users, 1);
    share_step(SHARE_STEP_ENTER);
    if (atomic_load(&vm->state) == SHARE_VM_LIVE)
        return vm;
    atomic_fetch_sub(&vm->users, 1);
    return NULL;
}

void share_vm_leave(struct share_vm_object *vm)
{
    atomic_fetch_sub(&vm->users, 1);
}
