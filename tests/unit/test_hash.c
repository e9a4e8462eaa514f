/* SPDX-License-Identifier: MIT */
#include "hash.h"
#include "random.h"
#include "test.h"

static unsigned char page[SHARE_PAGE_SIZE + 8];

static void zero_hash_is_that_of_the_zero_page(void **state)
{
    (void)state;
    struct share_secret secret;
    memset(page, 0, sizeof page);
    share_secret_init(&secret, 3, 5, ~UINT64_C(0));
    assert_true(secret.zero_hash == share_hash_stable(&secret, page));
    assert_true(secret.zero_hash == share_hash_look(&secret, page));
    page[SHARE_PAGE_SIZE - 1] = 1;
    assert_true(secret.zero_hash != share_hash_stable(&secret, page));
    page[SHARE_PAGE_SIZE - 1] = 0;
    page[SHARE_PAGE_SIZE] = 1; /* no longer the page */
    assert_true(secret.zero_hash == share_hash_stable(&secret, page));
}

static void secrets_depend_on_salt_and_group_alone(void **state)
{
    (void)state;
    struct share_secret a, b;
    share_secret_init(&a, 1, 2, ~UINT64_C(0));
    share_secret_init(&b, 1, 2, ~UINT64_C(0));
    assert_memory_equal(a.bytes, b.bytes, sizeof a.bytes);
    share_secret_init(&b, 1, 3, ~UINT64_C(0));
    assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
    assert_true(a.zero_hash != b.zero_hash);
    share_secret_init(&b, 2, 2, ~UINT64_C(0));
    assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
    assert_true(a.zero_hash != b.zero_hash);
}

static void every_byte_counts_at_any_alignment(void **state)
{
    (void)state;
    struct share_secret secret;
    uint64_t random = 1;
    share_secret_init(&secret, 0, 0, ~UINT64_C(0));
    for (size_t i = 0; i < sizeof page; i++)
        page[i] = (unsigned char)random_next(&random);
    for (size_t offset = 0; offset < 8; offset++) {
        uint64_t before = share_hash_look(&secret, page + offset);
        for (size_t i = 0; i < SHARE_PAGE_SIZE; i += 7) {
            page[offset + i] ^= 1;
            assert_true(share_hash_look(&secret, page + offset) != before);
            page[offset + i] ^= 1;
        }
        assert_true(share_hash_stable(&secret, page + offset) == before);
    }
}

static void the_mask_weakens(void **state)
{
    (void)state;
    struct share_secret strong, weak;
    share_secret_init(&strong, 0, 0, ~UINT64_C(0));
    share_secret_init(&weak, 0, 0, 0xf0);
    assert_true(share_hash_look(&weak, page) == (share_hash_look(&strong, page) & 0xf0));
    assert_true(weak.zero_hash == (strong.zero_hash & 0xf0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_hash_is_that_of_the_zero_page),
        cmocka_unit_test(secrets_depend_on_salt_and_group_alone),
        cmocka_unit_test(every_byte_counts_at_any_alignment),
        cmocka_unit_test(the_mask_weakens),
    };
    return RUN(tests);
}
