/* SPDX-License-Identifier: MIT */
/* Hint and shared frames by hash, in 64 separately locked and separately growing partitions. */
#include "table.h"
#include <assert.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define PARTITION_BITS 6
#define KEY_BITS       30
#define KEY_SHIFT      (64 - KEY_BITS) /* the key's place in an entry */
#define SPILL_BIT      (UINT64_C(1) << 33)
#define KIND_BIT       (UINT64_C(1) << 32)

#define FULL_PERCENT   90u /* grow past this load */
#define SPARSE_PERCENT 45u /* shrink below this one */
#define START_BUCKETS  2u

static uint64_t key_of(uint64_t hash)
{
    return hash << PARTITION_BITS >> KEY_SHIFT;
}

static unsigned partition_of(uint64_t hash)
{
    return (unsigned)(hash >> (64 - PARTITION_BITS));
}

static uint32_t home_of(const struct share_array *array, uint64_t key)
{
    return (uint32_t)(key * array->buckets >> KEY_BITS);
}

static uint32_t next_of(const struct share_array *array, uint32_t bucket)
{
    return bucket + 1 == array->buckets ? 0 : bucket + 1;
}

static uint64_t pack(uint64_t key, struct share_hit entry)
{
    return key << KEY_SHIFT | (entry.kind == SHARE_KIND_FRAME ? KIND_BIT : 0) | entry.id;
}

static struct share_hit unpack(uint64_t slot)
{
    return (struct share_hit){slot & KIND_BIT ? SHARE_KIND_FRAME : SHARE_KIND_HINT, (uint32_t)slot};
}

static bool is_empty(uint64_t slot)
{
    return (uint32_t)slot == 0;
}

static bool spilled(const struct share_bucket *bucket)
{
    return bucket->slot[0] & SPILL_BIT;
}

/* Writes a slot and keeps the bucket's spill bit. */
static void put_slot(uint64_t *slot, uint64_t value)
{
    *slot = value | (*slot & SPILL_BIT);
}

/* --------------------------------------------------------------------------------- arrays -- */

/* What a bucket's slots are, two bits a slot and no branch: where entries stand cannot be
 * predicted. */
#define SLOT_EMPTY   1u /* bit 2 * slot: the id is 0 */
#define SLOT_MATCHES 2u /* bit 2 * slot + 1: the hash bits are those asked for */
#define EACH_SLOT    0x5555u

static unsigned slots_of(const struct share_bucket *bucket, uint64_t key)
{
    unsigned mask = 0;
#ifdef __SSE2__
    const __m128i zero = _mm_setzero_si128(), keys = _mm_set1_epi32((int)key);
    for (unsigned pair = 0; pair < SHARE_TABLE_SLOTS / 2; pair++) {
        __m128i slots = _mm_load_si128((const __m128i *)bucket->slot + pair);
        __m128i empty = _mm_cmpeq_epi32(slots, zero);
        __m128i matches = _mm_cmpeq_epi32(_mm_srli_epi32(slots, KEY_SHIFT - 32), keys);
        unsigned low = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(empty));
        unsigned high = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(matches));
        mask |= ((low & 0x5) | (high & 0xa)) << 4 * pair;
    }
#else
    for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++) {
        mask |= (is_empty(bucket->slot[i]) ? SLOT_EMPTY : 0) << 2 * i;
        mask |= (bucket->slot[i] >> KEY_SHIFT == key ? SLOT_MATCHES : 0) << 2 * i;
    }
#endif
    return mask;
}

static bool array_new(struct share_mem *mem, struct share_array *array, uint32_t buckets)
{
    array->bucket = share_mem_new(mem, buckets * sizeof *array->bucket, 64);
    array->buckets = array->bucket ? buckets : 0;
    return array->bucket != NULL;
}

static void array_free(struct share_mem *mem, struct share_array *array)
{
    share_mem_free(mem, array->bucket, array->buckets * sizeof *array->bucket);
    *array = (struct share_array){NULL, 0};
}

