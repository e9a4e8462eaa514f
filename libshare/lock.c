/* SPDX-License-Identifier: MIT */
/* A lock that somebody else has. */
#include "lock.h"

/* Some microseconds of pauses: a holder that runs is done long before. */
#define SPINS_MAX 128u

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool try_take(struct share_lock *lock)
{
    uint32_t state = SHARE_LOCK_FREE;
    return atomic_compare_exchange_strong_explicit(&lock->state, &state, SHARE_LOCK_HELD,
                                                   memory_order_acquire, memory_order_relaxed);
}

void share_lock_take_later(struct share_lock *lock)
{
    for (unsigned spins = 0; spins < SPINS_MAX; spins++) {
        if (!share_lock_is_held(lock) && try_take(lock))
            return;
        relax();
    }
    /* There may be other sleepers: taken as wanted, so that its drop wakes the next one. */
    while (atomic_exchange_explicit(&lock->state, SHARE_LOCK_WANTED, memory_order_acquire) !=
           SHARE_LOCK_FREE)
        share_sleep(&lock->state, SHARE_LOCK_WANTED);
}
