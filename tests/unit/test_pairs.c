/* SPDX-License-Identifier: MIT */
/*
 * Metadata where every page is one of two on a frame: the dearest pages that lie in a row. A pair
 * has two words (8.9 bytes with chunks and tree), a frame (12) and an entry of the table (11.1 to
 * 11.5 when half of the partitions grow), with what names slabs 32.2 to 32.6: 0.1 to 0.3 a page
 * more than the 16 that two pages with hints stay below, since a frame takes more than an entry
 * does. `test_pairs brief` is for sanitizers: a twentieth of the pages.
 */
#include "generator.h"
#include "test.h"
#include <stdlib.h>

#define PAGES_MAX   6000000u
#define FIXED_BYTES 34816u /* of an engine and a VM */
#define STEP_PAGES  128u

/* At any salt; ten of them were tried. */
#define MERGED_BYTES   16.3
#define DECLARED_BYTES 16.4

static uint64_t divisor = 1;

/* Pages 2n and 2n + 1 are equal. */
static uint64_t in_pairs(uint64_t number)
{
    return number / 2 + 1;
}

static struct generator *new_generator(void)
{
    struct generator *source = aligned_alloc(_Alignof(struct generator), sizeof *source);
    assert_non_null(source);
    memset(source, 0, sizeof *source);
    source->vms = 1;
    source->pages_per_vm = PAGES_MAX / divisor;
    source->content = in_pairs;
    return source;
}

static double bytes_of_page(struct share *share, uint64_t pages)
{
    struct share_stats stats;
    share_stats(share, &stats);
    return ((double)stats.metadata_peak_bytes - FIXED_BYTES) / (double)pages;
}

static void offer(struct share *share, uint64_t first)
{
    share_ppn ppns[STEP_PAGES];
    for (unsigned i = 0; i < STEP_PAGES; i++)
        ppns[i].n = first + i;
    assert_int_equal(share_offer(share, 0, ppns, STEP_PAGES, NULL), SHARE_OK);
}

/* Pages 2n and 2n + 1 map machine page 2n. */
static void adopt(struct share *share, uint64_t first)
{
    struct share_adopt_run runs[STEP_PAGES];
    for (unsigned i = 0; i < STEP_PAGES; i++)
        runs[i] = (struct share_adopt_run){
            .ppn = {first + i}, .mpn = {(first + i) & ~UINT64_C(1)}, .count = 1};
    assert_int_equal(share_adopt(share, 0, runs, STEP_PAGES, 0), SHARE_OK);
    offer(share, first); /* their frames enter the table */
}

static double worst_of(struct share *share, void (*add)(struct share *share, uint64_t first))
{
    double worst = 0;
    uint64_t worst_at = 0;
    for (uint64_t pages = 0; pages + STEP_PAGES <= PAGES_MAX / divisor;) {
        add(share, pages);
        pages += STEP_PAGES;
        double bytes = pages % 4096 ? 0 : bytes_of_page(share, pages);
        if (bytes > worst) {
            worst = bytes;
            worst_at = pages;
        }
    }
    print_message("%.3f bytes a page at %llu pages, beside 34 KiB\n", worst,
                  (unsigned long long)worst_at);
    return worst;
}

static void must_be_pairs(struct share *share)
{
    struct share_stats stats;
    share_stats(share, &stats);
    assert_int_equal(stats.shared_pages, stats.framed_pages);
    assert_int_equal(stats.framed_pages, PAGES_MAX / divisor / STEP_PAGES * STEP_PAGES);
    assert_int_equal(stats.frames, stats.framed_pages / 2);
    assert_int_equal(stats.hints, 0);
}

static void pages_that_were_merged(void **state)
{
    (void)state;
    struct generator *source = new_generator();
    struct share *share = generator_engine(source);
    double worst = worst_of(share, offer);
    must_be_pairs(share);
    assert_true(worst <= MERGED_BYTES);
    share_free(share);
    free(source);
}

static void pages_that_were_declared(void **state)
{
    (void)state;
    struct generator *source = new_generator();
    source->mpn = malloc(source->pages_per_vm * sizeof *source->mpn);
    assert_non_null(source->mpn);
    for (uint32_t i = 0; i < source->pages_per_vm; i++)
        source->mpn[i] = i & ~1u;
    struct share *share = generator_engine(source);
    double worst = worst_of(share, adopt);
    must_be_pairs(share);
    assert_true(worst <= DECLARED_BYTES);
    share_free(share);
    free(source->mpn);
    free(source);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "brief") == 0)
        divisor = 20;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_that_were_merged),
        cmocka_unit_test(pages_that_were_declared),
    };
    return RUN(tests);
}
