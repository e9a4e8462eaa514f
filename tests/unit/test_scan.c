/* SPDX-License-Identifier: MIT */
#include "metadata.h"
#include "random.h"
#include "test.h"
#include "vmm.h"

#define VMS   3u
#define SLOTS 150u

static struct metadata metadata;
static struct vmm *vmm;
static struct share_scan_report report;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(VMS + 1, SLOTS, (VMS + 1) * SLOTS);
    vmm_engine(vmm, &metadata.alloc, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    return 0;
}

/* VMS VMs; contents repeat after `distinct` pages. */
static void fill(unsigned shift, uint64_t distinct)
{
    for (unsigned i = 0; i < VMS; i++) {
        share_vm vm = vmm_add(vmm, 0, 0, shift);
        for (unsigned slot = 0; slot < SLOTS; slot++)
            assert_true(vmm_populate(vmm, vm, slot,
                                     (struct vmm_content){1 + (vm * SLOTS + slot) % distinct, 0}));
    }
}

static void scan(enum share_order order, uint32_t flags, uint64_t budget)
{
    assert_int_equal(share_scan(vmm->share, order, flags, budget, &report), SHARE_OK);
    assert_true(report.looked_pages <= budget);
}

static void a_sequential_pass_looks_at_each_page_once(void **state)
{
    (void)state;
    fill(0, 1000);
    uint64_t looked = 0, hinted = 0;
    static const uint64_t budgets[] = {1, 63, 64, 65, 0, 100, 7, 150}; /* 450 in all */
    for (unsigned i = 0; i < 8; i++) {
        scan(SHARE_SEQUENTIAL, 0, budgets[i]);
        assert_int_equal(report.looked_pages, budgets[i]);
        assert_int_equal(report.passes, 0);
        looked += report.looked_pages;
        hinted += report.outcomes[SHARE_HINTED];
    }
    assert_int_equal(looked, VMS * SLOTS);
    assert_int_equal(hinted, VMS * SLOTS);
    scan(SHARE_SEQUENTIAL, 0, 1000); /* it meets the end, and stops there */
    assert_int_equal(report.looked_pages, 0);
    assert_int_equal(report.passes, 1);
}

static void a_scan_stops_at_the_end_of_a_pass(void **state)
{
    (void)state;
    fill(0, 1000);
    for (unsigned pass = 1; pass <= 3; pass++) {
        scan(SHARE_SEQUENTIAL, 0, UINT64_MAX);
        assert_int_equal(report.looked_pages, VMS * SLOTS);
        assert_int_equal(report.passes, 1);
        struct share_stats stats;
        share_stats(vmm->share, &stats);
        assert_int_equal(stats.passes, pass);
    }
    assert_true(share_settled(vmm->share));
}

static void without_vms_a_pass_is_empty(void **state)
{
    (void)state;
    static const enum share_order orders[] = {SHARE_SEQUENTIAL, SHARE_RANDOM, SHARE_DIRTY};
    for (unsigned i = 0; i < 3; i++) {
        scan(orders[i], 0, 100);
        assert_int_equal(report.looked_pages, 0);
        assert_int_equal(report.passes, orders[i] != SHARE_DIRTY);
    }
    assert_int_equal(share_scan(vmm->share, SHARE_RANDOM, 0, 10, NULL), SHARE_OK);
    assert_int_equal(share_now(vmm->share, 3, NULL), SHARE_OK);
}

/* 128 Mi PPNs between two pages: a pass costs what is present. */
static void sparse_maps_do_not_stall(void **state)
{
    (void)state;
    fill(27, 50);
    scan(SHARE_SEQUENTIAL, 0, UINT64_MAX);
    assert_int_equal(report.looked_pages, VMS * SLOTS);
    assert_int_equal(vmm_used(vmm), 50);
    assert_true(atomic_load(&vmm->calls[VMM_NEXT]) < 2 * VMS * SLOTS);
    uint64_t nexts = atomic_load(&vmm->calls[VMM_NEXT]);
    scan(SHARE_RANDOM, 0, 1000);
    assert_int_equal(report.looked_pages, VMS * SLOTS);
    assert_int_equal(report.passes, 1);
    assert_true(atomic_load(&vmm->calls[VMM_NEXT]) - nexts < 4000);
}

