/* SPDX-License-Identifier: MIT */
/*
 * A pool of equal objects named by small numbers, so that 32 bits do where a pointer takes 64.
 *
 * Objects live in slabs that never move and are released only with the pool: an id stays readable
 * for ever (its object may have been given to somebody else meanwhile), which is what lets pages be
 * looked up without a lock. The directory of slabs grows by doubling; outgrown directories are kept
 * until the end for readers that still hold them, less than one more directory in all.
 *
 * Cost: id to object is two loads. Taking and putting hold the pool's lock for a few accesses.
 *
 * An id goes reserved (one of many) -> taken -> put back. Invariants, with the lock held:
 *     reserved <= free_count <= made
 *     next_unused - 1 <= made <= items_max     made: what there are slabs for
 *     free_count >= made - (next_unused - 1)   never taken, so free
 */
#ifndef SHARE_POOL_H
#define SHARE_POOL_H

#include "invariant.h"
#include "lock.h"
#include "mem.h"

struct share_pool_dir {
    struct share_pool_dir *outgrown; /* the directory before this one */
    uint32_t slabs_max;
    _Atomic(unsigned char *) slab[];
};

struct share_pool {
    struct share_mem *mem;
    uint32_t item_nbytes;
    uint32_t slab_log2; /* items a slab, as a power of two: together 2 to 5 KiB, so that a small
                           engine holds little, and a large one seldom asks for memory */
    uint32_t items_max; /* ids are 1 .. items_max */
    _Atomic(struct share_pool_dir *) dir;
    /* Apart from those above, which every look at an object reads. */
    _Alignas(SHARE_LINE_NBYTES) struct share_lock lock;
    _Atomic uint32_t next_unused; /* ids from here on were never taken */
    uint32_t free_head;           /* ids put back, linked through their first four bytes,
                                     which every object declares as an _Atomic uint32_t */
    uint32_t free_count;          /* ids that can be taken without allocation */
    uint32_t reserved;            /* of those, promised */
    uint32_t slabs;
};

void share_pool_init(struct share_pool *pool, struct share_mem *mem, uint32_t item_nbytes,
                     uint32_t slab_log2, uint32_t items_max);
void share_pool_fini(struct share_pool *pool);

/* The invariants. Lock held. */
bool share_pool_is_valid(const struct share_pool *pool);

/* Promises `count` items to the caller; false and nothing changed if memory is refused. */
bool share_pool_reserve(struct share_pool *pool, uint32_t count);
/* Gives back what was promised and not taken. */
void share_pool_unreserve(struct share_pool *pool, uint32_t count);

/* Takes one of the caller's reserved items. Never fails. Its bytes are whatever was left there. */
uint32_t share_pool_take(struct share_pool *pool);
/* Takes several at once, for one wait. */
void share_pool_take_some(struct share_pool *pool, uint32_t *ids, uint32_t count);
void share_pool_put(struct share_pool *pool, uint32_t id);

/* The object of an id that was taken once (now or earlier). */
static inline void *share_pool_at(const struct share_pool *pool, uint32_t id)
{
    struct share_pool_dir *dir = atomic_load_explicit(&pool->dir, memory_order_acquire);
    uint32_t index = id - 1;
    unsigned char *slab =
        atomic_load_explicit(&dir->slab[index >> pool->slab_log2], memory_order_relaxed);
    share_assert(id && id <= pool->items_max && slab);
    return slab + (size_t)(index & ((UINT32_C(1) << pool->slab_log2) - 1)) * pool->item_nbytes;
}

/* Items that are taken now. */
uint32_t share_pool_taken(struct share_pool *pool);

/* Ids below this were taken once. */
static inline uint32_t share_pool_end(const struct share_pool *pool)
{
    return atomic_load_explicit(&pool->next_unused, memory_order_acquire);
}

#endif
