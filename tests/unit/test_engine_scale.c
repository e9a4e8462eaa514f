/* SPDX-License-Identifier: MIT */
/* Numbers of a size where counters overflow and memory is counted. `test_engine_scale brief` is for
 * sanitizers: a twentieth of the pages. */
#include "generator.h"
#include "grow.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>

static uint64_t divisor = 1;

static uint64_t one(uint64_t number)
{
    (void)number;
    return 1;
}
static uint64_t none(uint64_t number)
{
    (void)number;
    return 0;
}
static uint64_t distinct(uint64_t number)
{
    return number + 1;
}
static uint64_t few(uint64_t number)
{
    return number % 1000;
}

static void must_be_sound(struct share *share)
{
    struct share_check_report report;
    enum share_result result = share_check(share, &report);
    if (result != SHARE_OK)
        fail_msg("%s", report.reason);
}

/* Its pages are aligned, so it is. */
static struct generator *new_generator(void)
{
    struct generator *source = aligned_alloc(_Alignof(struct generator), sizeof *source);
    return source ? memset(source, 0, sizeof *source) : NULL;
}

/* On a live engine: protected, compared, remapped, freed. */
static void share_millions(uint64_t (*content)(uint64_t number))
{
    uint64_t pages = 10000000 / divisor;
    struct generator *source = new_generator();
    struct share_stats stats;
    struct share_page_info info;
    struct share_scan_report report;
    assert_non_null(source);
    source->vms = 4;
    source->pages_per_vm = pages / 4;
    source->content = content;
    source->mpn = malloc(pages * sizeof *source->mpn);
    assert_non_null(source->mpn);
    for (uint64_t i = 0; i < pages; i++)
        source->mpn[i] = (uint32_t)i;
    struct share *share = generator_engine(source);
    assert_int_equal(share_scan(share, SHARE_SEQUENTIAL, 0, UINT64_MAX, &report), SHARE_OK);
    assert_int_equal(report.looked_pages, pages);
    share_stats(share, &stats);
    assert_int_equal(stats.framed_pages, pages);
    assert_int_equal(stats.shared_pages, pages);
    assert_int_equal(stats.frames, 1);
    assert_int_equal(stats.reclaimed_pages, pages - 1);
    assert_int_equal(source->freed_pages, pages - 1);
    for (uint64_t i = 1; i < pages; i++)
        assert_true(source->mpn[i] == source->mpn[0]);
    assert_int_equal(share_page_info(share, 3, (share_ppn){source->pages_per_vm - 1}, 1, &info),
                     SHARE_OK);
    assert_int_equal(info.refs, pages);
    must_be_sound(share);
    for (share_vm vm = 0; vm < 4; vm++)
        assert_int_equal(share_vm_remove(share, vm), SHARE_OK);
    assert_int_equal(source->freed_pages, pages);
    share_free(share);
    free(source->mpn);
    free(source);
}

static void ten_million_pages_of_one_content(void **state)
{
    (void)state;
    share_millions(one);
}

static void ten_million_zero_pages(void **state)
{
    (void)state;
    share_millions(none);
}

static void as_many_vms_as_there_can_be(void **state)
{
    (void)state;
    struct generator *source = new_generator();
    struct share_stats stats;
    share_vm vm;
    assert_non_null(source);
    source->vms = SHARE_VMS_MAX;
    source->pages_per_vm = 2;
    source->content = few;
    struct share *share = generator_engine(source);
    assert_int_equal(share_vm_add(share, 0, (share_ppn){0}, (share_ppn){1}, NULL, &vm),
                     SHARE_NOMEM);
    assert_int_equal(share_now(share, 5, NULL), SHARE_OK);
    share_stats(share, &stats);
    assert_int_equal(stats.vms, SHARE_VMS_MAX);
    assert_int_equal(stats.framed_pages, 2 * SHARE_VMS_MAX);
    assert_int_equal(stats.frames, 1000);
    assert_true(stats.metadata_peak_bytes <= SHARE_VMS_MAX * 2048 + 16 * 2 * SHARE_VMS_MAX + 32768);
    must_be_sound(share);
    for (vm = 0; vm < SHARE_VMS_MAX; vm += 3)
        assert_int_equal(share_vm_remove(share, vm), SHARE_OK);
    must_be_sound(share);
    for (unsigned i = 0; i < (SHARE_VMS_MAX + 2) / 3; i++)
        assert_int_equal(share_vm_add(share, 0, (share_ppn){0}, (share_ppn){2}, NULL, &vm),
                         SHARE_OK);
    assert_int_equal(share_vm_add(share, 0, (share_ppn){0}, (share_ppn){1}, NULL, &vm),
                     SHARE_NOMEM);
    share_free(share);
    free(source);
}

