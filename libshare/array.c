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

void share_array_walk(const struct share_array *array, uint32_t key, struct share_walk *walk)
{
    uint32_t at = share_array_home(array, key);
    for (uint32_t probes = 0; probes < array->buckets; probes++) {
        struct share_bucket *bucket = &array->bucket[at];
        struct share_slots slots = share_bucket_slots(bucket, key);
        for (; slots.matches; slots.matches &= slots.matches - 1)
            if (walk->count < SHARE_TABLE_HITS)
                walk->hits[walk->count++] =
                    share_bucket_hit(bucket, share_slots_first(slots.matches));
        if (slots.empty && !walk->room.bucket)
            walk->room = (struct share_place){bucket, share_slots_first(slots.empty)};
        if (!share_bucket_spills(bucket, key))
            return;
        at = share_array_next(array, at);
    }
}

/* Is the bucket in the chain of a key: its home, or behind buckets that have all spilled its class?
 */
static bool is_in_chain(const struct share_array *array, uint32_t key, uint32_t bucket)
{
    uint32_t at = share_array_home(array, key);
    for (uint32_t probes = 0; at != bucket && probes < array->buckets; probes++) {
        if (!share_bucket_spills(&array->bucket[at], key))
            return false;
        at = share_array_next(array, at);
    }
    return at == bucket;
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

struct share_place share_array_insert(struct share_array *array, uint32_t key,
                                      struct share_hit entry)
{
    uint32_t at = share_array_home(array, key);
    for (uint32_t probes = 0; probes < array->buckets; probes++) {
        struct share_bucket *bucket = &array->bucket[at];
        unsigned empty = share_bucket_slots(bucket, key).empty;
        if (empty) {
            struct share_place place = {bucket, share_slots_first(empty)};
            share_bucket_put(bucket, place.slot, key, entry);
            share_assert_internal(share_array_bucket_is_valid(array, at));
            return place;
        }
        share_bucket_spill(bucket, key);
        at = share_array_next(array, at);
    }
    return nowhere;
}

static struct share_place place_of(struct share_bucket *bucket, struct share_hit entry)
{
    for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++)
        if (bucket->id[i] == entry.id && share_bucket_hit(bucket, i).kind == entry.kind)
            return (struct share_place){bucket, i};
    return nowhere;
}

/* May an entry whose key lies in [low, high] stand further on? */
static bool goes_on(const struct share_bucket *bucket, uint32_t low, uint32_t high)
{
    return low >> SHARE_CLASS_SHIFT == high >> SHARE_CLASS_SHIFT ? share_bucket_spills(bucket, low)
                                                                 : share_bucket_spills_any(bucket);
}

struct share_place share_array_seek(const struct share_array *array, uint32_t low, uint32_t high,
                                    struct share_hit entry)
{
    uint32_t at = share_array_home(array, low);
    uint32_t homes_left = share_array_home(array, high) - at;
    for (uint32_t probes = 0; probes < array->buckets; probes++) {
        struct share_place place = place_of(&array->bucket[at], entry);
        if (place.bucket)
            return place;
        if (homes_left)
            homes_left--;
        else if (!goes_on(&array->bucket[at], low, high))
            break;
        at = share_array_next(array, at);
    }
    return nowhere;
}
