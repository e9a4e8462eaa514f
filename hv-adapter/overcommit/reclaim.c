/* SPDX-License-Identifier: MIT */
/* States of free memory. See reclaim.h. */
#include "overcommit/reclaim.h"

static const unsigned percent[] = {HV_FREE_HIGH_PERCENT, HV_FREE_SOFT_PERCENT, HV_FREE_HARD_PERCENT,
                                   HV_FREE_LOW_PERCENT};

enum hv_memory_state hv_reclaim_state(enum hv_memory_state was, uint64_t free_pages, uint64_t pages)
{
    unsigned state = was;
    while (state < HV_MEMORY_LOW && free_pages * 100 < pages * percent[state + 1])
        state++;
    while (state == was && was > HV_MEMORY_HIGH && free_pages * 100 >= pages * percent[state - 1])
        was = --state;
    return (enum hv_memory_state)state;
}

const char *hv_memory_state_name(enum hv_memory_state state)
{
    static const char *const names[] = {"high", "soft", "hard", "low"};
    return names[state];
}
