/* SPDX-License-Identifier: MIT */
/*
 * The engine: what struct share holds. See enter.h for how calls enter it, page.h for who may do
 * what to a page, frame.h for references, lock.h for the lock order.
 */
#ifndef SHARE_ENGINE_H
#define SHARE_ENGINE_H

#include "alias.h"
#include "compare.h"
#include "frame.h"
#include "hash.h"
#include "page.h"
#include "scan.h"
#include "table.h"
#include "transit.h"
#include "tune.h"

/* Counters of one VM; the engine adds them up, with those of VMs that have gone. */
struct share_counts {
    _Atomic uint64_t outcomes[SHARE_OUTCOMES];
    _Atomic uint64_t breaks_copied;
    _Atomic uint64_t breaks_last;
    _Atomic uint64_t breaks_abandoned;
    _Atomic uint64_t breaks_retried;
    _Atomic uint64_t forgets;
    _Atomic uint64_t framed_pages; /* gauges from here on */
    _Atomic uint64_t code_pages;
    _Atomic uint64_t dirty_pages;
};

_Static_assert(SHARE_CLASS_SHIFT == SHARE_ENTRY_HASH_BITS - SHARE_HINT_HASH_BITS,
               "the lowest bits of a key that a word keeps tell its class");

enum share_vm_state { SHARE_VM_FREE, SHARE_VM_LIVE, SHARE_VM_DYING };

struct share_vm_object {
    _Atomic uint32_t pool_link;
    _Atomic uint32_t state;  /* FREE -> LIVE -> DYING -> FREE: share_vm_may_become */
    _Atomic uint32_t users;  /* calls on this VM under way */
    _Atomic uint32_t offers; /* of those, offers: share_vm_regroup waits for them */
    _Atomic uint32_t regrouping;
    _Atomic uint64_t dirty_index; /* chunk index where the search for dirty pages goes on */
    _Atomic share_group group;
    _Atomic uint32_t started; /* scanners may look at it */
    share_vm number;
    void *owner; /* the caller's */
    share_ppn begin, end;
    struct share_tree tree;
    struct share_counts counts;
};

struct share_group_object {
    _Atomic uint32_t pool_link;
    _Atomic uint32_t live;
    bool sharing;
    _Atomic uint32_t vms;
    struct share_lock lock;     /* making and unlinking the zero frame */
    share_frame zero_frame;     /* 0: none */
    struct share_secret secret; /* fixed while the group lives */
};

struct share {
    struct share_ops ops;
    void *ops_ctx;
    struct share_observer observer;
    uint64_t salt;
    uint64_t hash_mask; /* all ones, but in tests */
    uint32_t settled_ppm;
    bool immutable;
    share_compare_fn compare;
    struct share_tuner tuner;
    _Atomic uint32_t gate;           /* enter.h */
    _Atomic uint64_t op_errors;      /* answers of ops that none may give */
    _Atomic uint64_t indexed;        /* frames that came into the table from outside, so far */
    _Atomic uint64_t hints_left_out; /* looks that left none, for want of room */
    struct share_transit transit;
    struct share_aliases aliases;
    struct share_mem mem;
    struct share_table table;
    struct share_pages pages;
    struct share_frames frames;
    struct share_pool vms;
    struct share_pool groups;
    struct share_lock admin; /* VMs and groups: adding, removing, moving between */
    struct share_scanner scanner;
    struct share_counts gone;
};

/* The object of a number that was given out once; its state says whether it lives. */
static inline struct share_vm_object *share_vm_at(const struct share *share, share_vm vm)
{
    return share_pool_at(&share->vms, vm + 1);
}

static inline struct share_group_object *share_group_at(const struct share *share,
                                                        share_group group)
{
    return share_pool_at(&share->groups, group + 1);
}

/* VM numbers given out so far are below this. */
static inline share_vm share_vm_end(const struct share *share)
{
    return share_pool_end(&share->vms) - 1;
}

static inline bool share_ppn_valid(const struct share_vm_object *vm, share_ppn ppn)
{
    return ppn.n >= vm->begin.n && ppn.n < vm->end.n;
}

static inline void share_tell(struct share *share, const struct share_event *event)
{
    if (share->observer.event)
        share->observer.event(share->observer.ctx, event);
}

static inline void share_count(_Atomic uint64_t *counter, uint64_t by)
{
    if (by)
        atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

#endif
