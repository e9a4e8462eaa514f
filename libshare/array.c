/* SPDX-License-Identifier: MIT */
/* Buckets in a row: chains from a key's home on. */
#include "array.h"

static const struct share_place nowhere = {NULL, 0};

bool share_array_new(struct share_mem *mem, struct share_array *array, uint32_t buckets)
{
    array->bucket = share_mem_new(mem, buckets * sizeof *array->bucket, SHARE_LINE_NBYTES);
    array->buckets = array->bucket ? buckets : 0;
    return array->bucket != NULL;
}

void share_array_free(struct share_mem *mem, struct share_array *array)
{
    share_mem_free(mem, array->bucket, array->buckets * sizeof *array->bucket);
    *array = (struct share_array){NULL, 0};
}

/* ------------------------------------------------------------------------------- chains -- */

/* 2^32 / 1.618...: Knuth's multiplicative hash. */
#define GOLDEN UINT32_C(2654435769)

struct chain {
    uint32_t home, second; /* where its rows begin */
};

static uint32_t wrapped(const struct share_array *array, uint32_t at)
{
    while (at >= array->buckets)
        at -= array->buckets;
    return at;
}

/* The second row does not overlap the first one, but in an array of less than two rows, where it
 * goes on behind it. */
static struct chain chain_of(const struct share_array *array, uint32_t key)
{
    uint32_t home = share_array_home(array, key), away = SHARE_ROW_BUCKETS;
    if (array->buckets > SHARE_LOOK_BUCKETS) {
        uint32_t mixed = (key >> SHARE_CLASS_SHIFT) * GOLDEN;
        uint32_t places = array->buckets - SHARE_LOOK_BUCKETS + 1;
        away += (uint32_t)((uint64_t)mixed * places >> 32);
    }
    return (struct chain){home, wrapped(array, home + away)};
}

/* The i-th bucket of a chain, i < buckets + SHARE_ROW_BUCKETS. */
static uint32_t bucket_of(const struct share_array *array, struct chain chain, uint32_t i)
{
    return wrapped(array,
                   i < SHARE_ROW_BUCKETS ? chain.home + i : chain.second + (i - SHARE_ROW_BUCKETS));
}

/* Of a chain, the buckets that a look reads. */
static uint32_t look_end(const struct share_array *array)
{
    return array->buckets < SHARE_LOOK_BUCKETS ? array->buckets : SHARE_LOOK_BUCKETS;
}

/* Of a chain, all buckets: it comes back to its first row after it has been to all others. */
static uint32_t chain_end(const struct share_array *array)
{
    return array->buckets + SHARE_ROW_BUCKETS;
}

void share_array_walk(const struct share_array *array, uint32_t key, struct share_walk *walk)
{
    if (!array->buckets)
        return;
    struct chain chain = chain_of(array, key);
    for (uint32_t i = 0; i < look_end(array); i++) {
        struct share_bucket *bucket = &array->bucket[bucket_of(array, chain, i)];
        struct share_slots slots = share_bucket_slots(bucket, key);
        for (; slots.matches; slots.matches &= slots.matches - 1)
            if (walk->count < SHARE_TABLE_HITS)
                walk->hits[walk->count++] =
                    share_bucket_hit(bucket, share_slots_first(slots.matches));
        if (slots.empty && !walk->room.bucket)
            walk->room = (struct share_place){bucket, share_slots_first(slots.empty)};
        if (!share_bucket_spills(bucket, key))
            return;
    }
}

/* Is the bucket in the chain of a key, and behind buckets that have all spilled its class? */
static bool is_in_chain(const struct share_array *array, uint32_t key, uint32_t bucket)
{
    struct chain chain = chain_of(array, key);
    for (uint32_t i = 0; i < chain_end(array); i++) {
        if (bucket_of(array, chain, i) == bucket)
            return true;
        if (!share_bucket_spills(&array->bucket[bucket_of(array, chain, i)], key))
            return false;
    }
    return false;
}

bool share_array_bucket_is_valid(const struct share_array *array, uint32_t bucket)
{
    const struct share_bucket *at = &array->bucket[bucket];
    bool valid = bucket < array->buckets && share_bucket_is_valid(at);
    for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++)
        valid = valid && (!at->id[i] || is_in_chain(array, share_bucket_key(at, i), bucket));
    return valid;
}

bool share_array_holds(const struct share_array *array, uint32_t key, struct share_hit entry)
{
    return share_array_seek(array, key, key, entry).bucket != NULL;
}

/* ---------------------------------------------------------------------------- insertion -- */

/* Puts an entry into the i-th bucket of its chain, which the buckets before it lead to. */
static struct share_place put(struct share_array *array, uint32_t key, uint32_t i, unsigned slot,
                              struct share_hit entry)
{
    struct chain chain = chain_of(array, key);
    uint32_t at = bucket_of(array, chain, i);
    for (uint32_t before = 0; before < i; before++)
        share_bucket_spill(&array->bucket[bucket_of(array, chain, before)], key);
    share_bucket_put(&array->bucket[at], slot, key, entry);
    share_assert_internal(share_array_bucket_is_valid(array, at));
    return (struct share_place){&array->bucket[at], slot};
}

