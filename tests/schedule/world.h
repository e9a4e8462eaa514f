/* SPDX-License-Identifier: MIT */
/*
 * What the schedules are explored over: two VMs, and a third one that may become a clone of the
 * first, with an engine and what their guests should see, all in the explorer's arena; the
 * operations that threads run; and the checks of each state.
 */
#ifndef WORLD_H
#define WORLD_H

#include "vmm.h"

#define WORLD_VMS   3u
#define WORLD_CLONE 2u /* the number of the third */
#define WORLD_SLOTS 2u

/* The pages that cases speak of. */
enum world_page { PAGE_A, PAGE_B, PAGE_C, PAGE_D, WORLD_PAGES }; /* (0,0) (1,0) (1,1) (0,1) */

enum world_kind {
    OFFER,      /* one page */
    OFFER_PAIR, /* B and C in one call */
    WRITE_BOTH, /* A, then B, of the same */
    WRITE,      /* the guest stores a word, with all its faults */
    BREAK,      /* the VMM is about to write the page itself */
    BREAK_BOTH, /* A and D in one call */
    DEVICE,     /* it pins the page, breaks it, and writes when it was told OK */
    ADOPT,      /* the page, which nobody else maps */
    ADOPT_PAIR, /* B maps what A maps, and both are declared. Before the threads start */
    FORGET,
    FORGET_BOTH, /* A and D in one call */
    UNPLUG,      /* D is forgotten, and the VM's range ends before it; then it is plugged again */
    EXIT,        /* of the page's VM: forget each page, then remove */
    EXIT_HARD,   /* unmap all, then remove */
    REGROUP,     /* of the page's VM, to the second group */
    CLONE        /* VM 0's, whose vCPU stands still; then the clone stores to its page */
};

struct world_op {
    const char *name;
    enum world_kind kind;
    enum world_page page;
    uint64_t value; /* of a write */
};

/* The contents of A, B, C and D, and operations that come before the threads start. */
struct world_start {
    const char *name;
    bool collide; /* all pages have the same hash */
    bool apart;   /* D lies in another chunk than A */
    bool code;    /* A and B are mapped read-only, and sharing them edits nothing */
    uint64_t content[WORLD_PAGES];
    struct world_op before[8]; /* ends with one without a name */
};

/* Builds the world in the arena, with a VM for a clone or without; the bytes of it that are used.
 */
size_t world_begin(const struct world_start *start, bool clones);

/* Chooses what thread t will run. Part of the initial state: call before explore. */
void world_assign(unsigned t, const struct world_op *op);

/* For struct explore_case. */
void world_run(unsigned t);
void world_check(void);
void world_check_end(void);

#endif
