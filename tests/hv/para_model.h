/* SPDX-License-Identifier: MIT */
/*
 * A hostile paravirtualized guest against a model of what its hypercalls mean.
 *
 * Random hypercalls (most of them nearly right), accesses, merges, breaks by stores and by devices,
 * pages that leave, are paged out or sampled. The model knows which page is a table of which level,
 * what each entry was last allowed to say, and the bytes of every page; it says what each call must
 * answer and what each access must find. A neighbour with pages of the same contents, which stores
 * as well, must keep its memory, whatever happens.
 *
 * Instructions run through the TLB as well: a guest that does not flush it reaches pages of its own
 * at most, and no table.
 *
 * What is wrong ends the program (must.h): a test with a seed and a fuzz target use it alike.
 */
#ifndef TESTS_HV_PARA_MODEL_H
#define TESTS_HV_PARA_MODEL_H

#include "others.h"

enum { PARA_MODEL_PAGES = 48, PARA_MODEL_SLOTS = 512 };

struct para_source {
    uint64_t (*below)(void *ctx, uint64_t bound); /* in [0, bound) */
    uint64_t (*word)(void *ctx);                  /* anything */
    void *ctx;
};

struct para_model_entry {
    uint64_t flags; /* 0: empty */
    unsigned page;
};

struct para_model_page {
    bool table;
    unsigned level;
    uint64_t word;                                   /* the first of its bytes; the others are 0 */
    struct para_model_entry entry[PARA_MODEL_SLOTS]; /* a table's */
};

struct para_model {
    struct para_source source;
    struct hv_world *world;            /* owned */
    struct hv_vm *vm, *neighbour;      /* of the world */
    struct others others;              /* the neighbour's memory, since the model wrote there */
    struct para_model_page *page;      /* owned: [PARA_MODEL_PAGES] */
    uint8_t *ever;                     /* owned: [MPN]: is or was the VM's */
    uint64_t theirs[PARA_MODEL_PAGES]; /* the first word of each page of the neighbour */
    int root;                          /* page; -1: none yet */
    uint64_t last_va;                  /* of an instruction */
    bool stale;                        /* entries went, and no FlushTLB since */
    uint64_t updates, refused, accesses, faults, executed;
};

void para_model_init(struct para_model *model, struct para_source source);
void para_model_step(struct para_model *model);
/* Every invariant of the world, every byte of both VMs. O(memory). */
void para_model_check(struct para_model *model);
void para_model_fini(struct para_model *model);

#endif
