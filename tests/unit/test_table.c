/* SPDX-License-Identifier: MIT */
#include "grow.h"
#include "metadata.h"
#include "random.h"
#include "table.h"
#include "test.h"
#include <stdlib.h>

static struct metadata metadata;
static struct share_mem mem;
static struct share_table table;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    share_mem_init(&mem, &metadata.alloc);
    memset(&table, 0, sizeof table);
    assert_true(share_table_init(&table, &mem, 0));
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_true(share_table_is_valid(&table));
    share_table_fini(&table);
    assert_int_equal(metadata.blocks, 0);
    return 0;
}

static struct share_hit hint(uint32_t id)
{
    return (struct share_hit){SHARE_KIND_HINT, id};
}

static struct share_hit frame(uint32_t id)
{
    return (struct share_hit){SHARE_KIND_FRAME, id};
}

/* The hash that entry `id` stands under in the large tests. */
static uint64_t hash_of(uint32_t id)
{
    uint64_t state = id;
    return random_next(&state);
}

static bool insert(uint64_t hash, struct share_hit entry)
{
    struct share_partition *part = share_table_lock(&table, hash);
    bool done = share_table_insert(&table, part, hash, entry);
    share_table_unlock(part);
    return done;
}

static unsigned find(uint64_t hash, struct share_hit hits[static SHARE_TABLE_HITS])
{
    struct share_partition *part = share_table_lock(&table, hash);
    unsigned count = share_table_find(part, hash, hits);
    share_table_unlock(part);
    return count;
}

static bool holds(uint64_t hash, struct share_hit entry)
{
    struct share_hit hits[SHARE_TABLE_HITS];
    unsigned count = find(hash, hits);
    for (unsigned i = 0; i < count; i++)
        if (hits[i].id == entry.id && hits[i].kind == entry.kind)
            return true;
    return false;
}

static void must_insert(uint64_t hash, struct share_hit entry)
{
    for (unsigned tries = 0; tries < 4; tries++) {
        assert_true(share_table_reserve(&table));
        if (insert(hash, entry))
            return;
    }
    fail_msg("reserve does not make room");
}

static void entries_are_found_by_36_bits(void **state)
{
    (void)state;
    uint64_t hash = 0xfedcba9876543210;
    struct share_hit hits[SHARE_TABLE_HITS];
    assert_int_equal(find(hash, hits), 0);
    must_insert(hash, hint(UINT32_MAX));
    assert_true(holds(hash, hint(UINT32_MAX)));
    assert_true(holds(hash ^ 0x0fffffff, hint(UINT32_MAX)));  /* bits that are not kept */
    assert_false(holds(hash ^ 0x10000000, hint(UINT32_MAX))); /* the lowest one that is */
    assert_false(holds(hash ^ UINT64_C(1) << 63, hint(UINT32_MAX)));
    assert_false(holds(hash, frame(UINT32_MAX)));
    assert_int_equal(share_table_entries(&table), 1);
}

static void hash_zero_is_a_hash(void **state)
{
    (void)state;
    struct share_hit hits[SHARE_TABLE_HITS];
    assert_int_equal(find(0, hits), 0); /* empty slots look like it */
    must_insert(0, frame(1));
    assert_int_equal(find(0, hits), 1);
    assert_true(share_table_remove(&table, 0, 36, frame(1)));
    assert_int_equal(find(0, hits), 0);
    must_insert(~UINT64_C(0), hint(1));
    assert_int_equal(find(~UINT64_C(0), hits), 1);
}

static void a_hint_becomes_a_frame(void **state)
{
    (void)state;
    uint64_t hash = 0x123456789abcdef0;
    must_insert(hash, hint(5));
    struct share_partition *part = share_table_lock(&table, hash);
    assert_false(share_table_replace(part, hash, hint(6), frame(1)));
    assert_false(share_table_replace(part, hash, frame(5), frame(1)));
    assert_true(share_table_replace(part, hash, hint(5), frame(7)));
    share_table_unlock(part);
    assert_true(holds(hash, frame(7)));
    assert_false(holds(hash, hint(5)));
    assert_int_equal(share_table_entries(&table), 1);
}

