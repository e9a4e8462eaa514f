/* SPDX-License-Identifier: MIT */
/* Numbered objects in slabs that never move. */
#include "pool.h"
#include <string.h>

#define FIRST_SLABS_MAX 4u /* of the first directory */
#define RESERVE_SLABS   1u /* as many free items as these have are kept beside a slab given back */

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

/* ----------------------------------------------------------------------------- directory -- */

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
    if (dir)
        share_mem_free(pool->mem, pool->slab, dir->slabs_max * sizeof *pool->slab);
    while (dir) {
        struct share_pool_dir *outgrown = dir->outgrown;
        share_mem_free(pool->mem, dir, dir_nbytes(dir->slabs_max));
        dir = outgrown;
    }
}

/* A directory of another size, filled from the one before, which it follows. */
static struct share_pool_dir *new_dir(struct share_pool *pool, struct share_pool_dir *before,
                                      uint32_t slabs_max)
{
    struct share_pool_dir *dir =
        share_mem_new(pool->mem, dir_nbytes(slabs_max), _Alignof(struct share_pool_dir));
    if (!dir)
        return NULL;
    dir->outgrown = before;
    dir->slabs_max = slabs_max;
    for (uint32_t i = 0; i < pool->slabs; i++)
        atomic_init(&dir->slab[i], atomic_load_explicit(&before->slab[i], memory_order_relaxed));
    return dir;
}

/* A directory with room for one more slab; NULL if memory is refused. */
static struct share_pool_dir *dir_with_room(struct share_pool *pool)
{
    struct share_pool_dir *dir = atomic_load_explicit(&pool->dir, memory_order_relaxed);
    if (dir && pool->slabs < dir->slabs_max)
        return dir;
    uint32_t slabs_max = dir ? dir->slabs_max * 2 : FIRST_SLABS_MAX;
    struct share_slab *slab =
        share_mem_new(pool->mem, slabs_max * sizeof *slab, _Alignof(struct share_slab));
    struct share_pool_dir *larger = slab ? new_dir(pool, dir, slabs_max) : NULL;
    if (!larger) {
        share_mem_free(pool->mem, slab, slabs_max * sizeof *slab);
        return NULL;
    }
    if (dir) {
        memcpy(slab, pool->slab, pool->slabs * sizeof *slab);
        share_mem_free(pool->mem, pool->slab, dir->slabs_max * sizeof *slab);
    }
    pool->slab = slab;
    atomic_store_explicit(&pool->dir, larger, memory_order_release);
    return larger;
}

/* --------------------------------------------------------------------------------- slabs -- */

/* The last slab may have fewer items. */
static uint32_t items_of(const struct share_pool *pool, uint32_t slab)
{
    uint64_t before = (uint64_t)slab << pool->slab_log2, most = UINT64_C(1) << pool->slab_log2;
    uint64_t left = pool->items_max - before;
    return (uint32_t)(left < most ? left : most);
}

static void open_first(struct share_pool *pool, uint32_t slab)
{
    pool->slab[slab].before = 0;
    pool->slab[slab].next = pool->open;
    if (pool->open)
        pool->slab[pool->open - 1].before = slab + 1;
    else
        pool->open_last = slab + 1;
    pool->open = slab + 1;
}

static void open_last(struct share_pool *pool, uint32_t slab)
{
    pool->slab[slab].next = 0;
    pool->slab[slab].before = pool->open_last;
    if (pool->open_last)
        pool->slab[pool->open_last - 1].next = slab + 1;
    else
        pool->open = slab + 1;
    pool->open_last = slab + 1;
}

static void close_slab(struct share_pool *pool, uint32_t slab)
{
    uint32_t next = pool->slab[slab].next, before = pool->slab[slab].before;
    *(before ? &pool->slab[before - 1].next : &pool->open) = next;
    *(next ? &pool->slab[next - 1].before : &pool->open_last) = before;
}

/* A slab is there, or no more: of its items, so many are fresh. */
static void count_slab(struct share_pool *pool, uint32_t items, uint32_t fresh, bool there)
{
    pool->made += there ? items : 0 - items;
    pool->free_count += there ? items : 0 - items;
    pool->fresh_count += there ? fresh : 0 - fresh;
}

