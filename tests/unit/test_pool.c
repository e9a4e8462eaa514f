/* SPDX-License-Identifier: MIT */
#include "metadata.h"
#include "pool.h"
#include "test.h"

struct item {
    _Atomic uint32_t link;
    uint32_t value;
};

static struct metadata metadata;
static struct share_mem mem;
static struct share_pool pool;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    share_mem_init(&mem, &metadata.alloc);
    share_pool_init(&pool, &mem, sizeof(struct item), 2, 1000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    share_pool_fini(&pool);
    assert_int_equal(metadata.blocks, 0);
    assert_int_equal(atomic_load(&mem.bytes), 0);
    return 0;
}

static uint32_t take(void)
{
    assert_true(share_pool_reserve(&pool, 1));
    return share_pool_take(&pool);
}

static void ids_are_dense_and_objects_stay(void **state)
{
    (void)state;
    struct item *first = NULL;
    for (uint32_t id = 1; id <= 1000; id++) {
        assert_int_equal(take(), id);
        struct item *item = share_pool_at(&pool, id);
        item->value = id;
        if (id == 1)
            first = item;
        assert_int_equal(share_pool_end(&pool), id + 1);
    }
    assert_ptr_equal(first, share_pool_at(&pool, 1)); /* the directory grew many times */
    for (uint32_t id = 1; id <= 1000; id++)
        assert_int_equal(((struct item *)share_pool_at(&pool, id))->value, id);
}

static void what_is_put_back_is_taken_again(void **state)
{
    (void)state;
    for (uint32_t id = 1; id <= 10; id++)
        take();
    share_pool_put(&pool, 3);
    share_pool_put(&pool, 7);
    assert_int_equal(take(), 7);
    assert_int_equal(take(), 3);
    assert_int_equal(take(), 11);
}

static void it_ends_at_items_max(void **state)
{
    (void)state;
    assert_true(share_pool_reserve(&pool, 1000));
    assert_false(share_pool_reserve(&pool, 1));
    for (uint32_t id = 1; id <= 1000; id++)
        share_pool_take(&pool);
    assert_false(share_pool_reserve(&pool, 1));
    share_pool_put(&pool, 500);
    assert_true(share_pool_reserve(&pool, 1));
    assert_int_equal(share_pool_take(&pool), 500);
}

static void a_promise_is_kept_and_given_back(void **state)
{
    (void)state;
    assert_true(share_pool_reserve(&pool, 990));
    assert_false(share_pool_reserve(&pool, 11)); /* promised to somebody else */
    share_pool_unreserve(&pool, 1);
    assert_true(share_pool_reserve(&pool, 11));
    metadata.fail_at = 1; /* what is promised needs no memory */
    metadata.fail_count = UINT64_MAX / 2;
    for (uint32_t id = 1; id <= 1000; id++)
        share_pool_take(&pool);
}

static void refused_memory_changes_nothing(void **state)
{
    (void)state;
    take();
    for (unsigned k = 1; k < 20; k++) {
        metadata.fail_at = metadata.calls + k;
        metadata.fail_count = 1;
        if (share_pool_reserve(&pool, 40)) {
            share_pool_unreserve(&pool, 40);
            break;
        }
        assert_true(share_pool_reserve(&pool, 3)); /* the first slab had four */
        share_pool_unreserve(&pool, 3);
    }
    assert_int_equal(take(), 2);
}

static void its_counts_are_checked(void **state)
{
    (void)state;
    take();
    assert_true(share_pool_is_valid(&pool));
    pool.free_count += 2; /* now more are free than there are */
    assert_false(share_pool_is_valid(&pool));
    pool.free_count -= 3;
    assert_false(share_pool_is_valid(&pool)); /* and now fewer than were never taken */
    pool.free_count++;
    pool.reserved = pool.free_count + 1;
    assert_false(share_pool_is_valid(&pool));
    pool.reserved = 0;
}

static void an_uneven_maximum_holds(void **state)
{
    (void)state;
    struct share_pool small;
    share_pool_init(&small, &mem, sizeof(struct item), 4, 5);
    assert_true(share_pool_reserve(&small, 5));
    assert_false(share_pool_reserve(&small, 1));
    share_pool_fini(&small);
}

/* A slab goes when nothing of it is taken, but for a reserve, and its numbers are used again. */
static void empty_slabs_are_given_back(void **state)
{
    (void)state;
    bool taken[41] = {false};
    for (uint32_t id = 1; id <= 40; id++) { /* ten slabs of four */
        assert_int_equal(take(), id);
        ((struct item *)share_pool_at(&pool, id))->value = id;
    }
    uint64_t blocks = metadata.blocks;
    for (uint32_t id = 5; id <= 36; id++)
        share_pool_put(&pool, id);
    assert_int_equal(metadata.blocks, blocks - 7);
    assert_int_equal(share_pool_taken(&pool), 8);
    assert_true(share_pool_is_valid(&pool));
    assert_int_equal(share_pool_end(&pool), 41);
    for (uint32_t id = 1; id <= 40; id += id == 4 ? 33 : 1)
        assert_int_equal(((struct item *)share_pool_at(&pool, id))->value, id);
    for (uint32_t i = 5; i <= 36; i++) {
        uint32_t id = take();
        assert_true(id >= 5 && id <= 36 && !taken[id]);
        taken[id] = true;
    }
    assert_int_equal(take(), 41);
}

static void what_is_promised_is_not_given_back(void **state)
{
    (void)state;
    for (uint32_t id = 1; id <= 40; id++)
        assert_int_equal(take(), id);
    assert_true(share_pool_reserve(&pool, 1));
    uint64_t blocks = metadata.blocks;
    for (uint32_t id = 1; id <= 40; id++)
        share_pool_put(&pool, id);
    assert_true(metadata.blocks < blocks);
    metadata.fail_at = 1;
    metadata.fail_count = UINT64_MAX / 2;
    share_pool_take(&pool);
    assert_true(share_pool_reserve(&pool, 4)); /* the reserve */
    for (uint32_t i = 0; i < 4; i++)
        share_pool_take(&pool);
}

static void kept_slabs_stay(void **state)
{
    (void)state;
    pool.keeps = true;
    for (uint32_t id = 1; id <= 40; id++)
        assert_int_equal(take(), id);
    uint64_t blocks = metadata.blocks;
    for (uint32_t id = 1; id <= 40; id++)
        share_pool_put(&pool, id);
    assert_int_equal(metadata.blocks, blocks);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ids_are_dense_and_objects_stay),
        TEST(what_is_put_back_is_taken_again),
        TEST(it_ends_at_items_max),
        TEST(a_promise_is_kept_and_given_back),
        TEST(refused_memory_changes_nothing),
        TEST(an_uneven_maximum_holds),
        TEST(its_counts_are_checked),
        TEST(empty_slabs_are_given_back),
        TEST(what_is_promised_is_not_given_back),
        TEST(kept_slabs_stay),
    };
    return RUN(tests);
}
