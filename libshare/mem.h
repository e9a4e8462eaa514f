/* SPDX-License-Identifier: MIT */
/*
 * All memory that an engine holds passes here and is counted, so that metadata_bytes is exact.
 */
#ifndef SHARE_MEM_H
#define SHARE_MEM_H

#include "share.h"
#include <stdatomic.h>

/* A cache line: what processors fetch at a time, and take from each other. */
#define SHARE_LINE_NBYTES 64u

struct share_mem {
    struct share_alloc alloc;
    _Atomic uint64_t bytes;
    _Atomic uint64_t peak_bytes;
};

/* `alloc` NULL: the C library's aligned_alloc and free. */
void share_mem_init(struct share_mem *mem, const struct share_alloc *alloc);

/* Zeroed memory, or NULL. alignment: a power of two. Any thread. */
void *share_mem_new(struct share_mem *mem, size_t nbytes, size_t alignment);

/* NULL is allowed. nbytes as given to share_mem_new. */
void share_mem_free(struct share_mem *mem, void *memory, size_t nbytes);

#endif