/* The slot that an entry went to; NULL if the array is full. */
static uint64_t *array_insert(struct share_array *array, uint64_t key, uint64_t value)
{
    uint32_t at = home_of(array, key);
    for (uint32_t probes = 0; probes < array->buckets; probes++) {
        struct share_bucket *bucket = &array->bucket[at];
        unsigned empty = slots_of(bucket, key) & EACH_SLOT * SLOT_EMPTY;
        if (empty) {
            uint64_t *slot = &bucket->slot[__builtin_ctz(empty) / 2];
            put_slot(slot, value);
            return slot;
        }
        bucket->slot[0] |= SPILL_BIT;
        at = next_of(array, at);
    }
    return NULL;
}

static unsigned array_find(const struct share_array *array, uint64_t key, struct share_hit *hits,
                           unsigned count)
{
    uint32_t at = home_of(array, key);
    for (uint32_t probes = 0; probes < array->buckets; probes++) {
        const struct share_bucket *bucket = &array->bucket[at];
        unsigned match = slots_of(bucket, key) & EACH_SLOT * SLOT_MATCHES;
        for (; match; match &= match - 1) {
            uint64_t slot = bucket->slot[__builtin_ctz(match) / 2];
            if (!is_empty(slot) && count < SHARE_TABLE_HITS)
                hits[count++] = unpack(slot);
        }
        if (!spilled(bucket))
            break;
        at = next_of(array, at);
    }
    return count;
}

/* The slot of an entry whose key lies in [low, high]; NULL if it is not in this array. */
static uint64_t *array_seek(const struct share_array *array, uint64_t low, uint64_t high,
                            struct share_hit entry)
{
    if (!array->buckets)
        return NULL;
    uint32_t at = home_of(array, low);
    uint32_t homes_left = home_of(array, high) - at;
    for (uint32_t probes = 0; probes < array->buckets; probes++) {
        struct share_bucket *bucket = &array->bucket[at];
        for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++) {
            struct share_hit hit = unpack(bucket->slot[i]);
            if (hit.id == entry.id && hit.kind == entry.kind)
                return &bucket->slot[i];
        }
        if (homes_left)
            homes_left--;
        else if (!spilled(bucket))
            break;
        at = next_of(array, at);
    }
    return NULL;
}

/* --------------------------------------------------------------------------------- growth -- */

/* x * 1.3^(1/64), in 32.32 fixed point. */
#define SPREAD_STEP_Q UINT64_C(4312610402) /* 2^32 * 1.3^(1/64) */

static uint64_t times_q(uint64_t a, uint64_t b_q)
{
    return (uint64_t)((unsigned __int128)a * b_q >> 32);
}

static void want(struct share_table *table, const struct share_partition *part)
{
    atomic_fetch_or_explicit(&table->wanted, UINT64_C(1) << (part - table->partition),
                             memory_order_relaxed);
}

static bool is_sparse(const struct share_partition *part)
{
    return part->now.buckets > 2 * START_BUCKETS &&
           part->entries < part->now.buckets * SHARE_TABLE_SLOTS / 100 * SPARSE_PERCENT;
}

static void want_if_full(struct share_table *table, const struct share_partition *part)
{
    if (part->entries >= part->grow_at && !part->old.buckets)
        want(table, part);
}

/* Too large for what is left, or its spill bits no longer mean much. */
static bool is_worn(const struct share_partition *part)
{
    uint32_t slots = part->now.buckets * SHARE_TABLE_SLOTS;
    return part->removed > slots * 2 || (part->removed > slots / 4 && is_sparse(part));
}

static uint64_t next_ideal_q(const struct share_partition *part)
{
    uint64_t ideal_q = part->ideal_buckets_q;
    if (part->entries + part->entries / 64 >= part->grow_at) {
        do
            ideal_q += ideal_q / 10 * 3;
        while (ideal_q >> 32 == part->now.buckets);
    } else if (is_sparse(part)) {
        ideal_q -= ideal_q / 13 * 3; /* the inverse of three tenths more */
    }
    return ideal_q;
}

