/* SPDX-License-Identifier: MIT */
/*
 * Machine pages on their way: calls that will free some, or hold references for a moment.
 *
 * With as many machine pages as guest pages there is one for every break as long as nothing moves.
 * While a merge has not freed what it replaced, or another break has not dropped its reference,
 * ops->alloc may refuse all the same: that is no lack of memory, and passes.
 *
 *     calls     breaks, forgets and merges that are under way
 *     arrived   references dropped and pages freed by them, so far
 *     ended     such calls that ended; sleepers sleep on it
 */
#ifndef SHARE_TRANSIT_H
#define SHARE_TRANSIT_H

#include "wait.h"
#include <stdbool.h>

struct share_transit {
    _Atomic uint32_t calls, arrived, ended, sleepers;
};

static inline void share_transit_begin(struct share_transit *transit)
{
    atomic_fetch_add(&transit->calls, 1);
}

/* What has arrived so far. */
static inline uint32_t share_transit_arrivals(struct share_transit *transit)
{
    return atomic_load(&transit->arrived);
}

static inline void share_transit_arrived(struct share_transit *transit)
{
    atomic_fetch_add(&transit->arrived, 1);
}

/* For one that has begun: is a page of another call still to come, or did one come since? */
static inline bool share_transit_brings(struct share_transit *transit, uint32_t arrived)
{
    return atomic_load(&transit->calls) > 1 || atomic_load(&transit->arrived) != arrived;
}

static inline void share_transit_end(struct share_transit *transit)
{
    atomic_fetch_sub(&transit->calls, 1);
    atomic_fetch_add(&transit->ended, 1);
    if (atomic_load(&transit->sleepers))
        share_wake_all(&transit->ended);
}

/* Sleeps until something has arrived, or as many calls have ended as are under way. */
void share_transit_wait(struct share_transit *transit);

#endif
