/* SPDX-License-Identifier: MIT */
/* A bucket's tags: which slots a key may stand in. */
#include "bucket.h"
#include "test.h"

static void tags_are_compared_bit_by_bit(void **state)
{
    const uint32_t key = UINT32_C(0x15555555); /* of 30 bits */
    (void)state;
    for (unsigned slot = 0; slot < SHARE_TABLE_SLOTS; slot++) {
        struct share_bucket bucket = {.tag = {0}};
        share_bucket_put(&bucket, slot, key, (struct share_hit){SHARE_KIND_HINT, 1});
        assert_int_equal(share_bucket_slots(&bucket, key).matches, 1u << slot);
        for (unsigned bit = 0; bit < 30; bit++)
            assert_int_equal(share_bucket_slots(&bucket, key ^ UINT32_C(1) << bit).matches, 0);
    }
}

static void an_empty_slot_has_no_key(void **state)
{
    struct share_bucket bucket = {.tag = {0, SHARE_TAG_SPILL, 0}};
    (void)state;
    assert_true(share_bucket_is_valid(&bucket));
    bucket.tag[1] |= 1u << SHARE_TAG_KEY_SHIFT;
    assert_false(share_bucket_is_valid(&bucket));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_compared_bit_by_bit),
        cmocka_unit_test(an_empty_slot_has_no_key),
    };
    return RUN(tests);
}
