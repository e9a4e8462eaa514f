/* SPDX-License-Identifier: MIT */
#include "metadata.h"
#include "test.h"
#include "vmm.h"

#define SLOTS 300u

static struct metadata metadata;
static struct vmm *vmm;
static share_vm vm;
static unsigned every[SLOTS];

/* A VM of pages 0 .. SLOTS-1, of which nothing is known. */
static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(2, SLOTS, 2 * SLOTS);
    vmm_engine(vmm, &metadata.alloc, 1);
    vm = vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        every[slot] = slot;
        assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){slot / 2, 0}));
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_must_be_sound(vmm);
    share_free(vmm->share);
    assert_int_equal(metadata.blocks, 0);
    vmm_free(vmm);
    return 0;
}

static void forget_from(unsigned first)
{
    for (unsigned slot = first; slot < SLOTS; slot += 100)
        vmm_forget_pages(vmm, vm, &every[slot], SLOTS - slot < 100 ? SLOTS - slot : 100);
}

static enum share_result resize(uint64_t end_ppn)
{
    return share_vm_resize(vmm->share, vm, (share_ppn){end_ppn});
}

static void wrong_ranges_are_refused(void **state)
{
    (void)state;
    assert_int_equal(resize(0), SHARE_INVALID);
    assert_int_equal(resize(SHARE_PPN_END + 1), SHARE_INVALID);
    assert_int_equal(resize(SHARE_PPN_END), SHARE_OK);
    assert_int_equal(share_vm_resize(vmm->share, 1, (share_ppn){5}), SHARE_GONE);
}

static void what_is_known_is_not_cut_off(void **state)
{
    (void)state;
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    for (unsigned slots = 1; slots < SLOTS; slots += 37)
        assert_int_equal(vmm_resize(vmm, vm, slots), SHARE_INVALID);
    assert_int_equal(vmm_info(vmm, vm, SLOTS - 1).state, SHARE_PAGE_SHARED);
    forget_from(101);
    assert_int_equal(vmm_resize(vmm, vm, 100), SHARE_INVALID); /* page 100 is shared */
    vmm_forget(vmm, vm, 100);
    assert_int_equal(vmm_resize(vmm, vm, 100), SHARE_OK);
    assert_int_equal(vmm_info(vmm, vm, 99).state, SHARE_PAGE_SHARED);
    assert_int_equal(share_break(vmm->share, vm, (share_ppn){100}), SHARE_INVALID);
}

/* A page of which a pace is known alone is known, too. */
static void a_private_page_that_was_looked_at_is_known(void **state)
{
    (void)state;
    assert_int_equal(vmm_offer(vmm, vm, 299), SHARE_HINTED);
    assert_int_equal(vmm_store(vmm, vm, 299, 1, 9), SHARE_OK);
    assert_int_equal(vmm_resize(vmm, vm, 299), SHARE_INVALID);
    vmm_forget(vmm, vm, 299);
    assert_int_equal(vmm_resize(vmm, vm, 299), SHARE_OK);
}

static uint64_t now_held(void)
{
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.metadata_bytes, metadata.bytes);
    return stats.metadata_bytes;
}

/* Pages far apart have a chunk each; all of them go, and what is left still stands. */
static void metadata_is_given_back(void **state)
{
    (void)state;
    share_vm wide = vmm_add(vmm, 0, 5, 13);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        assert_true(vmm_populate(vmm, wide, slot, (struct vmm_content){slot, 0}));
    for (unsigned slot = 0; slot < 3; slot++)
        (void)vmm_offer(vmm, wide, slot);
    uint64_t few = now_held();
    for (unsigned slot = 3; slot < SLOTS; slot++)
        (void)vmm_offer(vmm, wide, slot);
    uint64_t many = now_held();
    assert_true(many > few + 250 * 288);
    for (unsigned slot = 3; slot < SLOTS; slot++)
        vmm_forget(vmm, wide, slot);
    assert_int_equal(vmm_resize(vmm, wide, 3), SHARE_OK);
    assert_true(now_held() < few + 16 * 1024);
    assert_int_equal(vmm_info(vmm, wide, 2).state, SHARE_PAGE_HINTED);
    assert_int_equal(vmm_resize(vmm, wide, SLOTS), SHARE_OK);
    for (unsigned slot = 3; slot < SLOTS; slot++)
        assert_true(vmm_populate(vmm, wide, slot, (struct vmm_content){slot, 0}));
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_info(vmm, wide, SLOTS / 2 - 1).state, SHARE_PAGE_SHARED);
}

static void marks_go_with_the_pages(void **state)
{
    (void)state;
    struct share_stats stats;
    share_ppn dirty[] = {{99}, {100}, {128}, {299}};
    assert_int_equal(share_dirty(vmm->share, vm, dirty, 4), SHARE_OK);
    assert_int_equal(share_leave_alone(vmm->share, vm, (share_ppn){90}, 200, true), SHARE_OK);
    forget_from(100);
    metadata.fail_at = metadata.calls + 1;
    metadata.fail_count = 100;
    assert_int_equal(vmm_resize(vmm, vm, 100), SHARE_NOMEM);
    metadata.fail_count = 0;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.dirty_pages, 4);
    assert_int_equal(vmm_resize(vmm, vm, 100), SHARE_OK);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.dirty_pages, 1);
    assert_int_equal(vmm_resize(vmm, vm, SLOTS), SHARE_OK);
    assert_true(vmm_populate(vmm, vm, 100, (struct vmm_content){1, 0}));
    assert_int_equal(vmm_offer(vmm, vm, 99), SHARE_GROUP_OFF);
    assert_int_equal(vmm_offer(vmm, vm, 100), SHARE_HINTED);
}

/* The random order has counted what there is; then there is less, and more. */
static void every_order_follows(void **state)
{
    static const enum share_order orders[] = {SHARE_SEQUENTIAL, SHARE_RANDOM};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct share_scan_report report;
        assert_int_equal(share_scan(vmm->share, orders[i], SHARE_SCAN_ALL, 40, &report), SHARE_OK);
        forget_from(50);
        assert_int_equal(vmm_resize(vmm, vm, 50), SHARE_OK);
        for (report.passes = 0; !report.passes;)
            assert_int_equal(share_scan(vmm->share, orders[i], SHARE_SCAN_ALL, 64, &report),
                             SHARE_OK);
        assert_int_equal(vmm_resize(vmm, vm, SLOTS), SHARE_OK);
        for (unsigned slot = 50; slot < SLOTS; slot++)
            assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){slot / 2, 0}));
    }
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), SLOTS / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_ranges_are_refused),
        TEST(what_is_known_is_not_cut_off),
        TEST(a_private_page_that_was_looked_at_is_known),
        TEST(metadata_is_given_back),
        TEST(marks_go_with_the_pages),
        TEST(every_order_follows),
    };
    return RUN(tests);
}