/* Does it find room, if the table grows as it may? */
static bool may_insert(uint64_t hash, struct share_hit entry)
{
    bool done = false;
    for (unsigned tries = 0; tries < 4 && !done; tries++) {
        assert_true(share_table_reserve(&table));
        done = insert(hash, entry);
    }
    return done;
}

/* Two rows of buckets take so many of one hash, and no more. A lookup returns some of many; removal
 * finds each. The first row goes round the end. */
static void many_of_one_hash_spill(void **state)
{
    (void)state;
    uint64_t hash = ~UINT64_C(0); /* home is the last bucket */
    const uint32_t room = SHARE_LOOK_BUCKETS * SHARE_TABLE_SLOTS;
    struct share_hit hits[SHARE_TABLE_HITS];
    for (uint32_t id = 1; id <= 200; id++)
        assert_int_equal(may_insert(hash, hint(id)), id <= room);
    uint64_t bytes = atomic_load(&mem.bytes);
    for (uint32_t id = 1; id <= 2000; id++)
        assert_false(may_insert(hash, hint(room + id)));
    assert_int_equal(atomic_load(&mem.bytes), bytes); /* it does not grow in vain */
    assert_int_equal(find(hash, hits), SHARE_TABLE_HITS);
    for (uint32_t id = 1; id <= room; id++) {
        assert_true(share_table_holds(&table, hash, 36, hint(id)));
        assert_true(share_table_remove(&table, hash, 26, hint(id)));
        assert_false(share_table_remove(&table, hash, 26, hint(id)));
    }
    assert_int_equal(share_table_entries(&table), 0);
}

/* Keys that are equal in their first bits have one home, and many second rows: most find room, and
 * all that do are found. */
static void a_flood_of_13_bits_spreads(void **state)
{
    (void)state;
    const uint32_t count = 100000;
    bool *in = calloc(count + 1, sizeof *in);
    uint32_t inserted = 0;
    assert_non_null(in);
    for (uint32_t id = 1; id <= count; id++)
        inserted += in[id] = may_insert(hash_of(id) >> 13, hint(id));
    print_message("%u of %u found room\n", inserted, count);
    assert_true(inserted > count / 10 * 9);
    for (uint32_t id = 1; id <= count; id++)
        assert_int_equal(holds(hash_of(id) >> 13, hint(id)), in[id]);
    for (uint32_t id = 1; id <= count; id++)
        assert_int_equal(share_table_remove(&table, hash_of(id) >> 13, 26, hint(id)), in[id]);
    assert_int_equal(share_table_strays(&table), 0);
    free(in);
}

/* Chains that are full, and overlap when the array has another size: some entries then stand where
 * no look goes. They are entries all the same. */
static void strays_can_be_replaced_and_removed(void **state)
{
    (void)state;
    const uint32_t chains = 40, each = SHARE_LOOK_BUCKETS * SHARE_TABLE_SLOTS;
    const uint64_t below = ~UINT64_C(0) >> 26, top6 = UINT64_C(63) << 58;
    uint32_t in[40 * 64], count = 0, found = 0;
    uint64_t hash[40 * 64];
    for (uint32_t id = 1; id <= chains * each; id++) {
        hash[count] = (hash_of(id % chains) & ~below & ~top6) | (hash_of(id) & below);
        if (may_insert(hash[count], hint(id)))
            in[count++] = id;
    }
    for (uint32_t id = 100000; id <= 110000; id++) /* the partition grows, and grows again */
        may_insert(hash_of(id) & ~top6, hint(id));
    assert_true(share_table_is_valid(&table));
    assert_true(count > chains * each / 2 && share_table_strays(&table) > 0);
    for (uint32_t i = 0; i < count; i++) {
        found += holds(hash[i], hint(in[i]));
        assert_true(share_table_holds(&table, hash[i], 36, hint(in[i])));
        struct share_partition *part = share_table_lock(&table, hash[i]);
        assert_true(share_table_replace(part, hash[i], hint(in[i]), frame(in[i])));
        share_table_unlock(part);
        assert_true(share_table_remove(&table, hash[i], 26, frame(in[i])));
    }
    assert_true(found >= count - share_table_strays(&table));
}

