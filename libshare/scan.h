/* SPDX-License-Identifier: MIT */
/*
 * The scanner's state: where it is in the pass, and what the pass has found.
 */
#ifndef SHARE_SCAN_H
#define SHARE_SCAN_H

#include "lock.h"
#include "share.h"

/* One whole pass: `merged` and `changed` of `looked` pages. */
struct share_pass {
    uint64_t looked, merged, changed;
};

struct share_scanner {
    struct share_lock lock; /* guards all of it */
    share_vm vm;            /* next page to look at, of the pass that goes on */
    share_ppn ppn;
    share_vm dirty_vm; /* next VM to be asked for dirty pages */
    uint32_t version;  /* of the cursor */
    uint32_t inflight; /* batches taken and not yet accounted */
    uint64_t random_state;
    struct share_pass now;  /* the pass that goes on */
    struct share_pass last; /* the last whole pass */
    uint64_t passes;
};

#endif
