/* SPDX-License-Identifier: MIT */
/*
 * The hash table against a list: operations out of bytes, with hashes of few values so that equal
 * ones, equal 36 bits, equal 26 bits and long spills are common, and an allocator that refuses.
 */
#include "grow.h"
#include "metadata.h"
#include "must.h"
#include "table.h"
#include <string.h>

#define ENTRIES_MAX 2000u

struct entry {
    uint64_t hash;
    struct share_hit hit;
};

struct input {
    const uint8_t *at, *end;
};

static struct share_table table;
static struct share_mem mem;
static struct metadata metadata;
static struct entry list[ENTRIES_MAX];
static unsigned listed;
static bool refusing;

static bool refuse(void *ctx)
{
    (void)ctx;
    return refusing;
}

static unsigned byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* Mostly from few values: two partitions, few keys, few of the bits that are not kept. */
static uint64_t take_hash(struct input *in)
{
    unsigned shape = byte(in);
    uint64_t hash = (uint64_t)(shape & 3) << 62 | (uint64_t)(shape >> 2 & 3) << 38 |
                    (uint64_t)(shape >> 4 & 3) << 28 | (shape >> 6);
    if (shape == 255)
        hash = ~UINT64_C(0); /* the last bucket: spills go round */
    if (shape >= 240)
        hash ^= (uint64_t)byte(in) << 50 | (uint64_t)byte(in) << 42; /* many homes */
    return hash;
}

static struct share_hit take_hit(struct input *in)
{
    unsigned b = byte(in);
    return (struct share_hit){b & 1 ? SHARE_KIND_FRAME : SHARE_KIND_HINT, 1 + (b >> 1)};
}

static bool same_hit(struct share_hit a, struct share_hit b)
{
    return a.kind == b.kind && a.id == b.id;
}

/* An entry of the list; -1 if no such. `bits` of the hash count. */
static int find_listed(uint64_t hash, unsigned bits, struct share_hit hit)
{
    for (unsigned i = 0; i < listed; i++)
        if (same_hit(list[i].hit, hit) && (list[i].hash ^ hash) >> (64 - bits) == 0)
            return (int)i;
    return -1;
}

static bool is_listed_anywhere(struct share_hit hit)
{
    for (unsigned i = 0; i < listed; i++)
        if (same_hit(list[i].hit, hit))
            return true;
    return false;
}

/* As the engine does it: an id stands in the table once. */
static void insert(uint64_t hash, struct share_hit hit)
{
    if (listed == ENTRIES_MAX || is_listed_anywhere(hit))
        return;
    bool room = share_table_reserve(&table);
    MUST(room || refusing);
    struct share_partition *part = share_table_lock(&table, hash);
    bool done = share_table_insert(&table, part, hash, hit);
    share_table_unlock(part);
    if (done)
        list[listed++] = (struct entry){hash, hit};
}

static unsigned listed_of(uint64_t hash)
{
    unsigned count = 0;
    for (unsigned i = 0; i < listed; i++)
        count += (list[i].hash ^ hash) >> 28 == 0;
    return count < SHARE_TABLE_HITS ? count : SHARE_TABLE_HITS;
}

/* Of a hash, did a look meet as many as it should? Strays it does not. */
static bool met_all(unsigned count, uint64_t hash)
{
    return share_table_strays(&table) ? count <= listed_of(hash) : count == listed_of(hash);
}

/* As a page meets the table: near its home, and else anywhere; or anywhere at once. */
static void find_or_insert(uint64_t hash, struct share_hit hit)
{
    struct share_hit hits[SHARE_TABLE_HITS];
    unsigned count = 0;
    bool inserted;
    if (listed == ENTRIES_MAX || is_listed_anywhere(hit))
        return;
    bool room = share_table_reserve(&table);
    MUST(room || refusing);
    struct share_partition *part = share_table_lock(&table, hash);
    inserted = hit.id % 2 && share_table_insert_near(&table, part, hash, hit);
    MUST(!inserted || listed_of(hash) == 0);
    if (!inserted)
        count = share_table_find_or_insert(&table, part, hash, hit, hits, &inserted);
    share_table_unlock(part);
    MUST(met_all(count, hash) && (!inserted || count == 0));
    if (inserted)
        list[listed++] = (struct entry){hash, hit};
}

