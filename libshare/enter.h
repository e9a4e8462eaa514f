/* SPDX-License-Identifier: MIT */
/*
 * How a call enters the engine, and leaves it.
 *
 * A call passes the gate, which share_check closes, and pins the VM that it is about;
 * share_vm_remove waits until no call has the VM pinned.
 *
 * The gate's word counts the calls inside; its top bit closes it. A call that finds the gate closed
 * takes its count back and waits. Closed, and no call inside: share_check has the engine alone.
 *
 * A VM's state goes FREE -> LIVE -> DYING -> FREE. A call counts itself in first and asks for the
 * state after that: either it sees DYING, or the removal sees the call.
 */
#ifndef SHARE_ENTER_H
#define SHARE_ENTER_H

#include "engine.h"
#include "invariant.h"

#define SHARE_GATE_CLOSED (UINT32_C(1) << 31)

/* A call that changes pages stands between enter and leave. */
void share_gate_enter(struct share *share);
void share_gate_leave(struct share *share);

/* Waits until no call is inside, and lets none in until the gate is opened. */
void share_gate_close(struct share *share);
void share_gate_open(struct share *share);

/* Is a call inside? For asserts of functions that are called inside. */
static inline bool share_gate_is_entered(const struct share *share)
{
    return (atomic_load_explicit(&share->gate, memory_order_relaxed) & ~SHARE_GATE_CLOSED) != 0;
}

/* Has share_check closed it? */
static inline bool share_gate_is_closed(const struct share *share)
{
    return atomic_load_explicit(&share->gate, memory_order_relaxed) & SHARE_GATE_CLOSED;
}

/* Are other calls inside, too? For what pays only then. */
static inline bool share_gate_is_shared(const struct share *share)
{
    return atomic_load_explicit(&share->gate, memory_order_relaxed) > 1;
}

/* The sequence above. */
bool share_vm_may_become(enum share_vm_state from, enum share_vm_state to);

/* Pins a VM for a call; NULL if it is not there or going. Inside the gate, if the call changes
 * anything. */
struct share_vm_object *share_vm_enter(struct share *share, share_vm vm);
void share_vm_leave(struct share_vm_object *vm);

/* A call that puts pages of a pinned VM on frames stands between these, so that the VM stays in its
 * group meanwhile. False: it is leaving it just now; then there is nothing to leave. */
bool share_offers_enter(struct share_vm_object *vm);
void share_offers_leave(struct share_vm_object *vm);

#endif
