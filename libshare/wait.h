/* SPDX-License-Identifier: MIT */
/*
 * Sleeping until another thread has changed a word of 32 bits: a futex where there is one (U.
 * Drepper, Futexes Are Tricky, 2011), so that a waiter takes no processor from the one it waits
 * for.
 *
 * Whoever changes the word wakes the sleepers, if it is told in any way that there may be some.
 */
#ifndef SHARE_WAIT_H
#define SHARE_WAIT_H

#include <stdatomic.h>
#include <stdint.h>

/* Sleeps while *word is `seen`, until a wake. Returns at once if it is not `seen`, and at any time:
 * look again. */
void share_sleep(_Atomic uint32_t *word, uint32_t seen);

/* Sleeps until a count is 0: whoever brings it there wakes. */
void share_sleep_until_none(_Atomic uint32_t *count);

/* The word may be gone by now: then nobody sleeps on it, and nothing is done. */
void share_wake_one(_Atomic uint32_t *word);
void share_wake_all(_Atomic uint32_t *word);

#endif
