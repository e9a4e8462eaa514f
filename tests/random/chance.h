/* SPDX-License-Identifier: MIT */
/* Each thread's own random numbers, all from one seed. */
#ifndef CHANCE_H
#define CHANCE_H

#include "random.h"
#include <stdbool.h>

extern _Thread_local uint64_t chance_state;

/* The thread's ops give true answers alone: they are called for somebody who needs them. */
extern _Thread_local bool chance_honest;

static inline uint32_t chance_to(uint32_t bound)
{
    return random_to(&chance_state, bound);
}

static inline bool chance_one_in(uint32_t count)
{
    return chance_to(count) == 0;
}

/* Does an op say something else than what is so? Once in `count` times. */
static inline bool chance_to_refuse(uint32_t count)
{
    return !chance_honest && chance_one_in(count);
}

#endif
