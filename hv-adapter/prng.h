/* SPDX-License-Identifier: MIT */
/* Random numbers that repeat: splitmix64 (G. Steele et al., Fast Splittable Pseudorandom Number
 * Generators, OOPSLA 2014). Any seed will do. */
#ifndef HV_PRNG_H
#define HV_PRNG_H

#include <stdint.h>

static inline uint64_t hv_random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
