/* SPDX-License-Identifier: MIT */
/*
 * Locks. Each guards a few memory accesses (one table partition, one pool, one VM's radix tree) and
 * is never held across an op: a thread that wants one spins for a moment, then sleeps, since the
 * holder may have been preempted. Everything longer sleeps in share_sleep (wait.h): for a page that
 * somebody owns, for calls on a VM to end, for share_check to finish.
 *
 * A lock's word goes free -> held -> free; or held -> wanted, by a thread that is going to sleep,
 * and then the one that drops it wakes one sleeper, which takes it as wanted.
 *
 * Lock order, outermost first: vm.lock, group.lock, partition.lock, pool.lock. The scan lock is
 * taken alone.
 */
#ifndef SHARE_LOCK_H
#define SHARE_LOCK_H

#include "invariant.h"
#include "step.h"
#include "wait.h"
#include <stdbool.h>

enum { SHARE_LOCK_FREE, SHARE_LOCK_HELD, SHARE_LOCK_WANTED };

struct share_lock {
    _Atomic uint32_t state;
};

/* Somebody else has it. */
void share_lock_take_later(struct share_lock *lock);

static inline void share_lock_take(struct share_lock *lock)
{
    uint32_t state = SHARE_LOCK_FREE;
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &state, SHARE_LOCK_HELD,
                                                 memory_order_acquire, memory_order_relaxed))
        share_lock_take_later(lock);
}

/* For asserts of functions that want it held: by somebody, who is not known. */
static inline bool share_lock_is_held(const struct share_lock *lock)
{
    return atomic_load_explicit(&lock->state, memory_order_relaxed) != SHARE_LOCK_FREE;
}

static inline void share_lock_drop(struct share_lock *lock)
{
    share_assert(share_lock_is_held(lock));
    if (atomic_exchange_explicit(&lock->state, SHARE_LOCK_FREE, memory_order_release) ==
        SHARE_LOCK_WANTED)
        share_wake_one(&lock->state);
}

#endif
