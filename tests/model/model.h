/* SPDX-License-Identifier: MIT */
/*
 * The engine beside a naive model of what guests should see, driven by numbers.
 *
 * The model is an array: for each page of each VM, is it there, and what was last written to it. It
 * knows nothing of hints, frames or protection. model_step takes one operation out of a source of
 * numbers (a random generator, or a fuzzer's bytes), does it to both, and compares: every guest
 * page byte for byte, the engine's own audit, its statistics against a count of its pages, and the
 * machine pages in use against the mappings.
 */
#ifndef MODEL_H
#define MODEL_H

#include "metadata.h"
#include "vmm.h"

#define MODEL_VMS    6u
#define MODEL_SLOTS  40u
#define MODEL_GROUPS 4u

/* A number in [0, bound); bound > 0. */
struct model_source {
    uint32_t (*below)(void *ctx, uint32_t bound);
    void *ctx;
};

struct model_page {
    bool present;
    bool alone;  /* left alone: comes on no frame that it was not on */
    bool framed; /* at the last check */
    struct vmm_content content;
};

struct model_vm {
    bool live;
    unsigned group; /* index in model.group */
    unsigned slots; /* in its range; those beyond are absent */
    struct model_page page[MODEL_SLOTS];
};

struct model_group {
    bool live, sharing;
    share_group number;
};

struct model {
    struct model_source source;
    struct metadata metadata;
    struct vmm *vmm;
    struct share *share;
    bool weak_hash;   /* false matches are possible: less is shared than could be */
    unsigned failing; /* ops and allocations fail one time in so many; 0: never */
    bool in_step;     /* the source may be asked by ops (not while the model looks) */
    struct model_group group[MODEL_GROUPS];
    struct model_vm vm[MODEL_VMS]; /* by the engine's number */
    uint64_t offered_pages, breaks;
};

void model_init(struct model *model, struct model_source source, uint64_t salt, uint64_t hash_mask);

/* One operation, and all checks. */
void model_step(struct model *model);

/* Everything leaves; nothing may be left. */
void model_fini(struct model *model);

/* Compares engine and model; part of model_step. */
void model_check(struct model *model);

/* With nothing failing, share_now must reach the optimum. */
void model_share_now(struct model *model);

#endif
