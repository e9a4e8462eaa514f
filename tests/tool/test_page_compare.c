/* SPDX-License-Identifier: MIT */
/* Pairs of pages: one byte that differs, at any place, is seen in the right pair; and each kind of
 * vectors says the same. */
#include "page_compare.h"
#include "page_hash.h"
#include "source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SKEW = 3 }; /* bytes: pages of a dump may lie anywhere */

static uint8_t pages[2][PAGE_PAIRS][DS_PAGE_SIZE + SKEW];
static const uint8_t *a[PAGE_PAIRS], *b[PAGE_PAIRS];

static int fill(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAGE_PAIRS; i++) {
        a[i] = pages[0][i];
        b[i] = pages[1][i] + SKEW;
        for (size_t at = 0; at < DS_PAGE_SIZE; at++)
            pages[0][i][at] = pages[1][i][at + SKEW] = (uint8_t)(at * 31 + i);
    }
    return 0;
}

/* By every variant that this machine has. */
static void check(unsigned pairs, unsigned expected)
{
    assert_int_equal(page_compare(a, b, pairs), expected);
    if (pairs < PAGE_PAIRS)
        return;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        assert_int_equal(page_compare_avx2(a, b), expected);
    if (__builtin_cpu_supports("avx512f"))
        assert_int_equal(page_compare_avx512(a, b), expected);
#endif
}

static void each_byte_counts(void **state)
{
    (void)state;
    for (unsigned pairs = 1; pairs <= PAGE_PAIRS; pairs++) {
        check(pairs, 0);
        for (unsigned i = 0; i < pairs; i++)
            for (size_t at = 0; at < DS_PAGE_SIZE; at++) {
                pages[1][i][at + SKEW] ^= 0x80;
                check(pairs, 1u << i);
                pages[1][i][at + SKEW] ^= 0x80;
            }
    }
    pages[0][1][7] ^= 1;
    pages[0][5][4095] ^= 1;
    check(PAGE_PAIRS, 1u << 1 | 1u << 5);
    pages[0][1][7] ^= 1;
    pages[0][5][4095] ^= 1;
}

static void variants_hash_alike(void **state)
{
    (void)state;
#if defined(__x86_64__)
    struct page_key key;
    page_key_init(&key);
    struct page_hash one = page_hash(&key, a[0]), other = page_hash_sse2(b[0], key.bytes);
    assert_memory_equal(&one, &other, sizeof one);
    if (__builtin_cpu_supports("avx2")) {
        other = page_hash_avx2(b[0], key.bytes);
        assert_memory_equal(&one, &other, sizeof one);
    }
#endif
}

static void keys(void **state)
{
    (void)state;
    struct page_key known, again, drawn;
    page_key_init(&known);
    page_key_init(&again);
    assert_true(page_key_draw(&drawn));
    assert_memory_equal(known.bytes, again.bytes, sizeof known.bytes);
    assert_memory_not_equal(known.bytes, drawn.bytes, sizeof known.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_counts),
        cmocka_unit_test(variants_hash_alike),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
