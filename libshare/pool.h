/* SPDX-License-Identifier: MIT */
/*
 * A pool of equal objects named by small numbers, so that 32 bits do where a pointer takes 64.
 *
 * Objects live in slabs that never move. The directory of slabs is read without a lock, and grows
 * by doubling; outgrown directories are kept until the end for readers that still hold them, less
 * than one more directory in all.
 *
 * A slab is given back when nothing in it is taken, but for two of them, which are a reserve. So an
 * object may be read only by who knows that it is taken: because its own reference, pin or lock
 * keeps it so. page.h and frame.h say who that is. Pools that keep their slabs make no such demand:
 * an id stays readable for ever, though its object may have been given to somebody else.
 *
 * Cost: id to object is two loads. Taking and putting hold the pool's lock for a few accesses.
 *
 * An id goes reserved (one of many) -> taken -> put back. Invariants, with the lock held:
 *     reserved <= free_count <= made        made: items in slabs that are there
 *     fresh_count <= free_count             fresh: not taken since their slab was made
 *     of a slab, taken + those put back + those fresh = its items
 *     a slab with memory that is not wholly taken is in the list `open`, one without is in `absent`
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

/* What is known of a slab, with the lock held. */
struct share_slab {
    uint32_t free_head; /* an item put back: they are linked through their first four bytes, which
                           every object declares as an _Atomic uint32_t; 0: none */
    uint16_t taken;     /* items taken now */
    uint16_t used;      /* items taken once: the others, behind them, are fresh */
    uint32_t next;      /* slab of its list, plus 1; 0: the last one */
    uint32_t before;    /* the same; of the list `open` alone */
};

struct share_pool {
    struct share_mem *mem;
    uint32_t item_nbytes;
    uint32_t slab_log2; /* items a slab, as a power of two: together 2 to 5 KiB, so that a small
                           engine holds little, and a large one seldom asks for memory */
    uint32_t items_max; /* ids are 1 .. items_max */
    bool keeps;         /* no slab is given back. Set between init and the first reserve */
    _Atomic(struct share_pool_dir *) dir;
    /* Apart from those above, which every look at an object reads. */
    _Alignas(SHARE_LINE_NBYTES) struct share_lock lock;
    _Atomic uint32_t next_unused; /* ids from here on were never taken */
    uint32_t made, free_count, fresh_count;
    uint32_t reserved;        /* of those free, promised */
    struct share_slab *slab;  /* owned: as many as the directory has room for */
    uint32_t slabs;           /* with memory, or absent */
    uint32_t open, open_last; /* slabs with free items, plus 1; 0: none */
    uint32_t absent;          /* slabs without memory */
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

/* The slab of an id that was taken once; NULL: it has been given back. */
static inline unsigned char *share_pool_slab(const struct share_pool *pool, uint32_t id)
{
    struct share_pool_dir *dir = atomic_load_explicit(&pool->dir, memory_order_acquire);
    share_assert(id && id <= pool->items_max);
    return atomic_load_explicit(&dir->slab[(id - 1) >> pool->slab_log2], memory_order_relaxed);
}

static inline size_t share_pool_offset(const struct share_pool *pool, uint32_t id)
{
    return (size_t)((id - 1) & ((UINT32_C(1) << pool->slab_log2) - 1)) * pool->item_nbytes;
}

/* The object of an id that is taken, or was if the pool keeps its slabs. */
static inline void *share_pool_at(const struct share_pool *pool, uint32_t id)
{
    unsigned char *slab = share_pool_slab(pool, id);
    share_assert(slab);
    return slab + share_pool_offset(pool, id);
}

/* Where the object of an id that was taken once stands, or stood: for prefetches alone. */
static inline uintptr_t share_pool_address(const struct share_pool *pool, uint32_t id)
{
    return (uintptr_t)share_pool_slab(pool, id) + share_pool_offset(pool, id);
}

/* Items that are taken now. */
uint32_t share_pool_taken(struct share_pool *pool);

/* Ids below this were taken once. */
static inline uint32_t share_pool_end(const struct share_pool *pool)
{
    return atomic_load_explicit(&pool->next_unused, memory_order_acquire);
}

#endif
