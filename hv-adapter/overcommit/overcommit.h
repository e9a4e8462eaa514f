/* SPDX-License-Identifier: MIT */
/*
 * Memory management of a world whose VMs may together want more than there is: what a hypervisor
 * does all day, as a loop over the parts that do it.
 *
 *     sample: how much does each VM use -> policy: how much should each have -> balloons
 *     free memory -> state: balloons alone, page out at random, or stop VMs that have too much
 *
 * Allocation: the pages of a VM that are not in its balloon. A VM whose allocation is below its
 * target gets back only what others have already given up, so that allocations, less what sharing
 * saves, never add up to more than there is once balloons have come to rest.
 *
 * HV_FREE_HIGH_PERCENT of machine memory is kept free on top of `memory_pages`:
 * machine_pages = hv_overcommit_machine_pages(memory_pages).
 *
 * Threads: as hv.h: one at a time in a world.
 * Source: C. A. Waldspurger, OSDI 2002, 5 and 6.
 */
#ifndef HV_OVERCOMMIT_H
#define HV_OVERCOMMIT_H

#include "hv.h"
#include "overcommit/policy/policy.h"
#include "overcommit/reclaim.h"

struct hv_overcommit_config {
    const struct hv_policy *policy; /* NULL: balloons keep the sizes that they were given */
    uint64_t memory_pages;          /* for all VMs */
    uint64_t period_ticks;          /* of sampling, and of targets */
    double tax, slack;              /* see policy.h */
    bool census;                    /* the truth beside each estimate, uncharged */
};

struct hv_overcommit_claim {
    uint64_t min_pages, shares; /* max is the VM's size */
    uint64_t balloon_pages;     /* without a policy: what its balloon holds from the start */
};

/* What was found of a VM and done about it, at the last end of a period. */
struct hv_overcommit_vm {
    uint64_t size_pages;
    uint64_t target_pages;     /* of allocation */
    uint64_t allocated_pages;  /* of now: size - balloon */
    double active;             /* the fraction that the policy was told */
    double truth;              /* what it was, by census; negative: unknown */
    uint64_t taken_back_pages; /* out of its balloon by its guest, which was out of memory; ever */
    bool blocked;              /* stands still for want of memory */
    uint64_t waits_ticks;      /* for memory, without a page meanwhile; 0: it does not */
};

struct hv_overcommit;

uint64_t hv_overcommit_machine_pages(uint64_t memory_pages);

/* Of no VMs yet. NULL: *error says why. The world stays the caller's and must outlive it. */
struct hv_overcommit *hv_overcommit_new(struct hv_world *world,
                                        const struct hv_overcommit_config *config,
                                        struct hv_error *error);
void hv_overcommit_free(struct hv_overcommit *overcommit);

/*
 * May a VM of this size come? Only if its min is free of others' minima, and the paging file can
 * hold what lies between its min and its size, and the others': then all of them can go on, however
 * slowly. Else false, and *error says in one line what is missing. (Policies refuse more: false and
 * their reason.)
 */
bool hv_overcommit_admits(const struct hv_overcommit *overcommit, uint64_t size_pages,
                          const struct hv_overcommit_claim *claim, struct hv_error *error);
/* Frees machine pages for a VM that is to be loaded: shares pages of others, or pages them out.
 * False: so many cannot be freed. */
bool hv_overcommit_make_room(struct hv_overcommit *overcommit, uint64_t pages);
/* Takes care of a VM of the world that was admitted, and samples it, from now on. False: out of
 * host memory. One that ends, or is ended, is cared for no more. */
bool hv_overcommit_add(struct hv_overcommit *overcommit, struct hv_vm *vm,
                       const struct hv_overcommit_claim *claim);
/* VMs have come or gone: targets anew, and not first at the end of the period. */
void hv_overcommit_divide(struct hv_overcommit *overcommit);

/* Between turns of the world: call it at least every few milliseconds of virtual time. True at the
 * end of a period: there are new targets. */
bool hv_overcommit_turn(struct hv_overcommit *overcommit);
/* False: refused, with the reason, and nothing changed. Counts from the next period on. */
bool hv_overcommit_set_tax(struct hv_overcommit *overcommit, double tax, struct hv_error *error);

/* Of a VM that was added. */
void hv_overcommit_look(const struct hv_overcommit *overcommit, const struct hv_vm *vm,
                        struct hv_overcommit_vm *found);
/* For a person: why VMs that wait for memory get none. Into text, which it returns. */
const char *hv_overcommit_why(const struct hv_overcommit *overcommit, char *text, size_t nbytes);
enum hv_memory_state hv_overcommit_state(const struct hv_overcommit *overcommit);

#endif