/* Offers distinct pages from *pages on. The most bytes a page at any time, beside 34 KiB. */
static double offer_to(struct share *share, uint64_t end, uint64_t *pages)
{
    share_ppn ppns[64];
    double worst = 0;
    while (*pages < end) {
        for (unsigned n = 0; n < 64; n++)
            ppns[n].n = (*pages)++;
        assert_int_equal(share_offer(share, 0, ppns, 64, NULL), SHARE_OK);
        struct share_stats now;
        if (*pages % 4096 == 0) {
            share_stats(share, &now);
            double bytes = ((double)now.metadata_peak_bytes - 34816) / (double)*pages;
            worst = bytes > worst ? bytes : worst;
        }
    }
    return worst;
}

/* In a small table partitions are uneven, by the salt that is drawn. */
static void no_salt_takes_more(void **state)
{
    (void)state;
    if (divisor > 1)
        skip();
    for (unsigned salts = 0; salts < 20; salts++) {
        struct generator *source = new_generator();
        assert_non_null(source);
        source->vms = 1;
        source->pages_per_vm = 400000;
        source->content = distinct;
        struct share *share = generator_engine(source);
        uint64_t pages = 0;
        double worst = offer_to(share, source->pages_per_vm, &pages);
        if (worst > 16)
            fail_msg("%.3f bytes a page", worst);
        share_free(share);
        free(source);
    }
}

/* All distinct: every page leaves a hint. High-water mark of all that the engine holds. */
static void metadata_is_16_bytes_a_page(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {100000,  310592,  314400,  745344,  1000000, 1500000,
                                     2000000, 2600000, 3000000, 4000000, 6000000, 8000000};
    struct generator *source = new_generator();
    struct share_stats stats;
    assert_non_null(source);
    source->vms = 1;
    source->pages_per_vm = sizes[sizeof sizes / sizeof *sizes - 1];
    source->content = distinct;
    struct share *share = generator_engine(source);
    uint64_t pages = 0;
    double worst = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        double bytes = offer_to(share, sizes[i] / divisor, &pages);
        worst = bytes > worst ? bytes : worst;
        share_stats(share, &stats);
        print_message("%8llu pages: %.2f bytes a page\n", (unsigned long long)pages,
                      (double)stats.metadata_peak_bytes / (double)pages);
        if (pages >= 1000000)
            assert_true(stats.metadata_peak_bytes <= 16 * pages);
        assert_true(stats.metadata_peak_bytes <= 16 * pages + 34816);
        assert_true(stats.hints == pages);
    }
    print_message("at worst %.2f bytes a page, beside 34 KiB\n", worst);
    assert_true(worst <= 16);
    assert_true(stats.buckets_moved_max <= SHARE_TABLE_MOVES);
    must_be_sound(share);
    share_free(share);
    free(source);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "brief") == 0)
        divisor = 20;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_million_pages_of_one_content),
        cmocka_unit_test(ten_million_zero_pages),
        cmocka_unit_test(as_many_vms_as_there_can_be),
        cmocka_unit_test(metadata_is_16_bytes_a_page),
        cmocka_unit_test(no_salt_takes_more),
    };
    return RUN(tests);
}
