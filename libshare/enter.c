/* SPDX-License-Identifier: MIT */
/* The gate, and pins on VMs. */
#include "enter.h"

/* ----------------------------------------------------------------------------------- gate -- */

static void leave_gate(struct share *share)
{
    if (atomic_fetch_sub(&share->gate, 1) == (SHARE_GATE_CLOSED | 1))
        share_wake_all(&share->gate); /* share_check waits for the last one */
}

void share_gate_enter(struct share *share)
{
    while (atomic_fetch_add_explicit(&share->gate, 1, memory_order_acquire) & SHARE_GATE_CLOSED) {
        leave_gate(share);
        uint32_t gate;
        while ((gate = atomic_load(&share->gate)) & SHARE_GATE_CLOSED)
            share_sleep(&share->gate, gate);
    }
}

void share_gate_leave(struct share *share)
{
    share_assert(share_gate_is_entered(share));
    leave_gate(share);
}

void share_gate_close(struct share *share)
{
    uint32_t gate;
    while ((gate = atomic_fetch_or(&share->gate, SHARE_GATE_CLOSED)) & SHARE_GATE_CLOSED)
        share_sleep(&share->gate, gate); /* another check */
    while ((gate = atomic_load(&share->gate)) != SHARE_GATE_CLOSED)
        share_sleep(&share->gate, gate);
}

void share_gate_open(struct share *share)
{
    share_assert(share_gate_is_closed(share));
    atomic_fetch_and(&share->gate, ~SHARE_GATE_CLOSED);
    share_wake_all(&share->gate);
}

/* ----------------------------------------------------------------------------------- pins -- */

bool share_vm_may_become(enum share_vm_state from, enum share_vm_state to)
{
    return (from == SHARE_VM_FREE && to == SHARE_VM_LIVE) ||
           (from == SHARE_VM_LIVE && to == SHARE_VM_DYING) ||
           (from == SHARE_VM_DYING && to == SHARE_VM_FREE);
}

static void unpin(struct share_vm_object *vm)
{
    if (atomic_fetch_sub(&vm->users, 1) == 1 && atomic_load(&vm->state) == SHARE_VM_DYING)
        share_wake_all(&vm->users); /* its removal waits */
}

struct share_vm_object *share_vm_enter(struct share *share, share_vm number)
{
    if (number >= share_vm_end(share))
        return NULL;
    struct share_vm_object *vm = share_vm_at(share, number);
    atomic_fetch_add(&vm->users, 1);
    share_step(SHARE_STEP_ENTER);
    if (atomic_load(&vm->state) == SHARE_VM_LIVE)
        return vm;
    unpin(vm);
    return NULL;
}

void share_vm_leave(struct share_vm_object *vm)
{
    share_assert(atomic_load(&vm->users) > 0);
    share_assert(atomic_load(&vm->state) != SHARE_VM_FREE);
    unpin(vm);
}
