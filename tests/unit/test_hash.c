/* SPDX-License-Identifier: MIT */
#include "hash.h"
#include "random.h"
#include "test.h"
#include <xxhash.h>

static unsigned char page[SHARE_PAGE_SIZE + 8];

enum content { ZEROS, ONES, COUNT, RANDOM, CONTENTS };

static void fill(enum content content)
{
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof page; i++)
        page[i] = content == ZEROS   ? 0
                  : content == ONES  ? 0xff
                  : content == COUNT ? (unsigned char)i
                                     : (unsigned char)random_next(&random);
}

/* What libxxhash's own functions say, XXH3_generateSecret and XXH3_64bits_withSecret. */
static const struct vector {
    uint64_t salt;
    share_group group;
    uint64_t hash[CONTENTS];
} vectors[] = {
    {0,
     0,
     {UINT64_C(0x77fe7e0e00fecf31), UINT64_C(0x9229635b71d8e1a2), UINT64_C(0x386a9b63411d5852),
      UINT64_C(0xfeae50ab21ba4d14)}},
    {1,
     2,
     {UINT64_C(0x360ea5e59dd802e9), UINT64_C(0x2f43ee4c817023ec), UINT64_C(0xa261bce436065420),
      UINT64_C(0x4d1aef82b2b231c5)}},
    {UINT64_C(0x123456789abcdef),
     65535,
     {UINT64_C(0x9a94ad9db52982d6), UINT64_C(0x5ccd5b550fae57c7), UINT64_C(0x3463c45bfb24aade),
      UINT64_C(0xf718510123a3b63d)}},
    {UINT64_MAX,
     7,
     {UINT64_C(0xf02e402993167e12), UINT64_C(0x142534971f7e7a8a), UINT64_C(0xafef7c3a40cbfe29),
      UINT64_C(0x9d7c8e3947e33ba3)}},
};

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

static void every_variant_agrees_with_the_vectors(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
        struct share_secret secret;
        share_secret_init(&secret, vectors[v].salt, vectors[v].group, ~UINT64_C(0));
        for (unsigned content = 0; content < CONTENTS; content++) {
            share_hash_fn hash;
            fill((enum content)content);
            for (unsigned i = 0; (hash = share_hash_variant(i)); i++)
                assert_int_equal(hash(page, secret.bytes), vectors[v].hash[content]);
        }
    }
}

static void every_variant_agrees_with_libxxhash(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (unsigned round = 0; round < 200; round++) {
        unsigned char secret[SHARE_SECRET_NBYTES + 8];
        unsigned char *from = page + round % 8, *key = secret + round / 8 % 8;
        share_hash_fn hash;
        for (size_t i = 0; i < sizeof page; i++)
            page[i] = (unsigned char)random_next(&random);
        for (size_t i = 0; i < sizeof secret; i++)
            secret[i] = (unsigned char)random_next(&random);
        uint64_t right = XXH3_64bits_withSecret(from, SHARE_PAGE_SIZE, key, SHARE_SECRET_NBYTES);
        for (unsigned i = 0; (hash = share_hash_variant(i)); i++)
            assert_int_equal(hash(from, key), right);
    }
}

static void scalar_is_the_last_variant_and_the_first_one_is_used(void **state)
{
    (void)state;
    struct share_secret secret;
    unsigned variants = 0;
    while (share_hash_variant(variants))
        variants++;
    assert_true(variants >= 2);
    assert_true(share_hash_variant(variants - 1) == share_hash_scalar);
    share_secret_init(&secret, 0, 0, ~UINT64_C(0));
    assert_true(secret.hash == share_hash_variant(0));
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
        cmocka_unit_test(every_variant_agrees_with_the_vectors),
        cmocka_unit_test(every_variant_agrees_with_libxxhash),
        cmocka_unit_test(scalar_is_the_last_variant_and_the_first_one_is_used),
        cmocka_unit_test(the_mask_weakens),
    };
    return RUN(tests);
}
