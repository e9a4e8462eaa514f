/* SPDX-License-Identifier: MIT */
/* Ranges of pages: left alone, and made private. */
#include "metadata.h"
#include "random.h"
#include "ranges.h"
#include "test.h"
#include "vmm.h"

enum { VMS = 2, PAGES = 100 };

static struct metadata metadata;
static struct vmm *vmm;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(VMS, PAGES, 2 * VMS * PAGES);
    vmm_engine(vmm, &metadata.alloc, 1);
    for (share_vm vm = 0; vm < VMS; vm++) {
        vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < PAGES; slot++)
            assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){1 + slot, 0}));
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    assert_int_equal(metadata.blocks, 0);
    return 0;
}

static bool is_shared(share_vm vm, unsigned slot)
{
    return vmm_info(vmm, vm, slot).state == SHARE_PAGE_SHARED;
}

static enum share_result alone(unsigned first, unsigned count, bool is_alone)
{
    return share_leave_alone(vmm->share, 0, (share_ppn){first}, count, is_alone);
}

static void share_everything(void)
{
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
}

static void what_is_left_alone_is_shared_with_nobody(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < PAGES; slot++) /* their hints would be met by others */
        assert_int_equal(vmm_offer(vmm, 0, slot), SHARE_HINTED);
    assert_int_equal(alone(10, 70, true), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 10), SHARE_GROUP_OFF);
    assert_int_equal(vmm_offer(vmm, 1, 79), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 80), SHARE_PROMOTED);
    share_everything();
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_int_equal(is_shared(0, slot), slot < 10 || slot >= 80);
    assert_int_equal(alone(20, 5, false), SHARE_OK);
    share_everything();
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_int_equal(is_shared(0, slot), slot < 10 || slot >= 80 || (slot >= 20 && slot < 25));
}

static void what_is_shared_stays_so(void **state)
{
    (void)state;
    share_everything();
    assert_int_equal(alone(0, PAGES, true), SHARE_OK);
    assert_true(is_shared(0, 42) && is_shared(1, 42));
    assert_int_equal(vmm_store(vmm, 0, 42, 0, 43), SHARE_OK);
    share_everything();
    assert_false(is_shared(0, 42));
}

static void a_range_is_made_private(void **state)
{
    (void)state;
    share_everything();
    assert_int_equal(share_unshare(vmm->share, 0, (share_ppn){63}, 30), SHARE_OK);
    for (unsigned slot = 0; slot < PAGES; slot++) {
        assert_int_equal(is_shared(0, slot), slot < 63 || slot >= 93);
        assert_true(vmm_reads(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
    }
    assert_int_equal(share_unshare(vmm->share, 1, (share_ppn){0}, PAGES), SHARE_OK); /* in place */
    assert_int_equal(atomic_load(&vmm->calls[VMM_ALLOC]), 30 + PAGES - 30);
}

/* Without memory each page is whole, and the next call goes on. */
static void unsharing_is_resumed(void **state)
{
    (void)state;
    share_everything();
    vmm->answers[VMM_ALLOC] = SHARE_ANSWER_FAIL;
    assert_int_equal(share_unshare(vmm->share, 0, (share_ppn){0}, PAGES), SHARE_NOMEM);
    assert_true(is_shared(0, 0));
    vmm_must_be_sound(vmm);
    vmm->answers[VMM_ALLOC] = SHARE_ANSWER_OK;
    assert_int_equal(share_unshare(vmm->share, 0, (share_ppn){0}, PAGES), SHARE_OK);
    assert_false(is_shared(0, 0) || is_shared(0, PAGES - 1));
}

static void errors_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(alone(PAGES - 1, 2, true), SHARE_INVALID);
    assert_int_equal(alone(3, 0, true), SHARE_INVALID);
    assert_int_equal(share_leave_alone(vmm->share, 9, (share_ppn){0}, 1, true), SHARE_GONE);
    assert_int_equal(share_unshare(vmm->share, 0, (share_ppn){PAGES}, 1), SHARE_INVALID);
    assert_int_equal(share_unshare(vmm->share, 9, (share_ppn){0}, 1), SHARE_GONE);
    metadata.fail_at = metadata.calls + 1;
    metadata.fail_count = 1;
    assert_int_equal(alone(3, 4, true), SHARE_NOMEM);
    assert_int_equal(vmm_offer(vmm, 0, 3), SHARE_HINTED);
}

/* Against a set with a place for each page. */
static void ranges_are_sets(void **state)
{
    (void)state;
    struct share_mem mem;
    struct share_ranges ranges = {.room = 0};
    bool in[200] = {false};
    uint64_t random = 7;
    share_mem_init(&mem, NULL);
    for (unsigned step = 0; step < 2000; step++) {
        uint64_t first = random_to(&random, 200), count = 1 + random_to(&random, 20);
        bool put = random_to(&random, 2);
        if (first + count > 200)
            continue;
        assert_true(
            share_ranges_set(&ranges, &mem, (struct share_range){first, first + count}, put));
        for (uint64_t ppn = first; ppn < first + count; ppn++)
            in[ppn] = put;
        for (uint64_t ppn = 0; ppn < 200; ppn++)
            assert_int_equal(share_ranges_hold(&ranges, (share_ppn){ppn}), in[ppn]);
        for (uint32_t i = 1; i < ranges.count; i++)
            assert_true(ranges.range[i - 1].end < ranges.range[i].begin);
    }
    share_ranges_fini(&ranges, &mem);
    assert_int_equal(atomic_load(&mem.bytes), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_left_alone_is_shared_with_nobody),
        TEST(what_is_shared_stays_so),
        TEST(a_range_is_made_private),
        TEST(unsharing_is_resumed),
        TEST(errors_change_nothing),
        cmocka_unit_test(ranges_are_sets),
    };
    return RUN(tests);
}
