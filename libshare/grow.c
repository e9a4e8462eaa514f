/* SPDX-License-Identifier: MIT */
/* A larger or smaller array for a partition, filled a few buckets at a time. */
#include "grow.h"
#include "invariant.h"

#define FULL_PERCENT 94u /* grow past this load */
#define CROWD_PERCENT \
    75u /* and past this one if a key finds no room; honest keys always do below */
#define SPARSE_PERCENT 45u /* shrink below this one */
#define SHRINK_BUCKETS 4u  /* and not below this size */

/* A partition that removals have worn gets new buckets once so many entries have gone: twice as
 * many as it has slots, or a quarter of them if it is sparse, too. */
#define WORN_SLOTS        2u
#define WORN_SPARSE_SLOTS 4u /* one in so many */

/* Hashes fall on partitions like dice: where n entries are expected, n + n / 64 + 16 is four
 * standard deviations more from n = 2^16 on. Smaller partitions may grow once more. */
#define UNEVEN_ONE_IN  64u
#define UNEVEN_ENTRIES 16u

#define SPREAD_STEP_Q UINT64_C(4322263975) /* 2^32 * 1.5^(1/SHARE_TABLE_PARTITIONS) */

static uint64_t times_q(uint64_t a, uint64_t b_q)
{
    return (uint64_t)((unsigned __int128)a * b_q >> 32);
}

uint64_t share_grow_spread_q(uint64_t ideal_q)
{
    return times_q(ideal_q, SPREAD_STEP_Q);
}

uint64_t share_grow_ideal_q(uint64_t entries)
{
    entries += entries / UNEVEN_ONE_IN + UNEVEN_ENTRIES;
    return (entries * 100 / FULL_PERCENT << 32) / SHARE_TABLE_SLOTS;
}

void share_grow_want(struct share_table *table, const struct share_partition *part)
{
    atomic_fetch_or_explicit(&table->wanted, UINT64_C(1) << (part - table->partition),
                             memory_order_relaxed);
}

static bool is_sparse(const struct share_partition *part)
{
    return part->now.buckets > SHRINK_BUCKETS &&
           part->entries < part->now.buckets * SHARE_TABLE_SLOTS / 100 * SPARSE_PERCENT;
}

/* Too large for what is left, or its spill bits no longer mean much. */
static bool is_worn(const struct share_partition *part)
{
    uint32_t slots = part->now.buckets * SHARE_TABLE_SLOTS;
    return part->removed > slots * WORN_SLOTS ||
           (part->removed > slots / WORN_SPARSE_SLOTS && is_sparse(part));
}

void share_grow_want_if_worn(struct share_table *table, const struct share_partition *part)
{
    if (is_worn(part) && !part->old.buckets)
        share_grow_want(table, part);
}

void share_grow_note_crowded(struct share_table *table, struct share_partition *part)
{
    uint64_t slots = (uint64_t)part->now.buckets * SHARE_TABLE_SLOTS;
    if (part->entries < slots * CROWD_PERCENT / 100)
        return;
    if (part->grow_at > part->entries)
        part->grow_at = part->entries;
    share_grow_want(table, part);
}

static uint64_t next_ideal_q(const struct share_partition *part)
{
    uint64_t ideal_q = part->ideal_buckets_q;
    if (part->entries + part->entries / UNEVEN_ONE_IN >= part->grow_at) {
        do
            ideal_q += ideal_q / 2;
        while (ideal_q >> 32 == part->now.buckets);
    } else if (is_sparse(part)) {
        ideal_q -= ideal_q / 3; /* the inverse of a half more */
    }
    return ideal_q;
}

uint32_t share_grow_at(uint32_t buckets)
{
    return (uint32_t)((uint64_t)buckets * SHARE_TABLE_SLOTS * FULL_PERCENT / 100);
}