static void random_scans_find_what_there_is(void **state)
{
    (void)state;
    fill(0, 50);
    for (unsigned i = 0; i < 20; i++)
        scan(SHARE_RANDOM, 0, 500);
    assert_true(vmm_used(vmm) < 100);
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_true(stats.passes >= 10);
    for (share_vm vm = 0; vm < VMS; vm++) {
        assert_int_equal(share_vm_stats(vmm->share, vm, &stats), SHARE_OK);
        assert_true(stats.offered_pages > 1500); /* each VM has its turn */
    }
}

static void dirty_pages_come_first_and_once(void **state)
{
    (void)state;
    fill(0, 1000);
    share_ppn ppns[] = {{3}, {149}, {64}, {3}};
    struct share_stats stats;
    scan(SHARE_DIRTY, 0, 100);
    assert_int_equal(report.looked_pages, 0);
    assert_int_equal(share_dirty(vmm->share, 1, ppns, 4), SHARE_OK);
    assert_int_equal(share_dirty(vmm->share, 2, ppns, 1), SHARE_OK);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.dirty_pages, 4);
    scan(SHARE_DIRTY, 0, 2);
    assert_int_equal(report.looked_pages, 2);
    scan(SHARE_SEQUENTIAL, 0, 3); /* two dirty ones, and one more */
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.dirty_pages, 0);
    assert_int_equal(stats.offered_pages, 5);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(vmm_info(vmm, 1, (unsigned)ppns[i].n).state, SHARE_PAGE_HINTED);
    assert_int_equal(vmm_info(vmm, 2, 3).state, SHARE_PAGE_HINTED);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_HINTED);
    share_ppn outside = {SLOTS};
    assert_int_equal(share_dirty(vmm->share, 1, &outside, 1), SHARE_INVALID);
}

static void all_dirty_pages_are_found_from_anywhere(void **state)
{
    (void)state;
    uint64_t random = 3;
    fill(3, 1000);
    for (unsigned round = 0; round < 50; round++) {
        struct share_stats stats;
        share_ppn ppn;
        uint64_t budget = 1 + random_to(&random, 20);
        for (unsigned i = 0; i < 30; i++) {
            share_vm vm = random_to(&random, VMS);
            ppn = vmm_ppn(vmm, vm, random_to(&random, SLOTS));
            assert_int_equal(share_dirty(vmm->share, vm, &ppn, 1), SHARE_OK);
        }
        share_stats(vmm->share, &stats);
        uint64_t dirty = stats.dirty_pages;
        scan(SHARE_DIRTY, 0, budget);
        assert_int_equal(report.looked_pages, dirty < budget ? dirty : budget);
    }
    scan(SHARE_DIRTY, 0, UINT64_MAX);
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.dirty_pages, 0);
}

static void volatile_pages_are_looked_at_less_and_less(void **state)
{
    (void)state;
    fill(0, 1000);
    unsigned looks = 0, passes = 200;
    for (unsigned pass = 0; pass < passes; pass++) {
        assert_int_equal(vmm_store(vmm, 0, 7, 0, 5000 + pass), SHARE_OK);
        scan(SHARE_SEQUENTIAL, 0, UINT64_MAX);
        assert_int_equal(report.looked_pages, VMS * SLOTS);
        looks += (unsigned)(report.outcomes[SHARE_VOLATILE] + (pass == 0));
        assert_int_equal(report.outcomes[SHARE_VOLATILE] + report.outcomes[SHARE_BACKED_OFF],
                         pass != 0);
    }
    assert_true(looks >= passes / 32 && looks <= passes / 8);
    assert_int_equal(vmm_info(vmm, 0, 7).backoff, 5);
    for (unsigned look = 0; look < 6; look++) { /* unchanged from now on: it comes back */
        scan(SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX);
        assert_int_equal(report.outcomes[SHARE_BACKED_OFF], 0);
    }
    assert_int_equal(vmm_info(vmm, 0, 7).backoff, 0);
}

static void settled_is_an_answer(void **state)
{
    (void)state;
    fill(0, 1000);
    assert_false(share_settled(vmm->share)); /* nobody has looked */
    scan(SHARE_SEQUENTIAL, 0, 100);
    assert_false(share_settled(vmm->share)); /* nor at all of it */
    scan(SHARE_SEQUENTIAL, 0, UINT64_MAX);
    assert_true(share_settled(vmm->share)); /* nothing to merge, nothing had changed */
    assert_int_equal(vmm_store(vmm, 1, 1, 0, 1), SHARE_OK);
    assert_int_equal(share_dirty(vmm->share, 1, &(share_ppn){1}, 1), SHARE_OK);
    assert_false(share_settled(vmm->share)); /* a dirty page waits */
    scan(SHARE_DIRTY, 0, UINT64_MAX);
    assert_true(share_settled(vmm->share));
    for (unsigned slot = 0; slot < SLOTS; slot++)
        assert_int_equal(vmm_store(vmm, 2, slot, 0, 7000 + slot), SHARE_OK);
    scan(SHARE_SEQUENTIAL, 0, UINT64_MAX);
    assert_false(share_settled(vmm->share)); /* a third of the pages had changed */
}

