/* SPDX-License-Identifier: MIT */
/* What the scanner leaves out, when it comes back to it, and what that costs and saves. */
#include "random.h"
#include "test.h"
#include "vmm.h"

#define SLOTS 512u

static struct share_scan_report report;

static struct vmm *new_vmm(void)
{
    struct vmm *vmm = vmm_new(1, SLOTS, SLOTS + 64);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
    return vmm;
}

static void scan(struct vmm *vmm, enum share_order order, uint32_t flags)
{
    assert_int_equal(share_scan(vmm->share, order, flags, UINT64_MAX, &report), SHARE_OK);
}

static void scan_passes(struct vmm *vmm, unsigned passes)
{
    for (unsigned i = 0; i < passes; i++)
        scan(vmm, SHARE_SEQUENTIAL, 0);
}

static void old_pages_that_are_alone_are_looked_at_in_one_of_four_passes(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    scan_passes(vmm, 3); /* new; the same; the same again */
    assert_int_equal(report.outcomes[SHARE_QUIET], 0);
    uint64_t quiet = 0, looked = 0;
    for (unsigned pass = 0; pass < 4; pass++) {
        scan_passes(vmm, 1);
        assert_int_equal(report.looked_pages, SLOTS); /* the budget knows no difference */
        assert_true(report.outcomes[SHARE_HINTED] > 0);
        quiet += report.outcomes[SHARE_QUIET];
        looked += report.outcomes[SHARE_HINTED];
    }
    assert_int_equal(looked, SLOTS);
    assert_int_equal(quiet, 3 * SLOTS);
    assert_int_equal(vmm_info(vmm, 0, 5).backoff, 2);
    vmm_end(vmm);
}

static void a_quiet_page_that_changes_is_found_within_four_passes(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    scan_passes(vmm, 4);
    for (unsigned slot = 0; slot < SLOTS; slot += 64)
        assert_int_equal(vmm_store(vmm, 0, slot, 0, 9000 + slot), SHARE_OK);
    uint64_t changed = 0;
    for (unsigned pass = 0; pass < 4; pass++) {
        scan_passes(vmm, 1);
        changed += report.outcomes[SHARE_VOLATILE];
    }
    assert_int_equal(changed, SLOTS / 64);
    assert_int_equal(vmm_info(vmm, 0, 1).backoff, 2);
    vmm_end(vmm);
}

/* They need not be looked at themselves: their hints stand. */
static void quiet_pages_are_matched_at_once(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    scan_passes(vmm, 4);
    assert_int_equal(vmm_store(vmm, 0, 7, 0, 1 + 300), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 7), SHARE_PROMOTED);
    assert_int_equal(vmm_info(vmm, 0, 300).state, SHARE_PAGE_SHARED);
    vmm_end(vmm);
}

static void share_dirty_ends_the_quiet(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    scan_passes(vmm, 4);
    assert_int_equal(share_dirty(vmm->share, 0, &(share_ppn){3}, 1), SHARE_OK);
    scan(vmm, SHARE_DIRTY, 0);
    assert_int_equal(report.outcomes[SHARE_HINTED], 1);
    assert_int_equal(vmm_info(vmm, 0, 3).backoff, 0);
    assert_int_equal(vmm_info(vmm, 0, 4).backoff, 2);
    vmm_end(vmm);
}

static void share_now_looks_at_everything(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    scan_passes(vmm, 5);
    assert_int_equal(share_now(vmm->share, 1, &report), SHARE_OK);
    assert_int_equal(report.outcomes[SHARE_HINTED], SLOTS);
    vmm_end(vmm);
}

/* News in any of the passes that together looked at everything. */
static void settled_means_four_passes_without_news(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    scan_passes(vmm, 8);
    assert_true(share_settled(vmm->share));
    for (unsigned slot = 0; slot < 64; slot++) /* of a chunk: one pass of four finds them */
        assert_int_equal(vmm_store(vmm, 0, slot, 0, 9000 + slot), SHARE_OK);
    unsigned passes_of_news = 0, waited = 0;
    do {
        scan_passes(vmm, 1);
        waited++;
        passes_of_news += report.outcomes[SHARE_VOLATILE] != 0;
    } while (!passes_of_news);
    for (unsigned pass = 0; pass < 3; pass++) {
        assert_false(share_settled(vmm->share));
        scan_passes(vmm, 1);
    }
    scan_passes(vmm, 8);
    assert_true(share_settled(vmm->share));
    assert_in_range(waited, 1, 4);
    vmm_end(vmm);
}

/* Broken once it is shared again at once; twice, when it was the same for 15 passes. */
static void a_page_that_is_broken_again_is_on_probation(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    for (unsigned broken = 0; broken < 2; broken++) {
        scan_passes(vmm, 1);
        assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_SHARED);
        assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* the same, but written */
    }
    unsigned passes = 0;
    for (; vmm_info(vmm, 0, 1).state != SHARE_PAGE_SHARED; passes++) {
        assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_PRIVATE);
        scan_passes(vmm, 1);
    }
    assert_in_range(passes, 12, 24);
    vmm_end(vmm);
}

static void break_twice(struct vmm *vmm)
{
    for (unsigned broken = 0; broken < 2; broken++) {
        scan(vmm, SHARE_SEQUENTIAL, SHARE_SCAN_ALL);
        assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_SHARED);
        assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK);
    }
}

/* Whoever asks for it by name, or for everything, gets it at once. */
static void only_the_scanner_keeps_to_probation(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK);
    break_twice(vmm);
    scan_passes(vmm, 2);
    assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_PRIVATE);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_JOINED);
    break_twice(vmm);
    assert_int_equal(share_dirty(vmm->share, 0, &(share_ppn){1}, 1), SHARE_OK);
    scan(vmm, SHARE_DIRTY, 0);
    assert_int_equal(report.merged_pages, 1);
    vmm_end(vmm);
}