/* Of a hint's hash, 26 bits are kept beside its page. */
static void removal_needs_26_bits_or_6(void **state)
{
    (void)state;
    for (uint32_t id = 1; id <= 5000; id++)
        must_insert(hash_of(id), id % 2 ? hint(id) : frame(id));
    for (uint32_t id = 1; id <= 5000; id++) {
        struct share_hit entry = id % 2 ? hint(id) : frame(id);
        uint64_t top26 = hash_of(id) >> 38 << 38, garbage = hash_of(id + 1) >> 26;
        assert_false(share_table_remove(&table, top26, 26, id % 2 ? frame(id) : hint(id)));
        if (id % 100 == 0)
            assert_true(share_table_remove_anywhere(&table, entry));
        else
            assert_true(share_table_remove(&table, top26 | garbage, 26, entry));
        assert_false(share_table_holds(&table, hash_of(id), 36, entry));
        assert_false(holds(hash_of(id), entry));
    }
    assert_int_equal(share_table_entries(&table), 0);
    assert_false(share_table_remove_anywhere(&table, hint(1)));
}

static uint64_t walked, walked_sum;

static bool add_up(void *ctx, uint64_t hash, struct share_hit entry)
{
    (void)ctx;
    walked++;
    walked_sum += entry.id;
    assert_int_equal(entry.kind, SHARE_KIND_HINT);
    assert_true(hash == hash_of(entry.id) >> 28 << 28);
    return walked != 7777;
}

static void growth_loses_nothing_and_moves_little(void **state)
{
    (void)state;
    uint32_t count = 100000;
    for (uint32_t id = 1; id <= count; id++) {
        must_insert(hash_of(id), hint(id));
        uint32_t other = id / 2 + 1; /* in the middle of a move, too */
        assert_true(holds(hash_of(other), hint(other)));
    }
    for (uint32_t id = 1; id <= count; id++)
        assert_true(holds(hash_of(id), hint(id)));
    assert_int_equal(share_table_entries(&table), count);
    assert_true(share_table_moves(&table).max <= SHARE_TABLE_MOVES);
    assert_true(share_table_moves(&table).buckets > 0);
    walked = walked_sum = 0;
    assert_false(share_table_walk(&table, add_up, NULL)); /* stops where it is told to */
    assert_int_equal(walked, 7777);
    walked = walked_sum = 0;
    walked = 10000; /* past the stop */
    assert_true(share_table_walk(&table, add_up, NULL));
    assert_int_equal(walked, 10000 + count);
    assert_int_equal(walked_sum, (uint64_t)count * (count + 1) / 2);
}

/* What the table holds, at any number of entries, while it grows: old and new array counted. An
 * engine may hold 16 bytes a page and 32 KiB; a page's word and its share of the tree take 4.32. */
static void memory_follows_entries(void **state)
{
    (void)state;
    double worst = 0;
    uint32_t worst_at = 0;
    for (uint32_t id = 1; id <= 1500000; id++) {
        must_insert(hash_of(id), hint(id));
        double bytes = ((double)atomic_load(&mem.peak_bytes) - 32768) / id;
        if (bytes > worst) {
            worst = bytes;
            worst_at = id;
        }
    }
    print_message("at worst %.2f bytes an entry, at %u entries\n", worst, worst_at);
    assert_true(worst < 16 - 4.32);
}