bool share_partition_is_valid(const struct share_partition *part)
{
    uint64_t slots = ((uint64_t)part->now.buckets + part->old.buckets) * SHARE_TABLE_SLOTS;
    return part->now.bucket && part->now.buckets == part->ideal_buckets_q >> 32 &&
           part->grow_at <= share_grow_at(part->now.buckets) && part->entries <= slots &&
           (!part->old.buckets || part->move_next <= part->old.buckets);
}

/* Makes `array` the one that entries go to. Lock held, or nobody else knows of the table yet. */
void share_grow_install(struct share_table *table, struct share_partition *part,
                        struct share_array array, uint64_t ideal_q)
{
    size_t p = (size_t)(part - table->partition);
    part->now = array;
    part->ideal_buckets_q = ideal_q;
    part->grow_at = share_grow_at(array.buckets);
    part->removed = 0;
    part->move_next = 0;
    atomic_store_explicit(&table->fetch[p].bucket, array.bucket, memory_order_relaxed);
    atomic_store_explicit(&table->fetch[p].buckets, array.buckets, memory_order_relaxed);
}

static bool is_empty(const struct share_array *array)
{
    bool empty = true;
    for (uint32_t b = 0; b < array->buckets; b++)
        empty = empty && share_bucket_slots(&array->bucket[b], 0).empty == SHARE_ALL_SLOTS;
    return empty;
}

/* Frees an array that has been emptied, outside the lock. */
static void drop_old(struct share_table *table, struct share_partition *part)
{
    struct share_array emptied = {NULL, 0};
    share_lock_take(&part->lock);
    if (part->old.buckets && part->move_next == part->old.buckets) {
        share_assert_expensive(is_empty(&part->old));
        emptied = part->old;
        part->old = (struct share_array){NULL, 0};
    }
    share_lock_drop(&part->lock);
    share_array_free(table->mem, &emptied);
}

/* Room for what is there and for what comes while the old array is emptied. */
static bool has_room(const struct share_partition *part, const struct share_array *fresh)
{
    return part->entries + part->now.buckets / SHARE_TABLE_MOVES + 1 <
           fresh->buckets * SHARE_TABLE_SLOTS;
}

/* Allocates outside the lock, then installs the new array if it still fits. */
static bool start_move(struct share_table *table, struct share_partition *part)
{
    share_lock_take(&part->lock);
    uint64_t ideal_q = next_ideal_q(part);
    bool due = !part->old.buckets && (ideal_q != part->ideal_buckets_q || is_worn(part));
    share_lock_drop(&part->lock);
    if (!due)
        return true;
    struct share_array fresh;
    if (!share_array_new(table->mem, &fresh, (uint32_t)(ideal_q >> 32)))
        return false;

    share_lock_take(&part->lock);
    bool fits = !part->old.buckets && has_room(part, &fresh);
    if (fits) {
        part->old = part->now;
        share_grow_install(table, part, fresh, ideal_q);
    }
    share_lock_drop(&part->lock);
    if (!fits)
        share_array_free(table->mem, &fresh);
    return true;
}

bool share_table_reserve(struct share_table *table)
{
    uint64_t wanted = atomic_load_explicit(&table->wanted, memory_order_relaxed);
    for (; wanted; wanted &= wanted - 1) {
        unsigned p = (unsigned)__builtin_ctzll(wanted);
        struct share_partition *part = &table->partition[p];
        atomic_fetch_and_explicit(&table->wanted, ~(UINT64_C(1) << p), memory_order_relaxed);
        drop_old(table, part);
        if (!start_move(table, part)) {
            share_grow_want(table, part);
            return false;
        }
    }
    return true;
}

/* The part of the new array that some buckets of the old one go to, and its empty slots: entries
 * are placed without reading what was written a moment ago. */
struct stretch {
    uint32_t first, count;
    uint8_t empty[2 * SHARE_TABLE_MOVES + 2]; /* slots, a bit each; a growth step at most doubles */
};

