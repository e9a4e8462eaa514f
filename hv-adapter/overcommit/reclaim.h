/* SPDX-License-Identifier: MIT */
/*
 * How hard the host must look for memory: four states of its free memory, pure arithmetic.
 *
 *   high  enough is free: nothing is done          soft  balloons
 *   hard  the VMM pages out at random, too         low   VMs above their target stand still, too
 *
 * A state is entered when less than its fraction is free, and left for the one before it when the
 * fraction of that one is free again: so it does not flutter at a threshold.
 *
 * Source: C. A. Waldspurger, OSDI 2002, 6.3: 6, 4, 2 and 1 %.
 */
#ifndef HV_RECLAIM_H
#define HV_RECLAIM_H

#include <stdint.h>

enum hv_memory_state { HV_MEMORY_HIGH, HV_MEMORY_SOFT, HV_MEMORY_HARD, HV_MEMORY_LOW };

enum {
    HV_FREE_HIGH_PERCENT = 6,
    HV_FREE_SOFT_PERCENT = 4,
    HV_FREE_HARD_PERCENT = 2,
    HV_FREE_LOW_PERCENT = 1,
};

/* The state after `was`, with so many of the pages free. */
enum hv_memory_state hv_reclaim_state(enum hv_memory_state was, uint64_t free_pages,
                                      uint64_t pages);
const char *hv_memory_state_name(enum hv_memory_state state);

#endif
