/* SPDX-License-Identifier: MIT */
/*
 * An array of buckets: open addressing by the bucket. Memory and lookups; table.h says the rest.
 *
 * A key's home is its value scaled to the number of buckets, so entries stand in the order of their
 * keys but for spills, and two arrays can be walked side by side. A full bucket spills into the
 * next one of the key's chain: four buckets in a row from its home on; then, anywhere else in the
 * array, its second row, which goes on to wherever there is room. Where that begins depends on the
 * bits of the key that a page's word keeps, too: on more of them than the home does, so that keys
 * with one home spread over the array. (Two places for a key, and entries that move from one to the
 * other to make room: R. Pagh, F. Rodler, Cuckoo hashing, 2004. Buckets of several slots fill up to
 * 92 % so, and beyond.)
 *
 * A look reads the first eight buckets of a chain at most, whoever chose the keys. Only growing
 * puts entries further on: no look meets these, but they can be replaced and removed.
 *
 * Invariant: an entry stands in its key's chain, and all buckets before it have spilled its class.
 */
#ifndef SHARE_ARRAY_H
#define SHARE_ARRAY_H

#include "bucket.h"
#include "mem.h"

#define SHARE_KEY_BITS   30
#define SHARE_TABLE_HITS 6u /* entries of one hash that a lookup returns at most: see run.h */

#define SHARE_ROW_BUCKETS  4u /* of a chain, from the home on, before it goes elsewhere */
#define SHARE_LOOK_BUCKETS 8u /* of a chain, that a look reads at most: two rows */

struct share_array {
    struct share_bucket *bucket;
    uint32_t buckets;
};

/* Where an entry stands, or may go; bucket NULL: nowhere. */
struct share_place {
    struct share_bucket *bucket;
    unsigned slot;
};

/* What a walk along a key's chain came across. */
struct share_walk {
    struct share_place room; /* the first empty slot of the chain */
    struct share_hit *hits;  /* the entries of the key, SHARE_TABLE_HITS at most */
    unsigned count;
};

static inline uint32_t share_array_home(const struct share_array *array, uint32_t key)
{
    return (uint32_t)((uint64_t)key * array->buckets >> SHARE_KEY_BITS);
}

static inline uint32_t share_array_next(const struct share_array *array, uint32_t bucket)
{
    return bucket + 1 == array->buckets ? 0 : bucket + 1;
}

/* The invariant, of all entries of one bucket. O(chain). */
bool share_array_bucket_is_valid(const struct share_array *array, uint32_t bucket);

/* Inserts if the key's home and the bucket behind it tell that nothing has this key, and there is
 * room in one of them. Else false, and nothing is done. */
static inline bool share_array_insert_near(struct share_array *array, uint32_t key,
                                           struct share_hit entry)
{
    uint32_t at = share_array_home(array, key);
    struct share_bucket *home = &array->bucket[at];
    struct share_bucket *place = home;
    struct share_slots slots = share_bucket_slots(home, key);
    bool spilled = share_bucket_spills(home, key);
    if (slots.matches)
        return false;
    if (spilled || !slots.empty) {
        struct share_bucket *next = &array->bucket[share_array_next(array, at)];
        struct share_slots beyond = share_bucket_slots(next, key);
        if (spilled && (beyond.matches || share_bucket_spills(next, key)))
            return false;
        if (!slots.empty) {
            if (!beyond.empty)
                return false;
            share_bucket_spill(home, key);
            place = next;
            slots = beyond;
        }
    }
    share_bucket_put(place, share_slots_first(slots.empty), key, entry);
    share_assert_internal(share_array_bucket_is_valid(array, (uint32_t)(place - array->bucket)));
    return true;
}

bool share_array_new(struct share_mem *mem, struct share_array *array, uint32_t buckets);
void share_array_free(struct share_mem *mem, struct share_array *array);

/* Does an entry stand in its key's chain? O(chain). */
bool share_array_holds(const struct share_array *array, uint32_t key, struct share_hit entry);

/* Adds what the key's chain holds to *walk. An array without buckets holds nothing. */
void share_array_walk(const struct share_array *array, uint32_t key, struct share_walk *walk);

/* Puts an entry into the first bucket with room, of those that a look reads. Nowhere: they are
 * full. */
struct share_place share_array_insert(struct share_array *array, uint32_t key,
                                      struct share_hit entry);

/* The same where they are full: moves another entry on to make room. Nowhere: none can be moved. */
struct share_place share_array_squeeze(struct share_array *array, uint32_t key,
                                       struct share_hit entry);

/* The same where none can be moved: puts it where no look goes. Nowhere: the array is full. */
struct share_place share_array_put_beyond(struct share_array *array, uint32_t key,
                                          struct share_hit entry);

/* Finds an entry whose key lies in [low, high], wherever it stands. O(1) if the two differ below
 * SHARE_CLASS_SHIFT alone, else O(array). */
struct share_place share_array_seek(const struct share_array *array, uint32_t low, uint32_t high,
                                    struct share_hit entry);

#endif
