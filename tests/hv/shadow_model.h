/* SPDX-License-Identifier: MIT */
/*
 * Shadow page tables against a naive walker.
 *
 * Random page tables in guest memory, random edits by the guest (through the real store path: traps
 * where the page is a table), random address spaces, random accesses in both modes. After each fill
 * the answer must be what a walker that keeps nothing finds at this moment, and A and D must be
 * set. Pages are shared and broken meanwhile. Small node bounds make address spaces go and come.
 * Tables are hostile by nature: loops, pointers outside memory, tables that map themselves
 * writable, as many roots as there are pages. A neighbour with pages of the same contents must
 * keep its memory, whatever happens.
 *
 * What is wrong ends the program (must.h): tests with a seed and fuzz targets use it alike.
 */
#ifndef TESTS_HV_SHADOW_MODEL_H
#define TESTS_HV_SHADOW_MODEL_H

#include "others.h"

struct shadow_source {
    uint64_t (*below)(void *ctx, uint64_t bound); /* in [0, bound) */
    uint64_t (*word)(void *ctx);                  /* anything */
    void *ctx;
};

struct shadow_model {
    struct shadow_source source;
    struct hv_world *world;          /* owned */
    struct hv_vm *vm, *neighbour;    /* of the world */
    struct others others;            /* the neighbour's memory */
    uint64_t pages, faults, watched; /* accesses that found a page, that faulted; trapped stores */
};

/* nodes: bound of the guest's S-PT; 0: the usual. */
void shadow_model_init(struct shadow_model *model, struct shadow_source source, uint32_t nodes,
                       bool sharing);
void shadow_model_step(struct shadow_model *model);
/* Every invariant of the world. O(memory). */
void shadow_model_check(struct shadow_model *model);
/* Checks, and that the neighbour has its memory and the machine all of its own. */
void shadow_model_fini(struct shadow_model *model);

#endif
