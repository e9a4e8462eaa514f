/* SPDX-License-Identifier: MIT */
/*
 * The one hash table: hint frames and shared frames by content hash, 8 bytes an entry.
 *
 * Idea. The top 6 hash bits choose one of 64 partitions, each with its own lock and its own array
 * of 64-byte buckets of eight entries. The next 30 bits are kept in the entry; scaled to the number
 * of buckets they give its home bucket, and the rest of them tells entries in a bucket apart. A
 * full bucket spills into another one and remembers what kind of keys did, so a lookup reads one
 * cache line, and seldom another.
 *
 * Hostile keys. Who knows the salt can make pages whose hashes agree in any bits. So a look reads
 * at most SHARE_LOOK_BUCKETS buckets of an array, of both while a partition has two: an entry that
 * finds no room there is not inserted, and one that finds none when the table grows is put where no
 * look goes (a stray), and still belongs to its page or frame: it can be replaced and removed, and
 * the next array may bring it back. Honest keys find room at any load below 75 %; one in a million
 * does not near 94 %, and makes its partition grow at once.
 *
 * Growth. A partition past 94 % gets an array half as large again; every insertion then moves at
 * most SHARE_TABLE_MOVES buckets over, and lookups ask both arrays meanwhile. Sizes of the
 * partitions are spread evenly over one growth step (partition p starts at 2 * 1.5^(p/64) buckets),
 * so they grow one after another at any table size: memory follows the number of entries smoothly,
 * near 10.5 bytes each, and never doubles. (The idea of partial expansions: P.-A. Larson, Linear
 * hashing with partial expansions, VLDB 1980.) A partition emptied by removals shrinks the same
 * way, and one whose spill bits have worn is rebuilt at its size.
 *
 * An entry holds what cannot be derived: 30 hash bits, its kind, and a page or frame number. VM and
 * PPN follow from the page number, MPN from resolve, the partition bits from where it stands.
 *
 * Files: bucket.h (a cache line of entries), array.c (buckets in a row), grow.c (a larger array,
 * entry by entry), table.c (partitions and locks).
 * Invariants of a partition, lock held:
 *     its entries are those in `now` and those still in `old`: entries = their sum
 *     old.bucket[0 .. move_next) are empty; all of them, and `old` waits to be freed
 *     now.buckets = the whole part of ideal_buckets_q, and grow_at follows from it, or is less:
 *         the entries at which a key found no room
 *     every entry can be found (array.h)
 * `old` goes none -> full (a new array is installed) -> emptied, move_next up to old.buckets ->
 * none.
 */
#ifndef SHARE_TABLE_H
#define SHARE_TABLE_H

#include "array.h"
#include "fetch.h"
#include "lock.h"

#define SHARE_PARTITION_BITS   6
#define SHARE_TABLE_PARTITIONS (1u << SHARE_PARTITION_BITS)

/* Hash bits that an entry and its partition tell, the top ones: 36. */
#define SHARE_ENTRY_HASH_BITS (SHARE_PARTITION_BITS + SHARE_KEY_BITS)

struct share_partition {
    _Alignas(SHARE_LINE_NBYTES) struct share_lock lock;
    uint32_t entries;
    uint32_t removed;         /* since the array was made: worn spill bits */
    uint32_t move_next;       /* the old array's next bucket to be emptied */
    uint32_t grow_at;         /* entries at which a larger array is wanted */
    uint32_t move_max;        /* buckets that one call moved, at most */
    uint64_t ideal_buckets_q; /* size that this partition stands at, 32.32 fixed point */
    struct share_array now;
    struct share_array old; /* being emptied; no buckets if none */
};
_Static_assert(sizeof(struct share_partition) == SHARE_LINE_NBYTES,
               "a lock brings all that it guards");

_Static_assert(SHARE_TABLE_PARTITIONS <= 64, "share_table.wanted has a bit each");

struct share_table {
    struct share_mem *mem;
    _Atomic uint64_t wanted;        /* bit p: partition p should get another array */
    _Atomic uint64_t buckets_moved; /* out of arrays that are empty by now */
    _Atomic uint64_t strays;        /* entries that growing has put where no look goes, in all */
    /* Copies of partition[].now for share_table_prefetch, which takes no lock. */
    struct {
        _Atomic(struct share_bucket *) bucket;
        _Atomic uint32_t buckets;
    } fetch[SHARE_TABLE_PARTITIONS];
    struct share_partition partition[SHARE_TABLE_PARTITIONS];
};

static inline uint32_t share_table_key(uint64_t hash)
{
    return (uint32_t)(hash << SHARE_PARTITION_BITS >> (64 - SHARE_KEY_BITS));
}

static inline unsigned share_table_partition(uint64_t hash)
{
    return (unsigned)(hash >> (64 - SHARE_PARTITION_BITS));
}

/* Would entries of these hashes look the same? */
static inline bool share_entry_hash_equal(uint64_t a, uint64_t b)
{
    return (a ^ b) >> (64 - SHARE_ENTRY_HASH_BITS) == 0;
}

/* Room for `expected` entries at once, and for more by growing. False: memory was refused, nothing
 * is held. */
bool share_table_init(struct share_table *table, struct share_mem *mem, uint64_t expected);
void share_table_fini(struct share_table *table);

