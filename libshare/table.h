/* SPDX-License-Identifier: MIT */
/*
 * The one hash table: hint frames and shared frames by content hash, 8 bytes an entry.
 *
 * Idea. The top 6 hash bits choose one of 64 partitions, each with its own lock and its own array
 * of 64-byte buckets of eight entries. The next 30 bits are kept in the entry; scaled to the number
 * of buckets they give its home bucket, and the rest of them tells entries in a bucket apart. A
 * full bucket spills into the next one and says so in a spill bit, so a lookup reads one cache
 * line, and another only where that bit is set.
 *
 * Growth. A partition past 90 % gets an array 1.3 times as large; every insertion then moves at
 * most SHARE_TABLE_MOVES buckets over, and lookups ask both arrays meanwhile. Sizes of the
 * partitions are spread evenly over one growth step (partition p starts at 2 * 1.3^(p/64) buckets),
 * so they grow one after another at any table size: memory follows the number of entries smoothly,
 * near 10 bytes each, and never doubles. (The idea of partial expansions: P.-A. Larson, Linear
 * hashing with partial expansions, VLDB 1980.) A partition emptied by removals shrinks the same
 * way, and one whose spill bits have worn is rebuilt at its size.
 *
 * An entry holds what cannot be derived: 30 hash bits, its kind, and a page or frame number. VM and
 * PPN follow from the page number, MPN from resolve, the partition bits from where it stands.
 *
 * Layout of an entry: bits 63..34 hash, 33 spill (first entry of a bucket only), 32 kind, 31..0 id.
 * Invariants: an empty entry has id 0 and hash 0; entries = sum of partition.entries; an entry
 * stands between its home and the first bucket from there without a spill bit, both included.
 */
#ifndef SHARE_TABLE_H
#define SHARE_TABLE_H

#include "lock.h"
#include "mem.h"

#define SHARE_TABLE_PARTITIONS 64u
#define SHARE_TABLE_SLOTS      8u /* entries a bucket: one cache line */
#define SHARE_TABLE_MOVES                                                                       \
    8u                      /* buckets that one insertion moves at most: growth ends within 2 % \
                             */
#define SHARE_TABLE_HITS 6u /* entries of one hash that a lookup returns at most */

enum share_kind {
    SHARE_KIND_HINT = 0, /* id is a page number: unproven */
    SHARE_KIND_FRAME = 1 /* id is a frame number: proven */
};

struct share_hit {
    enum share_kind kind;
    uint32_t id;
};

struct share_bucket {
    _Alignas(64) uint64_t slot[SHARE_TABLE_SLOTS];
};

struct share_array {
    struct share_bucket *bucket;
    uint32_t buckets;
};

struct share_partition {
    _Alignas(64) struct share_lock lock;
    uint32_t entries;
    uint32_t removed;         /* since the array was made: worn spill bits */
    uint32_t move_next;       /* the old array's next bucket to be emptied */
    uint32_t grow_at;         /* entries at which a larger array is wanted */
    uint64_t ideal_buckets_q; /* size that this partition stands at, 32.32 fixed point */
    struct share_array now;
    struct share_array old; /* being emptied; no buckets if none */
};

struct share_table {
    struct share_mem *mem;
    _Atomic uint64_t wanted; /* bit p: partition p should get another array */
    _Atomic uint64_t buckets_moved;
    _Atomic uint32_t buckets_moved_max;
    /* Copies of partition[].now for share_table_prefetch, which takes no lock. */
    _Atomic(struct share_bucket *) fetch_bucket[SHARE_TABLE_PARTITIONS];
    _Atomic uint32_t fetch_buckets[SHARE_TABLE_PARTITIONS];
    struct share_partition partition[SHARE_TABLE_PARTITIONS];
};

bool share_table_init(struct share_table *table, struct share_mem *mem);
void share_table_fini(struct share_table *table);

/* Gives new arrays to partitions that want one. False if memory was refused: the table goes on as
 * it is until it is full. The only call that allocates; no lock may be held. */
bool share_table_reserve(struct share_table *table);

/* Fetches the home bucket of a hash. A hint to the machine: needs no lock. */
void share_table_prefetch(const struct share_table *table, uint64_t hash);

/* Between lock and unlock of a hash, its entries do not change. */
struct share_partition *share_table_lock(struct share_table *table, uint64_t hash);
void share_table_unlock(struct share_partition *part);

/* With the lock held: entries with this hash (36 bits of it), at most SHARE_TABLE_HITS. */
unsigned share_table_find(const struct share_partition *part, uint64_t hash,
                          struct share_hit hits[static SHARE_TABLE_HITS]);

/* With the lock held: false if the partition is full, which reserve mends. */
bool share_table_insert(struct share_table *table, struct share_partition *part, uint64_t hash,
                        struct share_hit entry);

/* With the lock held: inserts if one look at the home bucket shows that nothing has this hash and
 * that there is room, which is how most lookups of a first pass end. False: nothing is known; find
 * and insert will tell. */
bool share_table_insert_new(struct share_table *table, struct share_partition *part, uint64_t hash,
                            struct share_hit entry);

/* With the lock held: the entry `from` of this hash becomes `to`; false if it is not there. */
bool share_table_replace(struct share_partition *part, uint64_t hash, struct share_hit from,
                         struct share_hit to);

/* Takes the lock itself: removes an entry of which the top `bits` hash bits are known (8..36); bits
 * below do not matter. False if it is not there. */
bool share_table_remove(struct share_table *table, uint64_t hash, unsigned bits,
                        struct share_hit entry);

/* Is the entry there, of which the top `bits` hash bits are known? For share_check. */
bool share_table_holds(struct share_table *table, uint64_t hash, unsigned bits,
                       struct share_hit entry);

/* Removes an entry by looking everywhere: for a frame whose bytes changed under protection, which
 * only a caller's mistake can do. O(table). */
bool share_table_remove_anywhere(struct share_table *table, struct share_hit entry);

uint64_t share_table_entries(struct share_table *table);

/* Calls `each` for every entry with its top 36 hash bits in place; stops if it returns false. For
 * share_check: nothing else runs. */
bool share_table_walk(const struct share_table *table,
                      bool (*each)(void *ctx, uint64_t hash, struct share_hit entry), void *ctx);

#endif
