/* SPDX-License-Identifier: MIT */
/* The system's futex; elsewhere a waiter yields. */
#define _DEFAULT_SOURCE
#include "wait.h"
#include "step.h"
#include <limits.h>

#ifdef __linux__
#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static void futex(_Atomic uint32_t *word, int what, uint32_t value)
{
    int kept = errno;
    syscall(SYS_futex, word, what | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
    errno = kept;
}
#else
#include <sched.h>
enum { FUTEX_WAIT, FUTEX_WAKE };

static void futex(_Atomic uint32_t *word, int what, uint32_t value)
{
    if (what == FUTEX_WAIT && atomic_load(word) == value)
        sched_yield();
}
#endif

void share_sleep(_Atomic uint32_t *word, uint32_t seen)
{
    share_step(SHARE_STEP_PAUSE);
#ifndef SHARE_STEPS /* there the explorer decides who runs */
    futex(word, FUTEX_WAIT, seen);
#else
    (void)word;
    (void)seen;
#endif
}

void share_sleep_until_none(_Atomic uint32_t *count)
{
    for (uint32_t now; (now = atomic_load(count)) != 0;)
        share_sleep(count, now);
}

void share_wake_one(_Atomic uint32_t *word)
{
    futex(word, FUTEX_WAKE, 1);
}

void share_wake_all(_Atomic uint32_t *word)
{
    futex(word, FUTEX_WAKE, INT_MAX);
}