/* Makes `array` the one that entries go to. Lock held, or nobody else knows of the table yet. */
static void install(struct share_table *table, struct share_partition *part,
                    struct share_array array, uint64_t ideal_q)
{
    size_t p = (size_t)(part - table->partition);
    part->now = array;
    part->ideal_buckets_q = ideal_q;
    part->grow_at = (uint32_t)((uint64_t)array.buckets * SHARE_TABLE_SLOTS * FULL_PERCENT / 100);
    part->removed = 0;
    part->move_next = 0;
    atomic_store_explicit(&table->fetch_bucket[p], array.bucket, memory_order_relaxed);
    atomic_store_explicit(&table->fetch_buckets[p], array.buckets, memory_order_relaxed);
}

bool share_table_init(struct share_table *table, struct share_mem *mem)
{
    uint64_t ideal_q = (uint64_t)START_BUCKETS << 32;
    table->mem = mem;
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        struct share_array array;
        if (!array_new(mem, &array, (uint32_t)(ideal_q >> 32))) {
            share_table_fini(table);
            return false;
        }
        install(table, &table->partition[p], array, ideal_q);
        ideal_q = times_q(ideal_q, SPREAD_STEP_Q);
    }
    return true;
}

void share_table_fini(struct share_table *table)
{
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        array_free(table->mem, &table->partition[p].now);
        array_free(table->mem, &table->partition[p].old);
    }
}

/* Frees an array that has been emptied, outside the lock. */
static void drop_old(struct share_table *table, struct share_partition *part)
{
    struct share_array emptied = {NULL, 0};
    share_lock_take(&part->lock);
    if (part->old.buckets && part->move_next == part->old.buckets) {
        emptied = part->old;
        part->old = (struct share_array){NULL, 0};
    }
    share_lock_drop(&part->lock);
    array_free(table->mem, &emptied);
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
    if (!array_new(table->mem, &fresh, (uint32_t)(ideal_q >> 32)))
        return false;

    share_lock_take(&part->lock);
    bool fits = !part->old.buckets && has_room(part, &fresh);
    if (fits) {
        part->old = part->now;
        install(table, part, fresh, ideal_q);
    }
    share_lock_drop(&part->lock);
    if (!fits)
        array_free(table->mem, &fresh);
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
            want(table, part);
            return false;
        }
    }
    return true;
}

/* The part of the new array that a stretch of the old one goes to, and how far its buckets are
 * filled from the front: entries are placed without reading what was written a moment ago. */
struct stretch {
    uint32_t first, count;
    uint8_t filled[2 * SHARE_TABLE_MOVES + 2]; /* a growth step at most doubles */
};

static uint8_t filled_of(const struct share_bucket *bucket)
{
    unsigned filled = SHARE_TABLE_SLOTS;
    while (filled && is_empty(bucket->slot[filled - 1]))
        filled--;
    return (uint8_t)filled;
}

static struct stretch stretch_of(const struct share_partition *part, uint32_t first, uint32_t end)
{
    struct stretch to;
    uint64_t last = ((uint64_t)end * part->now.buckets + part->old.buckets - 1) / part->old.buckets;
    to.first = (uint32_t)((uint64_t)first * part->now.buckets / part->old.buckets);
    to.count = (uint32_t)last - to.first;
    if (to.count > sizeof to.filled)
        to.count = sizeof to.filled;
    if (to.count > part->now.buckets - to.first)
        to.count = part->now.buckets - to.first;
    for (uint32_t i = 0; i < to.count; i++)
        to.filled[i] = filled_of(&part->now.bucket[to.first + i]);
    return to;
}

