/* SPDX-License-Identifier: MIT */
/*
 * A random look drew a page number and took the next page that was there: pages behind gaps were
 * looked at again and again, and others never. And a pass was as many looks as there are page
 * numbers: with 100 pages in 2^38 it never ended.
 */
#include "generator.h"
#include "test.h"
#include <stdlib.h>

#define VMS        4u
#define PAGES_MAX  3000u
#define PASSES     400u /* looks that a page has on average */
#define ORDER_SEED 12345u

/* Pages of a VM, all in a row or far apart, and how often each was looked at. */
static struct map {
    unsigned pages;
    uint64_t ppn[PAGES_MAX], looks[PAGES_MAX];
} map[VMS];

static void add_page(struct map *to, uint64_t ppn)
{
    to->ppn[to->pages++] = ppn;
}

/* The place of the first page at or after a PPN. */
static unsigned find(const struct map *in, uint64_t ppn)
{
    unsigned low = 0, high = in->pages;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (in->ppn[middle] < ppn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)ctx;
    unsigned at = find(&map[vm.number], ppn.n);
    mpn->n = vm.number * PAGES_MAX + at;
    return at < map[vm.number].pages && map[vm.number].ppn[at] == ppn.n;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)ctx;
    unsigned at = find(&map[vm.number], from.n);
    if (at == map[vm.number].pages)
        return false;
    found->n = map[vm.number].ppn[at];
    return true;
}

static uint64_t distinct(uint64_t mpn)
{
    return mpn + 1;
}

static void count(void *ctx, const struct share_event *event)
{
    (void)ctx;
    unsigned at = find(&map[event->vm], event->ppn.n);
    assert_true(map[event->vm].ppn[at] == event->ppn.n);
    map[event->vm].looks[at]++;
}

/* Three pages; 100 far apart, with wide gaps and narrow ones; 3000 in a row; 700, a hundred in a
 * row each. */
static uint64_t lay_out(void)
{
    uint64_t ppn = 0, pages = 0;
    memset(map, 0, sizeof map);
    for (unsigned i = 0; i < 3; i++)
        add_page(&map[0], i * 1000);
    for (unsigned i = 0; i < 100; i++)
        add_page(&map[1], ppn += i % 3 ? 2 : UINT64_C(1) << (i % 32));
    for (unsigned i = 0; i < PAGES_MAX; i++)
        add_page(&map[2], 77 + i);
    for (unsigned i = 0; i < 700; i++)
        add_page(&map[3], (uint64_t)(i / 100) << 26 | i % 100);
    for (unsigned vm = 0; vm < VMS; vm++)
        pages += map[vm].pages;
    return pages;
}

static struct share *new_engine(struct generator *source)
{
    static struct share_ops ops;
    struct share_observer observer = {.struct_size = sizeof observer, .event = count};
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &ops,
                                  .ops_ctx = source,
                                  .observer = &observer,
                                  .flags = SHARE_IMMUTABLE,
                                  .order_seed = ORDER_SEED};
    struct share *share;
    ops = generator_ops;
    ops.resolve = resolve;
    ops.next_present = next_present;
    assert_int_equal(share_new(&config, &share), SHARE_OK);
    for (unsigned i = 0; i < VMS; i++) {
        share_vm vm;
        share_ppn end = {SHARE_PPN_END};
        assert_int_equal(share_vm_add(share, 0, (share_ppn){0}, end, NULL, &vm), SHARE_OK);
        assert_int_equal(share_vm_start(share, vm), SHARE_OK);
    }
    return share;
}

/* The sum of (looks - expected)^2 / expected over all pages: about one a page if each look is drawn
 * by itself, and not much else if they are drawn a stretch at a time. */
static double chi_square(void)
{
    double sum = 0;
    for (unsigned vm = 0; vm < VMS; vm++) {
        double in_vm = 0;
        for (unsigned i = 0; i < map[vm].pages; i++) {
            double off = (double)map[vm].looks[i] - PASSES;
            assert_true(map[vm].looks[i] > PASSES / 2 && map[vm].looks[i] < 2 * PASSES);
            sum += off * off / PASSES;
            in_vm += (double)map[vm].looks[i];
        }
        print_message("VM %u: %u pages, %.1f looks each\n", vm, map[vm].pages,
                      in_vm / map[vm].pages);
    }
    return sum;
}

static void test(void **state)
{
    uint64_t pages = lay_out();
    struct generator *source = aligned_alloc(_Alignof(struct generator), sizeof *source);
    (void)state;
    assert_non_null(source);
    memset(source, 0, sizeof *source);
    source->content = distinct;
    struct share *share = new_engine(source);
    for (unsigned pass = 0; pass < PASSES; pass++) {
        struct share_scan_report report = {0};
        for (unsigned i = 0; i < 2; i++) { /* in two calls: the first ends in the middle */
            uint64_t budget = i ? pages : pages / 3;
            struct share_scan_report part;
            assert_int_equal(share_scan(share, SHARE_RANDOM, SHARE_SCAN_ALL, budget, &part),
                             SHARE_OK);
            report.looked_pages += part.looked_pages;
            report.passes += part.passes;
        }
        assert_int_equal(report.looked_pages, pages);
        assert_int_equal(report.passes, 1);
    }
    double chi = chi_square();
    print_message("chi square %.0f of %llu pages\n", chi, (unsigned long long)pages);
    assert_true(chi < 1.5 * (double)pages);
    assert_true(share_settled(share));
    share_free(share);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
