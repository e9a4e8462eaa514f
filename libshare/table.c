/* SPDX-License-Identifier: MIT */
/* Hint and shared frames by hash, in 64 separately locked and separately growing partitions. */
#include "table.h"
#include "grow.h"
#include "invariant.h"

#define START_BUCKETS 2u

bool share_table_init(struct share_table *table, struct share_mem *mem, uint64_t expected)
{
    uint64_t ideal_q = share_grow_ideal_q(expected / SHARE_TABLE_PARTITIONS);
    if (ideal_q < (uint64_t)START_BUCKETS << 32)
        ideal_q = (uint64_t)START_BUCKETS << 32;
    table->mem = mem;
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        struct share_array array;
        if (!share_array_new(mem, &array, (uint32_t)(ideal_q >> 32))) {
            share_table_fini(table);
            return false;
        }
        share_grow_install(table, &table->partition[p], array, ideal_q);
        ideal_q = share_grow_spread_q(ideal_q);
    }
    return true;
}

void share_table_fini(struct share_table *table)
{
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        share_array_free(table->mem, &table->partition[p].now);
        share_array_free(table->mem, &table->partition[p].old);
    }
}

/* Counts the entries of an array, and looks at each. False: one stands where it cannot be found. */
static bool count_entries(const struct share_array *array, uint32_t *entries)
{
    bool valid = true;
    for (uint32_t b = 0; b < array->buckets; b++) {
        unsigned empty = share_bucket_slots(&array->bucket[b], 0).empty;
        valid = valid && share_array_bucket_is_valid(array, b);
        *entries += SHARE_TABLE_SLOTS - (unsigned)__builtin_popcount(empty);
    }
    return valid;
}

bool share_table_is_valid(const struct share_table *table)
{
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        const struct share_partition *part = &table->partition[p];
        uint32_t entries = 0;
        if (!share_partition_is_valid(part) || !count_entries(&part->now, &entries) ||
            !count_entries(&part->old, &entries) || entries != part->entries)
            return false;
    }
    return true;
}

/* Does the partition hold an entry under this very hash? Lock held. */
static bool holds(const struct share_partition *part, uint64_t hash, struct share_hit entry)
{
    uint32_t key = share_table_key(hash);
    return share_array_holds(&part->now, key, entry) || share_array_holds(&part->old, key, entry);
}

static void walk(const struct share_partition *part, uint32_t key, struct share_walk *walk)
{
    share_array_walk(&part->now, key, walk);
    if (part->old.buckets)
        share_array_walk(&part->old, key, walk);
}

unsigned share_table_find(const struct share_partition *part, uint64_t hash,
                          struct share_hit hits[static SHARE_TABLE_HITS])
{
    struct share_walk found = {.hits = hits};
    share_assert(share_lock_is_held(&part->lock));
    walk(part, share_table_key(hash), &found);
    return found.count;
}

void share_table_note_full(struct share_table *table, struct share_partition *part)
{
    if (!part->old.buckets)
        share_grow_want(table, part);
}

/* One entry more. */
static void note_entry(struct share_table *table, struct share_partition *part)
{
    if (++part->entries >= part->grow_at)
        share_table_note_full(table, part);
}

/* An entry where looks go; false if there is no room. */
static bool insert(struct share_table *table, struct share_partition *part, uint32_t key,
                   struct share_hit entry)
{
    bool placed = share_array_insert(&part->now, key, entry).bucket ||
                  share_array_squeeze(&part->now, key, entry).bucket;
    if (placed)
        note_entry(table, part);
    else
        share_grow_note_crowded(table, part);
    share_assert_internal(share_partition_is_valid(part));
    return placed;
}

bool share_table_insert(struct share_table *table, struct share_partition *part, uint64_t hash,
                        struct share_hit entry)
{
    share_assert(share_lock_is_held(&part->lock));
    share_assert_internal(!holds(part, hash, entry));
    share_grow_some(table, part);
    return insert(table, part, share_table_key(hash), entry);
}

unsigned share_table_find_or_insert(struct share_table *table, struct share_partition *part,
                                    uint64_t hash, struct share_hit entry,
                                    struct share_hit hits[static SHARE_TABLE_HITS], bool *inserted)
{
    uint32_t key = share_table_key(hash);
    struct share_walk found = {.hits = hits};
    share_assert(share_lock_is_held(&part->lock));
    share_grow_some(table, part);
    share_array_walk(&part->now, key, &found);
    struct share_place room = found.room;
    if (part->old.buckets)
        share_array_walk(&part->old, key, &found);
    *inserted = false;
    if (found.count == 0 && room.bucket) {
        share_bucket_put(room.bucket, room.slot, key, entry);
        note_entry(table, part);
        share_assert_internal(share_partition_is_valid(part));
        *inserted = true;
    } else if (found.count == 0) {
        *inserted = insert(table, part, key, entry);
    }
    return found.count;
}