/* An entry whose home is full, or lies outside the stretch. */
static void place_aside(struct share_partition *part, struct stretch *to, uint64_t entry)
{
    uint64_t *slot = array_insert(&part->now, entry >> KEY_SHIFT, entry);
    assert(slot && "start_move made sure of room");
    size_t index = (size_t)(slot - part->now.bucket->slot);
    uint64_t at = index / SHARE_TABLE_SLOTS - to->first;
    if (at < to->count && to->filled[at] <= index % SHARE_TABLE_SLOTS)
        to->filled[at] = (uint8_t)(index % SHARE_TABLE_SLOTS + 1);
}

static void move_bucket(struct share_partition *part, struct share_bucket *bucket,
                        struct stretch *to)
{
    for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++) {
        uint64_t slot = bucket->slot[i] & ~SPILL_BIT;
        if (is_empty(slot))
            continue;
        uint32_t home = home_of(&part->now, slot >> KEY_SHIFT), at = home - to->first;
        if (at < to->count && to->filled[at] < SHARE_TABLE_SLOTS)
            put_slot(&part->now.bucket[home].slot[to->filled[at]++], slot);
        else
            place_aside(part, to, slot);
        bucket->slot[i] &= SPILL_BIT; /* the old chain stays walkable */
    }
}

/* Fetches the buckets that the next insertion moves, and where their entries go. */
static void prefetch_move(const struct share_partition *part)
{
    uint64_t first = part->move_next, end = first + SHARE_TABLE_MOVES;
    for (uint64_t at = first; at < end && at < part->old.buckets; at++)
        __builtin_prefetch(&part->old.bucket[at], 1);
    uint64_t to = first * part->now.buckets / part->old.buckets;
    uint64_t to_end = end * part->now.buckets / part->old.buckets + 1;
    for (; to < to_end && to < part->now.buckets; to++)
        __builtin_prefetch(&part->now.bucket[to], 1);
}

/* Empties some of the old array into the new one; share_table_reserve frees it. */
static void move_some(struct share_table *table, struct share_partition *part)
{
    uint32_t left = part->old.buckets - part->move_next;
    uint32_t moved = left < SHARE_TABLE_MOVES ? left : SHARE_TABLE_MOVES;
    struct stretch to = stretch_of(part, part->move_next, part->move_next + moved);
    for (uint32_t i = 0; i < moved; i++)
        move_bucket(part, &part->old.bucket[part->move_next++], &to);
    if (part->move_next == part->old.buckets)
        want(table, part);
    else
        prefetch_move(part);
    atomic_fetch_add_explicit(&table->buckets_moved, moved, memory_order_relaxed);
    uint32_t max = atomic_load_explicit(&table->buckets_moved_max, memory_order_relaxed);
    while (moved > max && !atomic_compare_exchange_weak(&table->buckets_moved_max, &max, moved))
        ;
}

/* ---------------------------------------------------------------------------------- calls -- */

void share_table_prefetch(const struct share_table *table, uint64_t hash)
{
    unsigned p = partition_of(hash);
    /* The two may be of different arrays: a wrong address fetches nothing useful, and no harm. */
    struct share_array array = {
        atomic_load_explicit(&table->fetch_bucket[p], memory_order_relaxed),
        atomic_load_explicit(&table->fetch_buckets[p], memory_order_relaxed),
    };
    __builtin_prefetch((const void *)((uintptr_t)array.bucket +
                                      sizeof *array.bucket * home_of(&array, key_of(hash))),
                       1);
}

struct share_partition *share_table_lock(struct share_table *table, uint64_t hash)
{
    struct share_partition *part = &table->partition[partition_of(hash)];
    share_lock_take(&part->lock);
    return part;
}

void share_table_unlock(struct share_partition *part)
{
    share_lock_drop(&part->lock);
}

unsigned share_table_find(const struct share_partition *part, uint64_t hash,
                          struct share_hit hits[static SHARE_TABLE_HITS])
{
    unsigned count = array_find(&part->now, key_of(hash), hits, 0);
    return part->old.buckets ? array_find(&part->old, key_of(hash), hits, count) : count;
}

