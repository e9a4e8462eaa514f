/* SPDX-License-Identifier: MIT */
/*
 * Which of two ways to do the same is faster on this machine? Tried now and then, on the work
 * itself: no list of processors can tell, since hosts and neighbours matter, too.
 *
 * A trial is a run that is timed. The first runs are all trials, of either way, 16 of them, or 4 if
 * one way is much slower; after them one run in 256 is, for each way, or then one in 1024. So
 * trials cost a few thousandths of all time at most. All other runs go the way that took less time
 * of late; all runs, if there is no clock, go the first way. What a run does never depends on the
 * way, only how long it takes.
 */
#ifndef SHARE_TUNE_H
#define SHARE_TUNE_H

#include "fetch.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zeros to begin with, but for its clock. Any thread may use it at any time; what two threads
 * tell at once may be lost, and matters as little. */
struct share_tuner {
    uint64_t (*now_ns)(void *ctx); /* ops->now_ns; NULL: there are no trials */
    void *ctx;
    _Atomic uint32_t trials; /* until the first ones are over */
    /* Nanoseconds per SHARE_TUNE_PAGES pages, of late; 0: not tried. */
    _Atomic uint32_t cost[SHARE_FETCH_WAYS];
};

#define SHARE_TUNE_PAGES 128u /* of a whole run; fewer than half as many tell nothing */

struct share_trial {
    enum share_fetch_way way;
    bool is_timed; /* else only a run */
    uint64_t start_ns;
};

/* Starts a run; `first_page`: a page number of it, which tells runs apart. */
struct share_trial share_trial_start(struct share_tuner *tuner, uint32_t first_page);

/* Ends it: so many pages were read. */
void share_trial_end(struct share_tuner *tuner, const struct share_trial *trial, unsigned pages);

/* What a trial found: so many nanoseconds per SHARE_TUNE_PAGES pages. For this file's functions,
 * and tests. */
void share_tuner_learn(struct share_tuner *tuner, enum share_fetch_way way, uint64_t cost);

#endif
