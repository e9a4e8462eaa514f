/* SPDX-License-Identifier: MIT */
/* A seeded source of numbers, the same everywhere: the VMM's. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

#include "../../hv-adapter/prng.h"

static inline uint64_t random_next(uint64_t *state)
{
    return hv_random_next(state);
}

/* In [0, bound). */
static inline uint32_t random_to(uint64_t *state, uint32_t bound)
{
    return (uint32_t)((random_next(state) >> 32) * bound >> 32);
}

#endif
