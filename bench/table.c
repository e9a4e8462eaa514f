/* SPDX-License-Identifier: MIT */
/*
 * What does the engine's hash table cost, an entry at a time, at any size and load?
 *
 * `insert`: the last eighth up to the load; `hit`, `miss`: lookups at the load; `stale`: an entry
 * is found, its page has changed, so it goes and another one comes. `expected` is what the table is
 * told to expect; its room is larger, since its partitions are not of one size, and every partition
 * is filled to `load` percent of its own room: `entries` says how many that are. Beyond 94 % the
 * engine's table grows; here nobody calls share_table_reserve, so that it does not.
 *
 * The one benchmark of the table alone: share.h has no lookup without a page around it, hence the
 * internal headers.
 */
#include "table.h"
#include "page.h"
#include "prng.h"
#include "suite.h"
#include <stdlib.h>
#include <string.h>

#define LOOKUPS 262144u

static struct {
    const struct suite *suite;
    struct share_mem mem;
    struct share_table table;
    int64_t expected, load; /* of the table that is there; 0: none */
    uint64_t *hash;         /* owned: entry i stands under hash[i], its id is i + 1 */
    uint64_t *absent;       /* owned: LOOKUPS hashes that have no entry */
    uint64_t entries, inserted;
    uint64_t stale_end; /* entries before this one have been replaced */
    uint64_t random;
} set;

enum op { INSERT, HIT, MISS, STALE, OPS };

static struct share_hit entry_of(uint64_t i)
{
    return (struct share_hit){SHARE_KIND_HINT, (uint32_t)i + 1};
}

/* Another hash of the same partition, so that its load stays. */
static uint64_t hash_beside(uint64_t hash)
{
    uint64_t below = ~UINT64_C(0) >> SHARE_PARTITION_BITS;
    return (hash & ~below) | (hv_random_next(&set.random) & below);
}

static unsigned find(uint64_t hash, struct share_hit hits[static SHARE_TABLE_HITS])
{
    struct share_partition *part = share_table_lock(&set.table, hash);
    unsigned count = share_table_find(part, hash, hits);
    share_table_unlock(part);
    return count;
}

/* As the engine does it: if nothing is there. An equal hash of another entry is no obstacle. */
static bool insert(uint64_t hash, struct share_hit entry)
{
    struct share_hit hits[SHARE_TABLE_HITS];
    bool inserted;
    struct share_partition *part = share_table_lock(&set.table, hash);
    if (share_table_find_or_insert(&set.table, part, hash, entry, hits, &inserted))
        inserted = share_table_insert(&set.table, part, hash, entry);
    share_table_unlock(part);
    return inserted;
}

/* --------------------------------------------------------------------------------- tables -- */

static void drop_table(void)
{
    if (set.expected)
        share_table_fini(&set.table);
    free(set.hash);
    free(set.absent);
    set.hash = set.absent = NULL;
    set.expected = 0;
    set.entries = set.inserted = set.stale_end = 0;
}

static uint64_t entries_of(unsigned partition, int64_t load)
{
    uint64_t slots = (uint64_t)set.table.partition[partition].now.buckets * SHARE_TABLE_SLOTS;
    return slots * (uint64_t)load / 100;
}

/* Hashes for every partition's load, in random order. */
static void draw_hashes(int64_t load)
{
    uint64_t made = 0;
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++)
        for (uint64_t i = entries_of(p, load); i > 0; i--)
            set.hash[made++] = hash_beside((uint64_t)p << (64 - SHARE_PARTITION_BITS));
    for (uint64_t i = made - 1; i > 0; i--) {
        uint64_t j = hv_random_next(&set.random) % (i + 1), swap = set.hash[i];
        set.hash[i] = set.hash[j];
        set.hash[j] = swap;
    }
}

/* A table with room, and nothing in it. */
static bool make_table(int64_t expected, int64_t load)
{
    drop_table();
    share_mem_init(&set.mem, set.suite->alloc);
    memset(&set.table, 0, sizeof set.table);
    if (!share_table_init(&set.table, &set.mem, (uint64_t)expected))
        return false;
    set.expected = expected;
    set.load = load;
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++)
        set.entries += entries_of(p, load);
    set.hash = malloc(set.entries * sizeof *set.hash);
    if (!set.hash)
        return false;
    draw_hashes(load);
    return true;
}

/* Inserts entries up to the end-th. */
static bool fill(uint64_t end)
{
    for (; set.inserted < end; set.inserted++)
        if (!insert(set.hash[set.inserted], entry_of(set.inserted)))
            return false;
    return share_table_entries(&set.table) == end;
}

/* A full table. Stale entries leave marks in it that only the engine's rebuilding removes: a
 * quarter of them is enough. */
