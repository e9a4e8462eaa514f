/* SPDX-License-Identifier: MIT */
/*
 * Structs that cross to a program of another version. They grow at their end only: what both sides
 * know is copied, and what the caller's has beyond it is 0.
 */
#ifndef SHARE_SIZED_H
#define SHARE_SIZED_H

#include <stddef.h>
#include <string.h>

static inline void share_hand_over(void *to, size_t to_nbytes, const void *from, size_t from_nbytes)
{
    size_t both = to_nbytes < from_nbytes ? to_nbytes : from_nbytes;
    memcpy(to, from, both);
    memset((char *)to + both, 0, to_nbytes - both);
}

#endif
