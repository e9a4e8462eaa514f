/* SPDX-License-Identifier: MIT */
/*
 * Ranges of pages that a VM's owner wants left alone: in order, apart from each other, half open.
 * Few, and hardly ever changed: each look at a page of a VM that has any searches them.
 */
#ifndef SHARE_RANGES_H
#define SHARE_RANGES_H

#include "lock.h"
#include "mem.h"
#include "share.h"

struct share_range {
    uint64_t begin, end; /* PPNs */
};

struct share_ranges {
    struct share_lock lock;
    _Atomic uint32_t count; /* read without the lock: are there any? */
    uint32_t room;
    struct share_range *range;
};

void share_ranges_fini(struct share_ranges *ranges, struct share_mem *mem);

/* Puts all of a range in, or takes it out. False: memory was refused, and nothing changed. */
bool share_ranges_set(struct share_ranges *ranges, struct share_mem *mem, struct share_range range,
                      bool in);

bool share_ranges_hold(struct share_ranges *ranges, share_ppn ppn);

#endif