/* Gives new arrays to partitions that want one. False if memory was refused: the table goes on as
 * it is until it is full. The only call that allocates; no lock may be held. */
bool share_table_reserve(struct share_table *table);

/* Fetches what an insertion of this hash writes: its home bucket, and the one behind it, where it
 * goes if the home is full. A hint to the machine: needs no lock. */
__attribute__((always_inline)) static inline void share_table_prefetch(
    const struct share_table *table, uint64_t hash)
{
    /* The two may be of different arrays: a wrong address fetches nothing useful, and no harm. */
    unsigned p = share_table_partition(hash);
    struct share_array array = {
        atomic_load_explicit(&table->fetch[p].bucket, memory_order_relaxed),
        atomic_load_explicit(&table->fetch[p].buckets, memory_order_relaxed),
    };
    uint64_t home = share_array_home(&array, share_table_key(hash));
    uintptr_t bucket = (uintptr_t)array.bucket + sizeof *array.bucket * home;
    share_fetch_to_write(bucket);
    share_fetch_to_write(bucket + sizeof *array.bucket);
}

/* The same for the partition: worth it if another thread may have written it since. */
static inline void share_table_prefetch_partition(const struct share_table *table, uint64_t hash)
{
    share_fetch_to_write((uintptr_t)&table->partition[share_table_partition(hash)]);
}

/* The invariants of a partition but for those of its entries. Lock held. */
bool share_partition_is_valid(const struct share_partition *part);

/* Between lock and unlock of a hash, its entries do not change. */
static inline struct share_partition *share_table_lock(struct share_table *table, uint64_t hash)
{
    struct share_partition *part = &table->partition[share_table_partition(hash)];
    share_lock_take(&part->lock);
    return part;
}

static inline void share_table_unlock(struct share_partition *part)
{
    share_lock_drop(&part->lock);
}

/* With the lock held: entries whose hash looks the same, at most SHARE_TABLE_HITS. */
unsigned share_table_find(const struct share_partition *part, uint64_t hash,
                          struct share_hit hits[static SHARE_TABLE_HITS]);

/* With the lock held: false if looks would not find it, for want of room. If share_table_is_full
 * then, reserve mends that; else the entry must do without. */
bool share_table_insert(struct share_table *table, struct share_partition *part, uint64_t hash,
                        struct share_hit entry);

/* Does the partition wait for a larger array? Lock held. */
static inline bool share_table_is_full(const struct share_partition *part)
{
    return part->entries >= part->grow_at;
}

/* The partition has as many entries as it should. For this header and table.c. */
void share_table_note_full(struct share_table *table, struct share_partition *part);

/* With the lock held: inserts if two buckets tell that nothing has this key and that there is room,
 * as they do for most pages of a first pass. Else false, and nothing is done. */
static inline bool share_table_insert_near(struct share_table *table, struct share_partition *part,
                                           uint64_t hash, struct share_hit entry)
{
    share_assert(share_lock_is_held(&part->lock));
    if (part->old.buckets || !share_array_insert_near(&part->now, share_table_key(hash), entry))
        return false;
    if (++part->entries >= part->grow_at)
        share_table_note_full(table, part);
    share_assert_internal(share_partition_is_valid(part));
    return true;
}

/* The invariants of all of them, entry by entry. O(table). Nothing else runs. */
bool share_table_is_valid(const struct share_table *table);

/* The same as find; and if nothing is found, the same as insert, in one walk. Room for the entry
 * may be refused: then nothing is found and *inserted is false. */
unsigned share_table_find_or_insert(struct share_table *table, struct share_partition *part,
                                    uint64_t hash, struct share_hit entry,
                                    struct share_hit hits[static SHARE_TABLE_HITS], bool *inserted);

/* With the lock held: the entry `from` of this hash becomes `to`; false if it is not there. */
bool share_table_replace(struct share_partition *part, uint64_t hash, struct share_hit from,
                         struct share_hit to);

/* Takes the lock itself: removes an entry of which the top `bits` hash bits are known,
 * SHARE_PARTITION_BITS to SHARE_ENTRY_HASH_BITS; bits below do not matter. False if it is not
 * there. O(partition) if fewer are known than a page's word keeps. */
bool share_table_remove(struct share_table *table, uint64_t hash, unsigned bits,
                        struct share_hit entry);

/* Is the entry there, of which the top `bits` hash bits are known? For share_check. */
bool share_table_holds(struct share_table *table, uint64_t hash, unsigned bits,
                       struct share_hit entry);

/* Removes an entry by looking everywhere: for a frame whose bytes changed under protection, which
 * only a caller's mistake can do. O(table). */
bool share_table_remove_anywhere(struct share_table *table, struct share_hit entry);

uint64_t share_table_entries(struct share_table *table);

/* Entries that growing has put where no look goes, so far. */
uint64_t share_table_strays(const struct share_table *table);

/* What growth has moved so far: in all, and in one insertion or removal at most. */
struct share_table_moves {
    uint64_t buckets;
    uint32_t max;
};
struct share_table_moves share_table_moves(struct share_table *table);

/* Calls `each` for every entry with those hash bits in place that it tells; stops if it returns
 * false. For share_check: nothing else runs. */
bool share_table_walk(const struct share_table *table,
                      bool (*each)(void *ctx, uint64_t hash, struct share_hit entry), void *ctx);

#endif
