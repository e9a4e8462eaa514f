/* SPDX-License-Identifier: MIT */
/* Growth of the table: when an array comes, is emptied, and goes. */
#include "grow.h"
#include "metadata.h"
#include "test.h"

static struct metadata metadata;
static struct share_mem mem;
static struct share_table table;

static void new_table(void)
{
    metadata_init(&metadata);
    share_mem_init(&mem, &metadata.alloc);
    memset(&table, 0, sizeof table);
    assert_true(share_table_init(&table, &mem, 0));
}

static void end_table(void)
{
    assert_true(share_table_is_valid(&table));
    share_table_fini(&table);
    assert_int_equal(metadata.blocks, 0);
}

/* Entries for partition 0, until it waits for a larger array. Their number. */
static uint32_t fill_partition(void)
{
    uint32_t count = 0;
    struct share_partition *part = share_table_lock(&table, 0);
    while (!share_table_is_full(part)) {
        uint64_t hash = count * UINT64_C(0x9e3779b97f4a7c15) >> SHARE_PARTITION_BITS;
        (void)!share_table_insert(&table, part, hash, (struct share_hit){SHARE_KIND_HINT, ++count});
    }
    share_table_unlock(part);
    return count;
}

/* Without another insertion that asks for it. */
static void growth_that_was_refused_is_tried_again(void **state)
{
    (void)state;
    new_table();
    (void)fill_partition();
    metadata.fail_at = metadata.calls + 1;
    metadata.fail_count = 1;
    assert_false(share_table_reserve(&table));
    assert_int_equal(table.partition[0].old.buckets, 0);
    assert_true(share_table_reserve(&table));
    assert_int_not_equal(table.partition[0].old.buckets, 0);
    end_table();
}

/* A partition may ask for a larger array while its old one is being emptied. */
static void an_array_is_kept_until_it_is_empty(void **state)
{
    (void)state;
    new_table();
    (void)fill_partition();
    assert_true(share_table_reserve(&table));
    assert_int_not_equal(table.partition[0].old.buckets, 0);
    share_grow_want(&table, &table.partition[0]);
    assert_true(share_table_reserve(&table));
    end_table();
}

/* Also while the emptied array waits to be freed. */
static void buckets_that_were_moved_count_once(void **state)
{
    const struct share_hit absent = {SHARE_KIND_FRAME, 1};
    (void)state;
    new_table();
    (void)fill_partition();
    assert_true(share_table_reserve(&table));
    const struct share_partition *part = &table.partition[0];
    assert_int_not_equal(part->old.buckets, 0);
    while (part->move_next < part->old.buckets) /* each call moves some */
        assert_false(share_table_remove(&table, 0, SHARE_ENTRY_HASH_BITS, absent));
    assert_int_equal(share_table_moves(&table).buckets, part->old.buckets);
    end_table();
}

/* Six removals for each slot of each partition, with one entry at a time. */
static void removals_bring_new_buckets(void **state)
{
    (void)state;
    new_table();
    for (uint64_t i = 0; i < 6 * 24 * SHARE_TABLE_PARTITIONS; i++) {
        uint64_t hash = (i + 1) << (64 - SHARE_PARTITION_BITS) | i << 40;
        struct share_hit entry = {SHARE_KIND_HINT, (uint32_t)i + 1};
        struct share_partition *part = share_table_lock(&table, hash);
        assert_true(share_table_insert(&table, part, hash, entry));
        share_table_unlock(part);
        assert_true(share_table_remove(&table, hash, SHARE_ENTRY_HASH_BITS, entry));
        assert_true(share_table_reserve(&table));
    }
    assert_true(share_table_moves(&table).buckets >= SHARE_TABLE_PARTITIONS);
    end_table();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_that_was_refused_is_tried_again),
        cmocka_unit_test(an_array_is_kept_until_it_is_empty),
        cmocka_unit_test(buckets_that_were_moved_count_once),
        cmocka_unit_test(removals_bring_new_buckets),
    };
    return RUN(tests);
}
