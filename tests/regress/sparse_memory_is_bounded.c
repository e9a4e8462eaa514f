/* SPDX-License-Identifier: MIT */
/*
 * "At most 16 bytes a page looked at" did not hold where pages lie apart: a page alone among 64
 * cost up to a kilobyte, a tree's path of its own. share.h has another bound for these, and it
 * holds wherever pages lie.
 */
#include "generator.h"
#include "test.h"
#include <stdlib.h>

#define PAGES         4000u
#define CHUNK_PAGES   64u
#define A_CHUNK       576u /* share.h: where any of 64 pages was looked at */
#define A_PAGE        12u  /* and for each of them */
#define ENGINE_NBYTES 32768u

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)ctx;
    (void)vm;
    mpn->n = ppn.n; /* PPNs end below MPNs */
    return true;
}

static uint64_t distinct(uint64_t mpn)
{
    return mpn + 1;
}

static uint64_t mixed(uint64_t n)
{
    n = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (n ^ n >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
}

enum layout { APART, SCATTERED, PAIRS, LAYOUTS };

/* The i-th page; `bits`: how far apart, or over how much. */
static share_ppn page_of(enum layout layout, unsigned bits, uint64_t i)
{
    switch (layout) {
    case APART:
        return (share_ppn){i << bits};
    case SCATTERED:
        return (share_ppn){mixed(i) >> (64 - 12 - bits)};
    default: /* two that are far apart in the tree's lowest level, or next to each other */
        return (share_ppn){(i / 2) << bits | (i % 2 ? (UINT64_C(1) << bits) - 1 : 0)};
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t chunks_of(enum layout layout, unsigned bits)
{
    static uint64_t chunk[PAGES];
    uint64_t chunks = 0;
    for (unsigned i = 0; i < PAGES; i++)
        chunk[i] = page_of(layout, bits, i).n / CHUNK_PAGES;
    qsort(chunk, PAGES, sizeof *chunk, by_number);
    for (unsigned i = 0; i < PAGES; i++)
        chunks += i == 0 || chunk[i] != chunk[i - 1];
    return chunks;
}

static uint64_t peak_bytes(struct share *share)
{
    struct share_stats stats;
    share_stats(share, &stats);
    return stats.metadata_peak_bytes;
}

static void measure(struct generator *source, enum layout layout, unsigned bits)
{
    static struct share_ops ops;
    struct share_config config = {
        .struct_size = sizeof config, .ops = &ops, .ops_ctx = source, .flags = SHARE_IMMUTABLE};
    struct share_check_report report;
    struct share *share;
    share_vm vm;
    ops = generator_ops;
    ops.resolve = resolve;
    assert_int_equal(share_new(&config, &share), SHARE_OK);
    assert_int_equal(share_vm_add(share, 0, (share_ppn){0}, (share_ppn){SHARE_PPN_END}, NULL, &vm),
                     SHARE_OK);
    for (unsigned i = 0; i < PAGES; i++) {
        share_ppn ppn = page_of(layout, bits, i);
        assert_int_equal(share_offer(share, vm, &ppn, 1, NULL), SHARE_OK);
    }
    uint64_t chunks = chunks_of(layout, bits), bytes = peak_bytes(share);
    uint64_t most = ENGINE_NBYTES + 2048 + A_CHUNK * chunks + A_PAGE * PAGES;
    print_message("layout %d, 2^%2u: %6.1f bytes a page, %5.1f a chunk beside %u a page\n", layout,
                  bits, (double)bytes / PAGES,
                  ((double)bytes - ENGINE_NBYTES - A_PAGE * PAGES) / (double)chunks, A_PAGE);
    assert_true(bytes <= most);
    assert_int_equal(share_check(share, &report), SHARE_OK);
    share_free(share);
}

static void test(void **state)
{
    struct generator *source = aligned_alloc(_Alignof(struct generator), sizeof *source);
    (void)state;
    assert_non_null(source);
    memset(source, 0, sizeof *source);
    source->content = distinct;
    for (enum layout layout = APART; layout < LAYOUTS; layout++)
        for (unsigned bits = 1; bits <= 26; bits++)
            measure(source, layout, bits);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
