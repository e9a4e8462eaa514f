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

/* The random order's idea of which pages there are (scan_random.c). Stretches are of one VM, and
 * those of a VM stand in order. */
#define SHARE_STRETCH_PAGES 512u

struct share_stretch {
    share_vm vm;
    share_ppn first; /* page of a stretch, which goes on to the VM's next one */
};

struct share_stretches {
    struct share_stretch *stretch; /* owned: an array of `room`, of which there are `count` */
    size_t count, room;
    uint64_t pages;  /* in all stretches */
    uint64_t places; /* pages of the longest one */
    uint64_t pass;   /* that they were found for */
    bool valid;      /* they have been found, and no VM has gone since */
};

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
    struct share_stretches stretches;
    struct share_pass now;                     /* the pass that goes on */
    struct share_pass last[SHARE_PASSES_KEPT]; /* whole passes: [passes % SHARE_PASSES_KEPT] next */
    uint64_t passes;
};

struct share_vm_object;

/* A VM leaves: its dirty pages wait no more. */
void share_dirty_drop(struct share *share, struct share_vm_object *vm);

/* Its pages from `end` on are dirty no more. */
void share_dirty_cut(struct share *share, struct share_vm_object *vm, share_ppn end);

/* The random order looks anew at what there is. */
void share_stretches_drop(struct share *share);

#endif