static bool full_table(int64_t expected, int64_t load, bool fresh)
{
    bool worn = fresh && set.stale_end >= set.entries / 4;
    bool same = set.expected == expected && set.load == load && !worn;
    return (same || make_table(expected, load)) && fill(set.entries);
}

static bool draw_absent(void)
{
    struct share_hit hits[SHARE_TABLE_HITS];
    if (set.absent)
        return true;
    set.absent = malloc(LOOKUPS * sizeof *set.absent);
    for (uint64_t i = 0; set.absent && i < LOOKUPS; i++)
        do
            set.absent[i] = hv_random_next(&set.random);
        while (find(set.absent[i], hits));
    return set.absent;
}

/* ----------------------------------------------------------------------------- operations -- */

static bool lap_insert(int64_t expected, int64_t load)
{
    if (!make_table(expected, load) || !fill(set.entries - set.entries / 8))
        return false;
    uint64_t first = set.inserted;
    double start = bench_start();
    bool ok = fill(set.entries);
    bench_stop(start, set.entries - first);
    return ok;
}

static bool holds(const struct share_hit *hits, unsigned count, uint64_t i)
{
    for (unsigned h = 0; h < count; h++)
        if (hits[h].id == entry_of(i).id)
            return true;
    return false;
}

static bool lap_hit(int64_t expected, int64_t load)
{
    uint64_t found = 0, i = 0;
    if (!full_table(expected, load, false))
        return false;
    double start = bench_start();
    for (unsigned lookup = 0; lookup < LOOKUPS; lookup++) {
        struct share_hit hits[SHARE_TABLE_HITS];
        found += holds(hits, find(set.hash[i], hits), i);
        i = i + 1 < set.entries ? i + 1 : 0;
    }
    bench_stop(start, LOOKUPS);
    return found == LOOKUPS;
}

static bool lap_miss(int64_t expected, int64_t load)
{
    uint64_t found = 0;
    struct share_hit hits[SHARE_TABLE_HITS];
    if (!full_table(expected, load, false) || !draw_absent())
        return false;
    double start = bench_start();
    for (unsigned lookup = 0; lookup < LOOKUPS; lookup++)
        found += find(set.absent[lookup], hits);
    bench_stop(start, LOOKUPS);
    return found == 0;
}

static bool lap_stale(int64_t expected, int64_t load)
{
    if (!full_table(expected, load, true))
        return false;
    uint64_t first = set.stale_end, end = first + set.entries / 4, done = 0;
    if (end > first + LOOKUPS)
        end = first + LOOKUPS;
    double start = bench_start();
    for (uint64_t i = first; i < end; i++) {
        struct share_hit hits[SHARE_TABLE_HITS];
        uint64_t fresh = hash_beside(set.hash[i]);
        done += holds(hits, find(set.hash[i], hits), i) &&
                share_table_remove(&set.table, set.hash[i], SHARE_HINT_HASH_BITS, entry_of(i)) &&
                insert(fresh, entry_of(i));
        set.hash[i] = fresh;
    }
    bench_stop(start, end - first);
    set.stale_end = end;
    free(set.absent); /* one of them may be present now */
    set.absent = NULL;
    return done == end - first && share_table_entries(&set.table) == set.entries;
}

/* ------------------------------------------------------------------------------- register -- */

static const struct op_kind {
    const char *name;
    bool (*lap)(int64_t expected, int64_t load);
} ops[OPS] = {[INSERT] = {"table/insert", lap_insert},
              [HIT] = {"table/hit", lap_hit},
              [MISS] = {"table/miss", lap_miss},
              [STALE] = {"table/stale", lap_stale}};

static void run(struct bench *bench, void *ctx)
{
    const struct op_kind *op = ctx;
    bool ok = true;
    while (ok && bench_next(bench))
        ok = op->lap(bench_arg(bench, 0), bench_arg(bench, 1));
    bench_counter(bench, "entries", (double)set.entries);
    if (!ok)
        bench_fail(bench, "an entry was lost, found where there was none, or had no room");
}

/* All operations of a table before the next table. */
void suite_table(const struct suite *suite)
{
    static const int64_t sizes[] = {1 << 10, 1 << 15, 1 << 20, 1 << 24}, loads[] = {50, 75, 90, 93};
    set.suite = suite;
    for (unsigned i = 0; i < (suite->quick ? 3 : 4); i++)
        for (unsigned j = 0; j < sizeof loads / sizeof *loads; j++)
            for (unsigned op = 0; op < OPS; op++) {
                const struct bench_values args[] = {{"expected", &sizes[i], 1},
                                                    {"load", &loads[j], 1}};
                bench_register_laps(ops[op].name, run, (void *)&ops[op], args, 2);
            }
}