static void find(uint64_t hash)
{
    struct share_hit hits[SHARE_TABLE_HITS];
    struct share_partition *part = share_table_lock(&table, hash);
    unsigned count = share_table_find(part, hash, hits);
    share_table_unlock(part);
    for (unsigned i = 0; i < count; i++) {
        MUST(find_listed(hash, 36, hits[i]) >= 0);
        for (unsigned j = 0; j < i; j++)
            MUST(!same_hit(hits[i], hits[j]));
    }
    MUST(met_all(count, hash));
}

static void replace(uint64_t hash, struct share_hit from, struct share_hit to)
{
    if (is_listed_anywhere(to))
        return;
    struct share_partition *part = share_table_lock(&table, hash);
    bool done = share_table_replace(part, hash, from, to);
    share_table_unlock(part);
    int at = find_listed(hash, 36, from);
    MUST((at >= 0) == done);
    for (unsigned i = 0; done && i < listed; i++)
        if (same_hit(list[i].hit, from))
            list[i].hit = to;
}

static void drop(uint64_t hash, unsigned bits, struct share_hit hit)
{
    int at = find_listed(hash, bits, hit);
    bool done = bits == 6 ? share_table_remove_anywhere(&table, hit)
                          : share_table_remove(&table, hash, bits, hit);
    MUST(at < 0 || done);
    MUST(!done || is_listed_anywhere(hit));
    for (unsigned i = 0; done && i < listed; i++)
        if (same_hit(list[i].hit, hit))
            list[i--] = list[--listed];
}

static unsigned walked;

static bool check_walked(void *ctx, uint64_t hash, struct share_hit hit)
{
    (void)ctx;
    walked++;
    MUST(find_listed(hash, 36, hit) >= 0);
    return true;
}

static void check_all(void)
{
    MUST(share_table_is_valid(&table));
    walked = 0;
    MUST(share_table_walk(&table, check_walked, NULL));
    MUST(walked == listed && share_table_entries(&table) == listed);
    for (unsigned i = 0; i < listed; i++) {
        MUST(share_table_holds(&table, list[i].hash, 36, list[i].hit));
        MUST(share_table_holds(&table, list[i].hash >> 38 << 38, 26, list[i].hit));
    }
    MUST(share_table_moves(&table).max <= SHARE_TABLE_MOVES);
}

static void step(struct input *in)
{
    unsigned what = byte(in);
    uint64_t hash = take_hash(in);
    struct share_hit hit = take_hit(in);
    if (what < 50)
        insert(hash, hit);
    else if (what < 100)
        find_or_insert(hash, hit);
    else if (what < 140)
        find(hash);
    else if (what < 165)
        drop(hash, 26, hit);
    else if (what < 190)
        drop(hash, 36, hit);
    else if (what < 195)
        drop(hash, 6, hit);
    else if (what < 215)
        replace(hash, hit, take_hit(in));
    else if (what < 225)
        refusing = !refusing;
    else if (what < 235) /* many at once */
        for (unsigned i = byte(in); i; i--)
            insert(hash ^ (uint64_t)i << (what - 185), (struct share_hit){hit.kind, 1000 + i});
    else if (what < 245)
        for (unsigned i = byte(in); i; i--)
            drop(hash, 6, (struct share_hit){hit.kind, 1000 + i});
    else
        check_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + (size < 4096 ? size : 4096)};
    metadata_init(&metadata);
    metadata.refuse = refuse;
    share_mem_init(&mem, &metadata.alloc);
    memset(&table, 0, sizeof table);
    refusing = false;
    listed = 0;
    MUST(share_table_init(&table, &mem, 0));
    while (in.at < in.end)
        step(&in);
    check_all();
    share_table_fini(&table);
    MUST(metadata.blocks == 0);
    return 0;
}