static void shrinks_after_removals(void **state)
{
    (void)state;
    uint32_t count = 200000, kept = 2000;
    for (uint32_t id = 1; id <= count; id++)
        must_insert(hash_of(id), hint(id));
    uint64_t full = atomic_load(&mem.bytes);
    for (uint32_t id = kept + 1; id <= count; id++) {
        assert_true(share_table_remove(&table, hash_of(id), 26, hint(id)));
        assert_true(share_table_reserve(&table));
    }
    /* It shrinks a step at a time, while entries come and go. */
    for (uint32_t id = count + 1; id <= 8 * count; id++) {
        must_insert(hash_of(id), hint(id));
        assert_true(share_table_remove(&table, hash_of(id), 36, hint(id)));
    }
    assert_true(atomic_load(&mem.bytes) < full / 4);
    for (uint32_t id = 1; id <= kept; id++)
        assert_true(holds(hash_of(id), hint(id)));
    assert_int_equal(share_table_entries(&table), kept);
}

/* At one size for ever, spill bits wear: a rebuild must bring lookups back to one bucket or so. */
static void churn_does_not_wear_it(void **state)
{
    (void)state;
    uint32_t live = 20000;
    for (uint32_t id = 1; id <= live; id++)
        must_insert(hash_of(id), hint(id));
    uint64_t bytes = atomic_load(&mem.bytes);
    for (uint32_t id = live + 1; id <= 40 * live; id++) {
        must_insert(hash_of(id), hint(id));
        assert_true(share_table_remove(&table, hash_of(id - live), 26, hint(id - live)));
    }
    assert_true(atomic_load(&mem.bytes) < 2 * bytes);
    uint64_t spilled = 0, buckets = 0;
    for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++)
        for (uint32_t b = 0; b < table.partition[p].now.buckets; b++, buckets++)
            for (unsigned i = 0; i < SHARE_TABLE_SLOTS; i++)
                spilled += (table.partition[p].now.bucket[b].tag[i] & SHARE_TAG_SPILL) != 0;
    assert_true(spilled * 100 < buckets * SHARE_TABLE_SLOTS * 90); /* chains end */
}

static void refused_memory_fills_it_and_no_more(void **state)
{
    (void)state;
    uint32_t id = 1;
    for (; id <= 3000; id++)
        must_insert(hash_of(id), hint(id));
    uint32_t before = id;
    metadata.fail_at = 1;
    metadata.fail_count = UINT64_MAX / 2;
    uint32_t refused = 0;
    bool in[10000] = {false};
    for (; id < 10000; id++) {
        share_table_reserve(&table);
        in[id] = insert(hash_of(id), hint(id));
        refused += !in[id];
    }
    assert_true(refused > 0);
    assert_false(share_table_reserve(&table));
    for (uint32_t i = 1; i < 10000; i++)
        assert_int_equal(holds(hash_of(i), hint(i)), i < before || in[i]);
    metadata.fail_count = 0;
    for (uint32_t i = before; i < 10000; i++)
        if (!in[i])
            must_insert(hash_of(i), hint(i));
    for (uint32_t i = 1; i < 10000; i++)
        assert_true(holds(hash_of(i), hint(i)));
}

/* A key that spilled is found though its home has room again, and sought though few of its bits are
 * known. */
static void a_spilled_key_is_found_behind_a_free_slot(void **state)
{
    (void)state;
    const uint64_t hash = 0x1230000000000000, step = UINT64_C(1) << 28; /* the lowest bit kept */
    struct share_hit hits[SHARE_TABLE_HITS];
    bool inserted;
    for (uint32_t id = 1; id <= 9; id++) /* one more than a bucket takes */
        must_insert(hash + id * step, hint(id));
    assert_true(share_table_remove(&table, hash + step, 36, hint(1)));
    struct share_partition *part = share_table_lock(&table, hash);
    unsigned count =
        share_table_find_or_insert(&table, part, hash + 9 * step, hint(10), hits, &inserted);
    share_table_unlock(part);
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].id, 9);
    assert_false(inserted);
    assert_true(share_table_remove(&table, hash, 16, hint(9)));
    assert_int_equal(share_table_entries(&table), 7);
}