static void look_at(const struct share_partition *part, struct stretch *to)
{
    for (uint32_t i = 0; i < to->count; i++)
        to->empty[i] = (uint8_t)share_bucket_slots(&part->now.bucket[to->first + i], 0).empty;
}

static struct stretch stretch_of(const struct share_partition *part, uint32_t first, uint32_t end)
{
    struct stretch to;
    uint64_t last = ((uint64_t)end * part->now.buckets + part->old.buckets - 1) / part->old.buckets;
    to.first = (uint32_t)((uint64_t)first * part->now.buckets / part->old.buckets);
    to.count = (uint32_t)last - to.first;
    if (to.count > sizeof to.empty)
        to.count = sizeof to.empty;
    if (to.count > part->now.buckets - to.first)
        to.count = part->now.buckets - to.first;
    look_at(part, &to);
    return to;
}

/* An entry that finds no room where looks go: another one is moved, or it is put beyond. */
static void place_far(struct share_table *table, struct share_partition *part, struct stretch *to,
                      uint32_t key, struct share_hit entry)
{
    struct share_place place = share_array_squeeze(&part->now, key, entry);
    if (!place.bucket) {
        place = share_array_put_beyond(&part->now, key, entry);
        atomic_fetch_add_explicit(&table->strays, 1, memory_order_relaxed);
    }
    share_assert(place.bucket && "start_move made sure of room");
    look_at(part, to);
}

/* An entry whose home is full, or lies outside the stretch. */
static void place_aside(struct share_table *table, struct share_partition *part, struct stretch *to,
                        uint32_t key, struct share_hit entry)
{
    struct share_place place = share_array_insert(&part->now, key, entry);
    if (!place.bucket) {
        place_far(table, part, to, key, entry);
        return;
    }
    size_t at = (size_t)(place.bucket - part->now.bucket) - to->first;
    if (at < to->count)
        to->empty[at] &= (uint8_t) ~(1u << place.slot);
}

static void move_bucket(struct share_table *table, struct share_partition *part,
                        struct share_bucket *bucket, struct stretch *to)
{
    unsigned taken = ~share_bucket_slots(bucket, 0).empty & SHARE_ALL_SLOTS;
    for (; taken; taken &= taken - 1) {
        unsigned from = share_slots_first(taken);
        uint32_t key = share_bucket_key(bucket, from);
        uint32_t home = share_array_home(&part->now, key), at = home - to->first;
        struct share_hit entry = share_bucket_hit(bucket, from);
        if (at < to->count && to->empty[at]) {
            unsigned slot = share_slots_first(to->empty[at]);
            share_bucket_put(&part->now.bucket[home], slot, key, entry);
            to->empty[at] &= (uint8_t)(to->empty[at] - 1);
            share_assert_internal(share_array_bucket_is_valid(&part->now, home));
        } else {
            place_aside(table, part, to, key, entry);
        }
    }
    share_bucket_clear_all(bucket); /* the old chain stays walkable */
}

/* share_table_reserve frees the old array when it is empty. */
void share_grow_move(struct share_table *table, struct share_partition *part)
{
    share_assert(share_lock_is_held(&part->lock));
    share_assert_internal(share_partition_is_valid(part));
    uint32_t left = part->old.buckets - part->move_next;
    uint32_t moved = left < SHARE_TABLE_MOVES ? left : SHARE_TABLE_MOVES;
    struct stretch to = stretch_of(part, part->move_next, part->move_next + moved);
    for (uint32_t i = 0; i < moved; i++)
        move_bucket(table, part, &part->old.bucket[part->move_next++], &to);
    if (part->move_next == part->old.buckets)
        share_grow_want(table, part);
    if (moved && part->move_next == part->old.buckets) /* one count an array, not one a call */
        atomic_fetch_add_explicit(&table->buckets_moved, part->old.buckets, memory_order_relaxed);
    if (moved > part->move_max)
        part->move_max = moved;
}
