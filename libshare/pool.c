/* SPDX-License-Identifier: MIT */
/* Numbered objects in slabs that never move. */
#include "pool.h"
#include <string.h>

#define FIRST_SLABS_MAX 4u  /* of the first directory */
#define FREE_LOOKED_AT  64u /* for an assert: all of them would be quadratic */

void share_pool_init(struct share_pool *pool, struct share_mem *mem, uint32_t item_nbytes,
                     uint32_t slab_log2, uint32_t items_max)
{
    memset(pool, 0, sizeof *pool);
    pool->mem = mem;
    pool->item_nbytes = item_nbytes;
    pool->slab_log2 = slab_log2;
    pool->items_max = items_max;
    atomic_init(&pool->next_unused, 1);
}

static size_t slab_nbytes(const struct share_pool *pool)
{
    return (size_t)pool->item_nbytes << pool->slab_log2;
}

static size_t dir_nbytes(uint32_t slabs_max)
{
    return sizeof(struct share_pool_dir) + slabs_max * sizeof(_Atomic(unsigned char *));
}

void share_pool_fini(struct share_pool *pool)
{
    struct share_pool_dir *dir = atomic_load(&pool->dir);
    for (uint32_t i = 0; i < pool->slabs; i++)
        share_mem_free(pool->mem, atomic_load(&dir->slab[i]), slab_nbytes(pool));
    while (dir) {
        struct share_pool_dir *outgrown = dir->outgrown;
        share_mem_free(pool->mem, dir, dir_nbytes(dir->slabs_max));
        dir = outgrown;
    }
}

/* A directory with room for one more slab; NULL if memory is refused. */
static struct share_pool_dir *dir_with_room(struct share_pool *pool)
{
    struct share_pool_dir *dir = atomic_load_explicit(&pool->dir, memory_order_relaxed);
    if (dir && pool->slabs < dir->slabs_max)
        return dir;
    uint32_t slabs_max = dir ? dir->slabs_max * 2 : FIRST_SLABS_MAX;
    struct share_pool_dir *larger =
        share_mem_new(pool->mem, dir_nbytes(slabs_max), _Alignof(struct share_pool_dir));
    if (!larger)
        return NULL;
    larger->outgrown = dir;
    larger->slabs_max = slabs_max;
    for (uint32_t i = 0; i < pool->slabs; i++)
        atomic_init(&larger->slab[i], atomic_load_explicit(&dir->slab[i], memory_order_relaxed));
    atomic_store_explicit(&pool->dir, larger, memory_order_release);
    return larger;
}

/* Items that there is memory for. */
static uint32_t made(const struct share_pool *pool)
{
    uint64_t items = (uint64_t)pool->slabs << pool->slab_log2;
    return items < pool->items_max ? (uint32_t)items : pool->items_max;
}

static bool add_slab(struct share_pool *pool)
{
    uint32_t before = made(pool);
    if (before == pool->items_max)
        return false;
    struct share_pool_dir *dir = dir_with_room(pool);
    if (!dir)
        return false;
    unsigned char *slab = share_mem_new(pool->mem, slab_nbytes(pool), SHARE_LINE_NBYTES);
    if (!slab)
        return false;
    atomic_store_explicit(&dir->slab[pool->slabs], slab, memory_order_release);
    pool->slabs++;
    pool->free_count += made(pool) - before;
    return true;
}

bool share_pool_is_valid(const struct share_pool *pool)
{
    const struct share_pool_dir *dir = atomic_load_explicit(&pool->dir, memory_order_relaxed);
    uint32_t taken_once = share_pool_end(pool) - 1;
    return pool->slabs <= (dir ? dir->slabs_max : 0) && pool->reserved <= pool->free_count &&
           pool->free_count <= made(pool) && taken_once <= made(pool) &&
           pool->free_count >= made(pool) - taken_once && pool->free_head <= taken_once;
}

bool share_pool_reserve(struct share_pool *pool, uint32_t count)
{
    bool ok = true;
    share_lock_take(&pool->lock);
    while (ok && pool->free_count - pool->reserved < count)
        ok = add_slab(pool);
    if (ok)
        pool->reserved += count;
    share_assert_internal(share_pool_is_valid(pool));
    share_lock_drop(&pool->lock);
    return ok;
}

void share_pool_unreserve(struct share_pool *pool, uint32_t count)
{
    share_lock_take(&pool->lock);
    share_assert(count <= pool->reserved);
    pool->reserved -= count;
    share_lock_drop(&pool->lock);
}

uint32_t share_pool_taken(struct share_pool *pool)
{
    share_lock_take(&pool->lock);
    uint32_t taken = made(pool) - pool->free_count;
    share_lock_drop(&pool->lock);
    return taken;
}

static _Atomic uint32_t *link_of(const struct share_pool *pool, uint32_t id)
{
    return share_pool_at(pool, id);
}

void share_pool_take_some(struct share_pool *pool, uint32_t *ids, uint32_t count)
{
    share_lock_take(&pool->lock);
    share_assert(count <= pool->reserved);
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = pool->free_head;
        if (ids[i])
            pool->free_head = atomic_load_explicit(link_of(pool, ids[i]), memory_order_relaxed);
        else
            ids[i] = atomic_fetch_add(&pool->next_unused, 1);
    }
    pool->free_count -= count;
    pool->reserved -= count;
    share_assert_internal(share_pool_is_valid(pool));
    share_lock_drop(&pool->lock);
}

uint32_t share_pool_take(struct share_pool *pool)
{
    uint32_t id;
    share_pool_take_some(pool, &id, 1);
    return id;
}

/* Is the id among those that were put back of late, and not taken since? Lock held. */
static bool is_free(const struct share_pool *pool, uint32_t id)
{
    uint32_t free = pool->free_head;
    for (unsigned i = 0; i < FREE_LOOKED_AT && free && free != id; i++)
        free = atomic_load_explicit(link_of(pool, free), memory_order_relaxed);
    return free == id;
}

void share_pool_put(struct share_pool *pool, uint32_t id)
{
    share_lock_take(&pool->lock);
    share_assert(id && id < share_pool_end(pool));
    share_assert_expensive(!is_free(pool, id));
    atomic_store_explicit(link_of(pool, id), pool->free_head, memory_order_relaxed);
    pool->free_head = id;
    pool->free_count++;
    share_assert_internal(share_pool_is_valid(pool));
    share_lock_drop(&pool->lock);
}