static unsigned find_or_insert(uint64_t hash, struct share_hit entry, struct share_hit *found,
                               bool *inserted)
{
    struct share_hit hits[SHARE_TABLE_HITS] = {{.id = 0}};
    assert_true(share_table_reserve(&table));
    struct share_partition *part = share_table_lock(&table, hash);
    unsigned count = share_table_find_or_insert(&table, part, hash, entry, hits, inserted);
    share_table_unlock(part);
    *found = hits[0];
    return count;
}

/* In one walk: found, or put there. As long as nothing is like it, once and in either array: there
 * are enough entries that partitions have two for a while. */
static void found_or_inserted(void **state)
{
    (void)state;
    const uint32_t count = 4 * SHARE_TABLE_MOVES * SHARE_TABLE_SLOTS * SHARE_TABLE_PARTITIONS;
    for (uint32_t id = 1; id <= count; id++) {
        struct share_hit hit;
        bool inserted, is_new = id == 1 || id % 2 == 0; /* each hash comes twice: new, then found */
        assert_int_equal(find_or_insert(hash_of(id / 2), hint(id), &hit, &inserted), !is_new);
        assert_int_equal(inserted, is_new);
        if (!is_new)
            assert_int_equal(hit.id, id - 1);
        /* And one that came long ago. */
        assert_int_equal(find_or_insert(hash_of(id / 4), hint(count + 1), &hit, &inserted), 1);
        assert_false(inserted);
        assert_int_equal(hit.id, id < 4 ? 1 : id / 4 * 2);
    }
    assert_int_equal(share_table_entries(&table), count / 2 + 1);
}

static bool insert_near(uint64_t hash, struct share_hit entry)
{
    struct share_partition *part = share_table_lock(&table, hash);
    bool done = share_table_insert_near(&table, part, hash, entry);
    share_table_unlock(part);
    return done;
}

/* Two buckets tell of most hashes that they are new: such an entry is found like any other, and
 * none is put beside one of its hash, not even where removals have left room before it. */
static void most_are_inserted_near(void **state)
{
    (void)state;
    const uint32_t entries = 20000;
    unsigned near = 0;
    for (uint32_t id = 1; id <= entries; id++) {
        assert_true(share_table_reserve(&table));
        if (insert_near(hash_of(id), hint(id)))
            near++;
        else
            must_insert(hash_of(id), hint(id));
    }
    assert_true(near > entries / 2 && near < entries);
    for (uint32_t id = 1; id <= entries; id++) {
        assert_true(holds(hash_of(id), hint(id)));
        assert_false(insert_near(hash_of(id), hint(id + entries)));
    }
    for (uint32_t id = 3; id <= entries; id += 3)
        assert_true(share_table_remove(&table, hash_of(id), 36, hint(id)));
    for (uint32_t id = 1; id <= entries; id++)
        if (id % 3)
            assert_false(insert_near(hash_of(id), hint(id + entries)));
}

/* Full, and no memory: neither found nor inserted, and the next reserve mends it. */
static void room_may_be_refused(void **state)
{
    (void)state;
    metadata.fail_at = 1;
    metadata.fail_count = UINT64_MAX / 2;
    struct share_hit hits[SHARE_TABLE_HITS];
    unsigned refused = 0;
    for (uint32_t id = 1; id <= 5000; id++) {
        bool inserted;
        struct share_partition *part = share_table_lock(&table, hash_of(id));
        unsigned count =
            share_table_find_or_insert(&table, part, hash_of(id), hint(id), hits, &inserted);
        share_table_unlock(part);
        assert_int_equal(count, 0);
        assert_int_equal(inserted, holds(hash_of(id), hint(id)));
        refused += !inserted;
    }
    assert_true(refused > 0);
    metadata.fail_count = 0;
    must_insert(hash_of(5001), hint(5001));
}