bool share_table_insert(struct share_table *table, struct share_partition *part, uint64_t hash,
                        struct share_hit entry)
{
    if (part->old.buckets)
        move_some(table, part);
    uint64_t key = key_of(hash);
    bool placed = array_insert(&part->now, key, pack(key, entry)) != NULL;
    part->entries += placed;
    want_if_full(table, part);
    return placed;
}

bool share_table_insert_new(struct share_table *table, struct share_partition *part, uint64_t hash,
                            struct share_hit entry)
{
    uint64_t key = key_of(hash);
    struct share_bucket *bucket = &part->now.bucket[home_of(&part->now, key)];
    unsigned slots = slots_of(bucket, key), empty = slots & EACH_SLOT * SLOT_EMPTY;
    if (part->old.buckets || spilled(bucket) || slots & EACH_SLOT * SLOT_MATCHES || !empty)
        return false;
    put_slot(&bucket->slot[__builtin_ctz(empty) / 2], pack(key, entry));
    part->entries++;
    want_if_full(table, part);
    return true;
}

/* The slot of an entry whose hash is known down to `bits`; NULL if it is not there. Lock held. */
static uint64_t *seek(const struct share_partition *part, uint64_t hash, unsigned bits,
                      struct share_hit entry)
{
    uint64_t below = ~UINT64_C(0) >> bits;
    uint64_t low = key_of(hash & ~below), high = key_of(hash | below);
    uint64_t *slot = array_seek(&part->now, low, high, entry);
    return slot ? slot : array_seek(&part->old, low, high, entry);
}

bool share_table_replace(struct share_partition *part, uint64_t hash, struct share_hit from,
                         struct share_hit to)
{
    uint64_t *slot = seek(part, hash, PARTITION_BITS + KEY_BITS, from);
    if (slot)
        put_slot(slot, pack(*slot >> KEY_SHIFT, to));
    return slot != NULL;
}

bool share_table_remove(struct share_table *table, uint64_t hash, unsigned bits,
                        struct share_hit entry)
{
    struct share_partition *part = share_table_lock(table, hash);
    if (part->old.buckets)
        move_some(table, part);
    uint64_t *slot = seek(part, hash, bits, entry);
    if (slot) {
        *slot &= SPILL_BIT;
        part->entries--;
        part->removed++;
        if (is_worn(part) && !part->old.buckets)
            want(table, part);
    }
    share_table_unlock(part);
    return slot != NULL;
}

bool share_table_holds(struct share_table *table, uint64_t hash, unsigned bits,
                       struct share_hit entry)
{
    struct share_partition *part = share_table_lock(table, hash);
    bool found = seek(part, hash, bits, entry) != NULL;
    share_table_unlock(part);
    return found;
}

bool share_table_remove_anywhere(struct share_table *table, struct share_hit entry)
{
    /* With only the partition known, every bucket of it is a possible home. */
    for (uint64_t p = 0; p < SHARE_TABLE_PARTITIONS; p++)
        if (share_table_remove(table, p << (64 - PARTITION_BITS), PARTITION_BITS, entry))
            return true;
    return false;
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

static bool walk_array(const struct share_array *array, uint64_t top,
                       bool (*each)(void *ctx, uint64_t hash, struct share_hit entry), void *ctx)
{
    for (uint32_t b = 0; b < array->buckets; b++)
        for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++) {
            uint64_t slot = array->bucket[b].slot[i];
            if (is_empty(slot))
                continue;
            uint64_t hash = top | slot >> KEY_SHIFT << (KEY_SHIFT - PARTITION_BITS);
            if (!each(ctx, hash, unpack(slot)))
                return false;
        }
    return true;
}

bool share_table_walk(const struct share_table *table,
                      bool (*each)(void *ctx, uint64_t hash, struct share_hit entry), void *ctx)
{
    for (uint64_t p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
        const struct share_partition *part = &table->partition[p];
        uint64_t top = p << (64 - PARTITION_BITS);
        if (!walk_array(&part->now, top, each, ctx) || !walk_array(&part->old, top, each, ctx))
            return false;
    }
    return true;
}
