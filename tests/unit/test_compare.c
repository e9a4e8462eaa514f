/* SPDX-License-Identifier: MIT */
#include "compare.h"
#include "random.h"
#include "test.h"
#include <sys/mman.h>

#define PAIRS SHARE_COMPARE_MAX

static unsigned char a[PAIRS][SHARE_PAGE_SIZE + 1], b[PAIRS][SHARE_PAGE_SIZE + 1];

static void fill(void)
{
    uint64_t random = 1;
    for (size_t i = 0; i < PAIRS; i++)
        for (size_t at = 0; at < sizeof a[i]; at++)
            a[i][at] = (unsigned char)random_next(&random);
    memcpy(b, a, sizeof b);
}

/* One differing byte at a time, everywhere, in each place of a vector of each length. */
static void every_byte_counts(share_compare_fn compare)
{
    struct share_pair pairs[PAIRS];
    fill();
    for (unsigned count = 1; count <= PAIRS; count++)
        for (size_t at = 0; at < SHARE_PAGE_SIZE; at += count == 1 ? 1 : 61) {
            unsigned differs = (unsigned)at % count;
            b[differs][1 + at] ^= 0x80;
            for (unsigned i = 0; i < count; i++) /* not aligned, and not alike */
                pairs[i] = (struct share_pair){a[i] + 1, b[i] + 1, i == differs, NULL};
            compare(pairs, count);
            for (unsigned i = 0; i < count; i++)
                assert_int_equal(pairs[i].equal, i != differs);
            b[differs][1 + at] ^= 0x80;
        }
}

/* Any set of equal and different pairs, different at random places; what is fetched meanwhile is
 * never read. */
static void pairs_do_not_mix(share_compare_fn compare)
{
    struct share_pair pairs[PAIRS];
    uint64_t random = 2;
    void *none = mmap(NULL, SHARE_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(none != MAP_FAILED);
    for (unsigned round = 0; round < 2000; round++) {
        fill();
        uint32_t differ = random_to(&random, 1u << PAIRS);
        for (unsigned i = 0; i < PAIRS; i++) {
            b[i][random_to(&random, SHARE_PAGE_SIZE)] ^= (unsigned char)(differ >> i & 1);
            pairs[i] = (struct share_pair){a[i], b[i], false, i % 2 ? none : a[0]};
        }
        compare(pairs, PAIRS);
        for (unsigned i = 0; i < PAIRS; i++)
            assert_int_equal(pairs[i].equal, !(differ >> i & 1));
    }
    munmap(none, SHARE_PAGE_SIZE);
}

static void all_variants(void **state)
{
    (void)state;
    unsigned variants = 0;
    for (share_compare_fn compare; (compare = share_compare_variant(variants)); variants++) {
        every_byte_counts(compare);
        pairs_do_not_mix(compare);
        compare(NULL, 0);
    }
    assert_true(variants > 0);
}

static void zero_is_every_byte(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 2; offset++) {
        unsigned char *page = a[0] + offset;
        memset(a[0], 0, sizeof a[0]);
        assert_true(share_page_is_zero(page));
        for (size_t at = 0; at < SHARE_PAGE_SIZE; at++) {
            page[at] = 1;
            assert_false(share_page_is_zero(page));
            page[at] = 0;
        }
    }
    memset(a[0], 7, sizeof a[0]); /* equal to itself moved by a line, but not zero */
    assert_false(share_page_is_zero(a[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variants),
        cmocka_unit_test(zero_is_every_byte),
    };
    return RUN(tests);
}