/* A table that was told how much to expect holds it without growing, in memory like a grown one's.
 */
static void expected_entries_need_no_growth(void **state)
{
    (void)state;
    const uint32_t expected = 300000;
    share_table_fini(&table);
    memset(&table, 0, sizeof table);
    assert_true(share_table_init(&table, &mem, expected));
    assert_true(atomic_load(&mem.bytes) < expected * UINT64_C(12));
    for (uint32_t id = 1; id <= expected; id++)
        must_insert(hash_of(id), hint(id));
    assert_int_equal(share_table_moves(&table).buckets, 0);
    for (uint32_t id = expected + 1; id <= 2 * expected; id++)
        must_insert(hash_of(id), hint(id));
    assert_true(share_table_moves(&table).buckets > 0);
    for (uint32_t id = 1; id <= 2 * expected; id++)
        assert_true(holds(hash_of(id), hint(id)));
}

static void prefetch_harms_nothing(void **state)
{
    (void)state;
    for (uint32_t id = 1; id <= 1000; id++) {
        share_table_prefetch(&table, hash_of(id));
        share_table_prefetch_partition(&table, hash_of(id));
    }
    share_table_prefetch(&table, ~UINT64_C(0));
    share_table_prefetch_partition(&table, ~UINT64_C(0));
}

static void what_cannot_be_found_is_not_valid(void **state)
{
    (void)state;
    uint64_t hash = UINT64_C(5) << 30; /* nine of one key: the last one spills */
    for (uint32_t id = 1; id <= SHARE_TABLE_SLOTS + 1; id++)
        must_insert(hash, hint(id));
    struct share_partition *part = &table.partition[share_table_partition(hash)];
    struct share_bucket *home =
        &part->now.bucket[share_array_home(&part->now, share_table_key(hash))];
    uint32_t *spill = &home->tag[share_key_class(share_table_key(hash))];
    assert_true(share_bucket_is_valid(home) && share_partition_is_valid(part));
    *spill &= ~SHARE_TAG_SPILL;
    assert_false(share_table_is_valid(&table));
    *spill |= SHARE_TAG_SPILL;
    part->entries++;
    assert_false(share_table_is_valid(&table));
    part->entries--;
    share_bucket_clear(home, 0);
    home->tag[0] |= SHARE_TAG_KIND; /* says of an empty slot that a frame stands there */
    assert_false(share_bucket_is_valid(home));
    home->tag[0] &= ~SHARE_TAG_KIND;
    part->entries--;
}

static void contents_are_told_apart_by_36_bits(void **state)
{
    const uint64_t hash = UINT64_C(0x123456789abcdef0);
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(share_entry_hash_equal(hash, hash ^ UINT64_C(1) << bit), bit < 28);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_are_found_by_36_bits),
        TEST(hash_zero_is_a_hash),
        TEST(a_hint_becomes_a_frame),
        TEST(many_of_one_hash_spill),
        TEST(a_flood_of_13_bits_spreads),
        TEST(strays_can_be_replaced_and_removed),
        TEST(removal_needs_26_bits_or_6),
        TEST(growth_loses_nothing_and_moves_little),
        TEST(memory_follows_entries),
        TEST(shrinks_after_removals),
        TEST(churn_does_not_wear_it),
        TEST(refused_memory_fills_it_and_no_more),
        TEST(a_spilled_key_is_found_behind_a_free_slot),
        TEST(found_or_inserted),
        TEST(most_are_inserted_near),
        TEST(room_may_be_refused),
        TEST(expected_entries_need_no_growth),
        TEST(what_cannot_be_found_is_not_valid),
        TEST(prefetch_harms_nothing),
        cmocka_unit_test(contents_are_told_apart_by_36_bits),
    };
    return RUN(tests);
}