static void another_page_begins_anew(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK);
    break_twice(vmm);
    assert_int_equal(vmm_forget(vmm, 0, 1), SHARE_OWNER_CALLER);
    assert_true(vmm_populate(vmm, 0, 1, (struct vmm_content){1, 0}));
    scan_passes(vmm, 1);
    assert_int_equal(report.merged_pages, 1);
    vmm_end(vmm);
}

/* Two guests with one history: one is looked at whole in each pass. */
enum { TWIN_PASSES = 64, OLD = SLOTS * 3 / 4 };

static void store_some(struct vmm *vmm, uint64_t seed)
{
    uint64_t random = seed;
    for (unsigned i = 0; i < 8; i++) {
        unsigned slot = OLD + random_to(&random, SLOTS - OLD);
        assert_int_equal(vmm_store(vmm, 0, slot, 0, 1 + random_to(&random, OLD)), SHARE_OK);
    }
}

static void half_of_the_looks_are_saved_and_hardly_a_merge_lost(void **state)
{
    struct vmm *all = new_vmm(), *learns = new_vmm();
    uint64_t saved = 0;
    (void)state;
    for (unsigned pass = 0; pass < TWIN_PASSES; pass++) {
        store_some(all, pass + 1);
        store_some(learns, pass + 1);
        scan(all, SHARE_SEQUENTIAL, SHARE_SCAN_ALL);
        scan(learns, SHARE_SEQUENTIAL, 0);
        saved += report.outcomes[SHARE_QUIET];
    }
    scan_passes(all, 64);
    scan_passes(learns, 64);
    unsigned reclaimed = SLOTS - vmm_used(all);
    assert_true(reclaimed > SLOTS / 8);
    assert_true((SLOTS - vmm_used(learns)) * 100 >= reclaimed * 99);
    assert_true(saved * 2 >= (uint64_t)(OLD - reclaimed) * TWIN_PASSES);
    vmm_end(all);
    vmm_end(learns);
}

static void an_old_page_that_changes_skips_a_pass(void **state)
{
    (void)state;
    struct vmm *vmm = vmm_new_guest(8);
    for (unsigned pass = 0; pass < 4; pass++)
        report = vmm_scan(vmm, SHARE_SCAN_ALL);
    assert_int_equal(vmm_info(vmm, 0, 3).backoff, 2); /* quiet */
    assert_int_equal(vmm_store(vmm, 0, 3, 0, 99), SHARE_OK);
    report = vmm_scan(vmm, SHARE_SCAN_ALL);
    assert_int_equal(report.outcomes[SHARE_VOLATILE], 1);
    assert_int_equal(vmm_info(vmm, 0, 3).backoff, 1);
    vmm_end(vmm);
}

/* Unchanged for some passes, it is looked at more often; changed again, less and less. */
static void a_change_prolongs_probation(void **state)
{
    uint64_t looks = 0;
    (void)state;
    struct vmm *vmm = vmm_new_guest(2);
    for (unsigned pass = 0; pass < 3; pass++) { /* two breaks */
        assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK);
        (void)vmm_scan(vmm, 0);
    }
    for (unsigned pass = 0; pass < 9; pass++)
        (void)vmm_scan(vmm, 0);
    assert_int_equal(vmm_info(vmm, 0, 1).backoff, 1);
    for (unsigned pass = 0; pass < 40; pass++) {
        assert_int_equal(vmm_store(vmm, 0, 1, 0, 100 + pass), SHARE_OK);
        looks += vmm_scan(vmm, 0).outcomes[SHARE_VOLATILE];
    }
    assert_in_range(looks, 40 / 8, 40 / 4);
    vmm_end(vmm);
}

/* In one of 8 passes in the end. */
static void a_page_on_probation_that_changes_is_looked_at_less_and_less(void **state)
{
    const unsigned passes = 160;
    uint64_t looks = 0;
    (void)state;
    struct vmm *vmm = vmm_new_guest(2);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    report = vmm_scan(vmm, 0);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* the first break */
    report = vmm_scan(vmm, 0);
    assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_SHARED);
    for (unsigned pass = 0; pass < passes; pass++) {
        assert_int_equal(vmm_store(vmm, 0, 1, 0, 100 + pass), SHARE_OK);
        report = vmm_scan(vmm, 0);
        looks += report.outcomes[SHARE_VOLATILE];
    }
    assert_in_range(looks, passes / 8, passes / 4);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_pages_that_are_alone_are_looked_at_in_one_of_four_passes),
        cmocka_unit_test(a_quiet_page_that_changes_is_found_within_four_passes),
        cmocka_unit_test(quiet_pages_are_matched_at_once),
        cmocka_unit_test(share_dirty_ends_the_quiet),
        cmocka_unit_test(share_now_looks_at_everything),
        cmocka_unit_test(settled_means_four_passes_without_news),
        cmocka_unit_test(a_page_that_is_broken_again_is_on_probation),
        cmocka_unit_test(only_the_scanner_keeps_to_probation),
        cmocka_unit_test(another_page_begins_anew),
        cmocka_unit_test(half_of_the_looks_are_saved_and_hardly_a_merge_lost),
        cmocka_unit_test(an_old_page_that_changes_skips_a_pass),
        cmocka_unit_test(a_change_prolongs_probation),
        cmocka_unit_test(a_page_on_probation_that_changes_is_looked_at_less_and_less),
    };
    return RUN(tests);
}
