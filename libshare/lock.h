/* SPDX-License-Identifier: MIT */
/*
 * The two kinds of waiting in libshare, and the step hook of the schedule tests.
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

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

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
            if (++spins % 128 == 0)
                sched_yield(); /* the holder may have been preempted */
            else
                share_cpu_relax();
        }
    }
}

static inline void share_lock_drop(struct share_lock *lock)
{
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

/*
 * Named places between two shared accesses. In the library they are nothing; built with SHARE_STEPS
 * for the schedule tests, each calls a hook that may switch to the other thread.
 */
enum share_step {
    SHARE_STEP_CLAIM,   /* before a page is claimed for a look */
    SHARE_STEP_SWAP,    /* between reading a page's word and its compare-and-swap */
    SHARE_STEP_FIND,    /* before the table is asked */
    SHARE_STEP_DROP,    /* before a hint leaves the table */
    SHARE_STEP_PROTECT, /* before protect */
    SHARE_STEP_COMPARE, /* before the deciding compare */
    SHARE_STEP_COMMIT,  /* before the claim is re-checked */
    SHARE_STEP_PARTNER, /* between the two commits of a promotion, or before the zero frame's */
    SHARE_STEP_PROMOTE, /* between the partner's commit and its entry's in the table */
    SHARE_STEP_REMAP,   /* before a merge's remap */
    SHARE_STEP_FREE,    /* before a machine page is freed */
    SHARE_STEP_RETIRE,  /* before a frame's number may be used again */
    SHARE_STEP_RELEASE, /* before an owned page gets its last word */
    SHARE_STEP_BREAK,   /* before a break looks at its page */
    SHARE_STEP_COPY,    /* before a break copies */
    SHARE_STEP_MAPPED,  /* after a break's remap, before it drops its reference */
    SHARE_STEP_UNLINK,  /* after the last reference, before the frame leaves the table */
    SHARE_STEP_FORGET,  /* before a forget looks at its page, or a removal at its next 64 */
    SHARE_STEP_ENTER,   /* between counting itself in at a VM and asking whether it may be */
    SHARE_STEP_PAUSE,   /* waiting for somebody else */
    SHARE_STEPS_COUNT
};

#ifdef SHARE_STEPS
extern void (*share_step_hook)(enum share_step step);
static inline void share_step(enum share_step step)
{
    if (share_step_hook)
        share_step_hook(step);
}
#else
static inline void share_step(enum share_step step)
{
    (void)step;
}
#endif

/* One round of waiting for another thread. */
static inline void share_pause(void)
{
    share_step(SHARE_STEP_PAUSE);
    sched_yield();
}

#endif