static bool add_slab(struct share_pool *pool)
{
    uint32_t slab = pool->absent ? pool->absent - 1 : pool->slabs;
    if ((uint64_t)slab << pool->slab_log2 >= pool->items_max)
        return false;
    struct share_pool_dir *dir = dir_with_room(pool);
    unsigned char *memory =
        dir ? share_mem_new(pool->mem, slab_nbytes(pool), SHARE_LINE_NBYTES) : NULL;
    if (!memory)
        return false;
    if (pool->absent)
        pool->absent = pool->slab[slab].next;
    else
        pool->slabs++;
    pool->slab[slab] = (struct share_slab){.free_head = 0};
    atomic_store_explicit(&dir->slab[slab], memory, memory_order_release);
    open_last(pool, slab);
    count_slab(pool, items_of(pool, slab), items_of(pool, slab), true);
    return true;
}

/* Gives a slab back of which nothing is taken, unless it belongs to the reserve. */
static void give_back(struct share_pool *pool, uint32_t slab)
{
    uint32_t items = items_of(pool, slab), reserve = RESERVE_SLABS << pool->slab_log2;
    if (pool->keeps || pool->free_count - pool->reserved < items + reserve)
        return;
    struct share_pool_dir *dir = atomic_load_explicit(&pool->dir, memory_order_relaxed);
    unsigned char *memory = atomic_load_explicit(&dir->slab[slab], memory_order_relaxed);
    atomic_store_explicit(&dir->slab[slab], NULL, memory_order_relaxed);
    share_mem_free(pool->mem, memory, slab_nbytes(pool));
    count_slab(pool, items, items - pool->slab[slab].used, false);
    close_slab(pool, slab);
    pool->slab[slab].next = pool->absent;
    pool->absent = slab + 1;
}

/* --------------------------------------------------------------------------------- items -- */

bool share_pool_is_valid(const struct share_pool *pool)
{
    const struct share_pool_dir *dir = atomic_load_explicit(&pool->dir, memory_order_relaxed);
    return pool->slabs <= (dir ? dir->slabs_max : 0) && pool->reserved <= pool->free_count &&
           pool->free_count <= pool->made && pool->fresh_count <= pool->free_count &&
           pool->made <= pool->items_max && !pool->open == !pool->free_count;
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
    uint32_t taken = pool->made - pool->free_count;
    share_lock_drop(&pool->lock);
    return taken;
}

static _Atomic uint32_t *link_of(const struct share_pool *pool, uint32_t id)
{
    return share_pool_at(pool, id);
}

/* An item of an open slab. */
static uint32_t take_from(struct share_pool *pool, uint32_t at)
{
    struct share_slab *slab = &pool->slab[at];
    uint32_t id = slab->free_head;
    if (id) {
        slab->free_head = atomic_load_explicit(link_of(pool, id), memory_order_relaxed);
    } else {
        id = (at << pool->slab_log2) + ++slab->used;
        pool->fresh_count--;
        if (id >= share_pool_end(pool))
            atomic_store_explicit(&pool->next_unused, id + 1, memory_order_release);
    }
    if (++slab->taken == items_of(pool, at))
        close_slab(pool, at);
    pool->free_count--;
    return id;
}

void share_pool_take_some(struct share_pool *pool, uint32_t *ids, uint32_t count)
{
    share_lock_take(&pool->lock);
    share_assert(count <= pool->reserved);
    for (uint32_t i = 0; i < count; i++)
        ids[i] = take_from(pool, pool->open - 1);
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

/* Is the id among those of its slab that were put back? Lock held. */
static bool is_free(const struct share_pool *pool, uint32_t id)
{
    uint32_t free = pool->slab[(id - 1) >> pool->slab_log2].free_head;
    while (free && free != id)
        free = atomic_load_explicit(link_of(pool, free), memory_order_relaxed);
    return free == id;
}

void share_pool_put(struct share_pool *pool, uint32_t id)
{
    share_lock_take(&pool->lock);
    share_assert(id && id < share_pool_end(pool));
    share_assert_expensive(!is_free(pool, id));
    uint32_t at = (id - 1) >> pool->slab_log2;
    struct share_slab *slab = &pool->slab[at];
    share_assert(slab->taken > 0);
    atomic_store_explicit(link_of(pool, id), slab->free_head, memory_order_relaxed);
    slab->free_head = id;
    if (slab->taken-- == items_of(pool, at))
        open_first(pool, at);
    pool->free_count++;
    if (!slab->taken)
        give_back(pool, at);
    share_assert_internal(share_pool_is_valid(pool));
    share_lock_drop(&pool->lock);
}
