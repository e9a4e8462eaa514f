/* SPDX-License-Identifier: MIT */
/*
 * The two kinds of waiting in libshare.
 *
 * A spin lock guards a few memory accesses (one table partition, one pool, one VM's radix tree) and
 * is never held across an op. Everything longer waits in share_pause(): for a page that somebody
 * owns, for calls on a VM to end, for share_check to finish.
 *
 * Lock order, outermost first: vm.lock, group.lock, partition.lock, pool.lock. The scan lock is
 * taken alone.
 */
#ifndef SHARE_LOCK_H
#define SHARE_LOCK_H

#include "invariant.h"
#include "step.h"
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Some microseconds of pauses: a holder that runs is done long before. */
#define SHARE_SPINS_MAX 128u

struct share_lock {
    _Atomic uint32_t held;
};

static inline void share_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void share_lock_take(struct share_lock *lock)
{
    unsigned spins = 0;
    while (atomic_exchange_explicit(&lock->held, 1, memory_order_acquire)) {
        while (atomic_load_explicit(&lock->held, memory_order_relaxed)) {
            if (++spins % SHARE_SPINS_MAX == 0)
                sched_yield(); /* the holder may have been preempted */
            else
                share_cpu_relax();
        }
    }
}

/* For asserts of functions that want it held: by somebody, who is not known. */
static inline bool share_lock_is_held(const struct share_lock *lock)
{
    return atomic_load_explicit(&lock->held, memory_order_relaxed);
}

static inline void share_lock_drop(struct share_lock *lock)
{
    share_assert(share_lock_is_held(lock));
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

/* One round of waiting for another thread. */
static inline void share_pause(void)
{
    share_step(SHARE_STEP_PAUSE);
    sched_yield();
}

#endif