/* Puts an entry into the first bucket with room of a part of its chain. */
static struct share_place put_between(struct share_array *array, uint32_t key, uint32_t first,
                                      uint32_t end, struct share_hit entry)
{
    struct chain chain = chain_of(array, key);
    for (uint32_t i = first; i < end; i++) {
        unsigned empty = share_bucket_slots(&array->bucket[bucket_of(array, chain, i)], 0).empty;
        if (empty)
            return put(array, key, i, share_slots_first(empty), entry);
    }
    return nowhere;
}

struct share_place share_array_insert(struct share_array *array, uint32_t key,
                                      struct share_hit entry)
{
    return put_between(array, key, 0, look_end(array), entry);
}

struct share_place share_array_put_beyond(struct share_array *array, uint32_t key,
                                          struct share_hit entry)
{
    return put_between(array, key, look_end(array), chain_end(array), entry);
}

/* Moves an entry to the other one of its rows, if there is room. One that has the chain of `full`,
 * a key for which there is none, is not tried. */
static bool move_away(struct share_array *array, uint32_t full, uint32_t from, unsigned slot)
{
    struct share_bucket *bucket = &array->bucket[from];
    uint32_t key = share_bucket_key(bucket, slot), home = share_array_home(array, key);
    if (key >> SHARE_CLASS_SHIFT == full >> SHARE_CLASS_SHIFT)
        return false;
    uint32_t steps = from >= home ? from - home : from + array->buckets - home;
    uint32_t first = steps < SHARE_ROW_BUCKETS ? SHARE_ROW_BUCKETS : 0;
    if (!put_between(array, key, first, first + SHARE_ROW_BUCKETS, share_bucket_hit(bucket, slot))
             .bucket)
        return false;
    share_bucket_clear(bucket, slot);
    return true;
}

/* The first bucket of either row: 16 entries, four buckets each to be asked for room. More of them
 * would find little more, and cost a hostile page's look more. */
struct share_place share_array_squeeze(struct share_array *array, uint32_t key,
                                       struct share_hit entry)
{
    struct chain chain = chain_of(array, key);
    if (array->buckets <= SHARE_LOOK_BUCKETS)
        return nowhere; /* all are full */
    for (uint32_t i = 0; i < SHARE_LOOK_BUCKETS; i += SHARE_ROW_BUCKETS)
        for (unsigned slot = 0; slot < SHARE_TABLE_SLOTS; slot++)
            if (move_away(array, key, bucket_of(array, chain, i), slot))
                return put(array, key, i, slot, entry);
    return nowhere;
}

/* ------------------------------------------------------------------------------ seeking -- */

static struct share_place place_of(struct share_bucket *bucket, uint32_t low, uint32_t high,
                                   struct share_hit entry)
{
    for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++) {
        uint32_t key = share_bucket_key(bucket, i);
        if (bucket->id[i] == entry.id && share_bucket_hit(bucket, i).kind == entry.kind &&
            key >= low && key <= high)
            return (struct share_place){bucket, i};
    }
    return nowhere;
}

static struct share_place seek_everywhere(const struct share_array *array, uint32_t low,
                                          uint32_t high, struct share_hit entry)
{
    struct share_place place = nowhere;
    for (uint32_t b = 0; b < array->buckets && !place.bucket; b++)
        place = place_of(&array->bucket[b], low, high, entry);
    return place;
}

/* The homes of the keys may be several buckets in a row, and so may be where their second rows
 * begin: so many more buckets belong to either row. */
struct share_place share_array_seek(const struct share_array *array, uint32_t low, uint32_t high,
                                    struct share_hit entry)
{
    if (!array->buckets)
        return nowhere;
    if (low >> SHARE_CLASS_SHIFT != high >> SHARE_CLASS_SHIFT)
        return seek_everywhere(array, low, high, entry);
    struct chain chain = chain_of(array, low);
    uint32_t more_homes = share_array_home(array, high) - chain.home;
    uint32_t rows[] = {SHARE_ROW_BUCKETS, array->buckets}, starts[] = {chain.home, chain.second};
    for (unsigned row = 0; row < 2; row++)
        for (uint32_t i = 0; i < rows[row] + more_homes; i++) {
            struct share_bucket *bucket = &array->bucket[wrapped(array, starts[row] + i)];
            struct share_place place = place_of(bucket, low, high, entry);
            if (place.bucket)
                return place;
            /* A bucket that is in the row of every home ends the search. */
            if (i >= more_homes && i < rows[row] && !share_bucket_spills(bucket, low))
                return nowhere;
        }
    return nowhere;
}