static void share_now_reaches_the_optimum(void **state)
{
    (void)state;
    fill(0, 77);
    assert_int_equal(share_now(vmm->share, 1, &report), SHARE_UNSETTLED);
    assert_int_equal(vmm_used(vmm), 77);
    assert_int_equal(share_now(vmm->share, 2, &report), SHARE_OK);
    assert_int_equal(report.passes, 1);
    assert_int_equal(share_now(vmm->share, 0, &report), SHARE_UNSETTLED);
    assert_int_equal(report.looked_pages, 0);
    /* Backed-off pages are looked at, too. */
    for (unsigned round = 0; round < 6; round++) {
        assert_int_equal(vmm_store(vmm, 0, 0, 0, 9000 + round), SHARE_OK);
        assert_true(vmm_offer(vmm, 0, 0) < SHARE_OUTCOMES);
    }
    assert_int_equal(vmm_store(vmm, 0, 0, 0, 5), SHARE_OK);
    assert_int_equal(share_now(vmm->share, 5, &report), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 77);
}

/* From the middle of somebody's pass it starts over. */
static void share_now_starts_a_pass(void **state)
{
    (void)state;
    fill(0, 1000);
    scan(SHARE_SEQUENTIAL, 0, 200);
    assert_int_equal(share_now(vmm->share, 1, &report), SHARE_OK);
    assert_int_equal(report.looked_pages, VMS * SLOTS);
}

static void a_scan_without_memory_says_so(void **state)
{
    (void)state;
    fill(13, 1000);
    metadata.fail_at = metadata.calls + 3;
    metadata.fail_count = UINT64_MAX / 2;
    assert_int_equal(share_scan(vmm->share, SHARE_SEQUENTIAL, 0, UINT64_MAX, &report), SHARE_NOMEM);
    assert_true(report.outcomes[SHARE_ERROR] > 0);
    assert_int_equal(share_now(vmm->share, 3, NULL), SHARE_NOMEM);
    assert_int_equal(share_dirty(vmm->share, 2, &(share_ppn){1 << 13}, 1), SHARE_NOMEM);
    metadata.fail_count = 0;
    assert_int_equal(share_now(vmm->share, 3, NULL), SHARE_OK);
}

/* A page takes 150 ns, and a batch is one VM here. */
static void a_scan_ends_when_its_time_is_over(void **state)
{
    (void)state;
    fill(0, 1000);
    static const uint64_t budgets_ns[] = {0, 1, SLOTS * 150, SLOTS * 150 + 1, UINT64_MAX};
    static const uint64_t batches[] = {1, 1, 1, 2, 3};
    for (unsigned i = 0; i < 5; i++) {
        scan(SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX); /* to the end of the pass */
        assert_int_equal(share_scan_for(vmm->share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX,
                                        budgets_ns[i], &report),
                         SHARE_OK);
        assert_int_equal(report.looked_pages, batches[i] * SLOTS);
    }
    struct share_ops ops = vmm_ops;
    struct share_config config = {.struct_size = sizeof config, .ops = &ops, .ops_ctx = vmm};
    struct share *timeless;
    ops.now_ns = NULL;
    assert_int_equal(share_new(&config, &timeless), SHARE_OK);
    assert_int_equal(share_scan_for(timeless, SHARE_SEQUENTIAL, 0, 9, 1, &report), SHARE_INVALID);
    assert_int_equal(share_scan_for(timeless, SHARE_SEQUENTIAL, 0, 9, UINT64_MAX, &report),
                     SHARE_OK);
    share_free(timeless);
}

static void dirty_pages_that_were_busy_stay_dirty(void **state)
{
    struct share_stats stats;
    (void)state;
    vmm = vmm_new_pair();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm_page(vmm, 1, 0)->pinned = true;
    share_ppn ppn = vmm_ppn(vmm, 1, 0);
    assert_int_equal(share_dirty(vmm->share, 1, &ppn, 1), SHARE_OK);
    assert_int_equal(share_scan(vmm->share, SHARE_DIRTY, 0, 9, &report), SHARE_OK);
    assert_int_equal(report.outcomes[SHARE_BUSY], 1);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.dirty_pages, 1);
    vmm_end(vmm);
}