/* An entry whose hash is known down to `bits`. Lock held. */
static struct share_place seek(const struct share_partition *part, uint64_t hash, unsigned bits,
                               struct share_hit entry)
{
    uint64_t below = ~UINT64_C(0) >> bits;
    uint32_t low = share_table_key(hash & ~below), high = share_table_key(hash | below);
    struct share_place place = share_array_seek(&part->now, low, high, entry);
    return place.bucket || !part->old.buckets ? place
                                              : share_array_seek(&part->old, low, high, entry);
}

bool share_table_replace(struct share_partition *part, uint64_t hash, struct share_hit from,
                         struct share_hit to)
{
    share_assert(share_lock_is_held(&part->lock));
    struct share_place place = seek(part, hash, SHARE_ENTRY_HASH_BITS, from);
    if (place.bucket)
        share_bucket_put(place.bucket, place.slot, share_bucket_key(place.bucket, place.slot), to);
    return place.bucket != NULL;
}

bool share_table_remove(struct share_table *table, uint64_t hash, unsigned bits,
                        struct share_hit entry)
{
    struct share_partition *part = share_table_lock(table, hash);
    share_grow_some(table, part);
    struct share_place place = seek(part, hash, bits, entry);
    if (place.bucket) {
        share_bucket_clear(place.bucket, place.slot);
        share_assert(part->entries > 0);
        part->entries--;
        part->removed++;
        share_grow_want_if_worn(table, part);
    }
    share_table_unlock(part);
    return place.bucket != NULL;
}

bool share_table_holds(struct share_table *table, uint64_t hash, unsigned bits,
                       struct share_hit entry)
{
    struct share_partition *part = share_table_lock(table, hash);
    bool found = seek(part, hash, bits, entry).bucket != NULL;
    share_table_unlock(part);
    return found;
}

bool share_table_remove_anywhere(struct share_table *table, struct share_hit entry)
{
    /* With only the partition known, every bucket of it is a possible home. */
    for (uint64_t p = 0; p < SHARE_TABLE_PARTITIONS; p++)
        if (share_table_remove(table, p << (64 - SHARE_PARTITION_BITS), SHARE_PARTITION_BITS,
                               entry))
            return true;
    return false;
}

uint64_t share_table_strays(const struct share_table *table)
{
    return atomic_load_explicit(&table->strays, memory_order_relaxed);
}

uint64_t share_table_entries(struct share_table *table)
{
    uint64_t entries = 0;
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        share_lock_take(&table->partition[p].lock);
        entries += table->partition[p].entries;
        share_lock_drop(&table->partition[p].lock);
    }
    return entries;
}

struct share_table_moves share_table_moves(struct share_table *table)
{
    struct share_table_moves moves = {atomic_load(&table->buckets_moved), 0};
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        struct share_partition *part = &table->partition[p];
        share_lock_take(&part->lock);
        if (part->move_next < part->old.buckets)
            moves.buckets += part->move_next;
        moves.max = part->move_max > moves.max ? part->move_max : moves.max;
        share_lock_drop(&part->lock);
    }
    return moves;
}

static bool walk_array(const struct share_array *array, uint64_t top,
                       bool (*each)(void *ctx, uint64_t hash, struct share_hit entry), void *ctx)
{
    for (uint32_t b = 0; b < array->buckets; b++)
        for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++) {
            const struct share_bucket *bucket = &array->bucket[b];
            uint64_t key = share_bucket_key(bucket, i);
            if (bucket->id[i] &&
                !each(ctx, top | key << (64 - SHARE_ENTRY_HASH_BITS), share_bucket_hit(bucket, i)))
                return false;
        }
    return true;
}

bool share_table_walk(const struct share_table *table,
                      bool (*each)(void *ctx, uint64_t hash, struct share_hit entry), void *ctx)
{
    for (uint64_t p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        const struct share_partition *part = &table->partition[p];
        uint64_t top = p << (64 - SHARE_PARTITION_BITS);
        if (!walk_array(&part->now, top, each, ctx) || !walk_array(&part->old, top, each, ctx))
            return false;
    }
    return true;
}
