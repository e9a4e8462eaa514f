/* SPDX-License-Identifier: MIT */
/* States of free memory. See reclaim.h. */
#include "overcommit/reclaim.h"

#include <stdbool.h>

#include "hv_assert.h"

static const unsigned percent[] = {HV_FREE_HIGH_PERCENT, HV_FREE_SOFT_PERCENT, HV_FREE_HARD_PERCENT,
                                   HV_FREE_LOW_PERCENT};

enum hv_memory_state hv_reclaim_state(enum hv_memory_state was, uint64_t free_pages, uint64_t pages)
{
    unsigned state = was;
    while (state < HV_MEMORY_LOW && free_pages * 100 < pages * percent[state + 1])
        state++;
    bool worse = state > was;
    while (!worse && state > HV_MEMORY_HIGH && free_pages * 100 >= pages * percent[state - 1])
        state--;
    hv_assert_internal(state == HV_MEMORY_LOW || free_pages * 100 >= pages * percent[state + 1]);
    return (enum hv_memory_state)state;
}

const char *hv_memory_state_name(enum hv_memory_state state)
{
    static const char *const names[] = {"high", "soft", "hard", "low"};
    return names[state];
}