static void a_report_counts_what_was_merged_and_what_had_changed(void **state)
{
    (void)state;
    vmm = vmm_new(2, 3, 8);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 1, 0, (struct vmm_content){1, 0}));
    assert_true(vmm_populate(vmm, 1, 1, (struct vmm_content){0, 0}));
    assert_true(vmm_populate(vmm, 1, 2, (struct vmm_content){0, 0}));
    report = vmm_scan(vmm, 0);
    assert_int_equal(report.outcomes[SHARE_ZERO], 2);
    assert_int_equal(report.merged_pages, 2);
    assert_int_equal(vmm_store(vmm, 1, 0, 0, 9), SHARE_OK); /* its hint is stale */
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    report = vmm_scan(vmm, SHARE_SCAN_ALL);
    assert_int_equal(report.outcomes[SHARE_REPLACED_STALE], 1);
    assert_int_equal(report.changed_pages, 1 + report.outcomes[SHARE_VOLATILE]);
    vmm_end(vmm);
}

static void a_pass_that_merges_settles_nothing(void **state)
{
    (void)state;
    vmm = vmm_new_guest(16);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    report = vmm_scan(vmm, 0);
    assert_int_equal(report.merged_pages, 1);
    assert_false(share_settled(vmm->share));
    vmm_end(vmm);
}

/* Quiet pages are left out even of the first pass if they were offered before. */
static void a_first_pass_that_leaves_pages_out_settles_nothing(void **state)
{
    (void)state;
    vmm = vmm_new_guest(16);
    for (unsigned look = 0; look < 4; look++)
        for (unsigned slot = 0; slot < 16; slot++)
            assert_int_equal(vmm_offer(vmm, 0, slot), SHARE_HINTED);
    report = vmm_scan(vmm, 0);
    assert_int_not_equal(report.outcomes[SHARE_QUIET], 0);
    assert_false(share_settled(vmm->share));
    for (unsigned pass = 0; pass < 3; pass++)
        report = vmm_scan(vmm, 0);
    assert_true(share_settled(vmm->share));
    vmm_end(vmm);
}

static void share_now_goes_on_when_pages_had_changed(void **state)
{
    (void)state;
    vmm = vmm_new_guest(16);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_store(vmm, 0, 3, 0, 99), SHARE_OK);
    assert_int_equal(share_now(vmm->share, 1, NULL), SHARE_UNSETTLED);
    assert_int_equal(share_now(vmm->share, 1, NULL), SHARE_OK);
    vmm_end(vmm);
}

/* What others merged in a pass that they did not end is none of its news. */
static void share_now_counts_from_its_own_start(void **state)
{
    (void)state;
    vmm = vmm_new_guest(16);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    assert_int_equal(share_scan(vmm->share, SHARE_SEQUENTIAL, 0, 8, &report), SHARE_OK);
    assert_int_equal(report.merged_pages, 1);
    assert_int_equal(share_now(vmm->share, 1, NULL), SHARE_OK);
    vmm_end(vmm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sequential_pass_looks_at_each_page_once),
        TEST(a_scan_stops_at_the_end_of_a_pass),
        TEST(without_vms_a_pass_is_empty),
        TEST(sparse_maps_do_not_stall),
        TEST(random_scans_find_what_there_is),
        TEST(dirty_pages_come_first_and_once),
        TEST(all_dirty_pages_are_found_from_anywhere),
        TEST(volatile_pages_are_looked_at_less_and_less),
        TEST(settled_is_an_answer),
        TEST(share_now_reaches_the_optimum),
        TEST(share_now_starts_a_pass),
        TEST(a_scan_without_memory_says_so),
        TEST(a_scan_ends_when_its_time_is_over),
        cmocka_unit_test(dirty_pages_that_were_busy_stay_dirty),
        cmocka_unit_test(a_report_counts_what_was_merged_and_what_had_changed),
        cmocka_unit_test(a_pass_that_merges_settles_nothing),
        cmocka_unit_test(a_first_pass_that_leaves_pages_out_settles_nothing),
        cmocka_unit_test(share_now_goes_on_when_pages_had_changed),
        cmocka_unit_test(share_now_counts_from_its_own_start),
    };
    return RUN(tests);
}
