/* SPDX-License-Identifier: MIT */
/*
 * The scanner's state: where it is in the pass, and what the pass has found.
 */
#ifndef SHARE_SCAN_H
#define SHARE_SCAN_H

#include "lock.h"
#include "share.h"

/* One pass, whoever scanned which part of it. */
struct share_pass {
    uint64_t looked; /* pages, those left out included */
    uint64_t merged, changed;
    uint64_t busy, failed;
    uint64_t quiet;     /* left out because they are old and alone */
    uint64_t volatiles; /* left out because they change too often */
};

/* After so many passes every page that is not volatile has been looked at: see page.h. */
#define SHARE_PASSES_KEPT 4u

struct share_scanner {
    _Atomic uint64_t dirty_pages; /* of all VMs, so that a scan need not ask each for its own */
    _Atomic uint32_t accounted;   /* batches, so far */
    struct share_lock lock;       /* guards all from here on */
    share_vm vm;                  /* next page to look at, of the pass that goes on */
    share_ppn ppn;
    share_vm dirty_vm; /* next VM to be asked for dirty pages */
    uint32_t version;  /* of the cursor */
    uint32_t inflight; /* batches taken and not yet accounted */
    uint32_t sleepers; /* threads that sleep on `accounted` */
    uint64_t random_state;
    struct share_pass now;                     /* the pass that goes on */
    struct share_pass last[SHARE_PASSES_KEPT]; /* whole passes: [passes % SHARE_PASSES_KEPT] next */
    uint64_t passes;
};

struct share_vm_object;

/* A VM leaves: its dirty pages wait no more. */
void share_dirty_drop(struct share *share, struct share_vm_object *vm);

#endif
