/* SPDX-License-Identifier: MIT */
/* A share_alloc that counts, and refuses when it is told to. */
#ifndef METADATA_H
#define METADATA_H

#include "share.h"
#include <stdatomic.h>

struct metadata {
    struct share_alloc alloc; /* hand this to the engine */
    _Atomic uint64_t calls;   /* allocations asked for */
    _Atomic uint64_t bytes;   /* held now */
    _Atomic uint64_t blocks;
    uint64_t fail_at;          /* refuse this call (the first is 1) ... */
    uint64_t fail_count;       /* ... and so many calls in all */
    bool (*refuse)(void *ctx); /* or whenever this says so; NULL: never */
    void *refuse_ctx;
};

void metadata_init(struct metadata *metadata);

#endif
