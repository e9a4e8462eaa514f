/* SPDX-License-Identifier: MIT */
#include "group.h"
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;

static int begin(void **state)
{
    (void)state;
    vmm = vmm_new(6, 4, 24);
    vmm_engine(vmm, NULL, 42);
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    return 0;
}

/* A VM of a group with one page of each content. */
static share_vm add(share_group group, uint64_t first, uint64_t second)
{
    share_vm vm = vmm_add(vmm, group, 0, 0);
    assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){first, 0}));
    assert_true(vmm_populate(vmm, vm, 1, (struct vmm_content){second, 0}));
    return vm;
}

static void groups_never_merge(void **state)
{
    (void)state;
    share_group one, two;
    assert_int_equal(share_group_add(vmm->share, true, &one), SHARE_OK);
    assert_int_equal(share_group_add(vmm->share, true, &two), SHARE_OK);
    assert_true(one != two && one != 0 && two != 0);
    for (unsigned i = 0; i < 2; i++) {
        add(0, 1, 0);
        add(one, 1, 0);
        add(two, 1, 0);
    }
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 6); /* a page and a zero page each */
    for (share_vm a = 0; a < 6; a++)
        for (share_vm b = 0; b < 6; b++)
            for (unsigned slot = 0; slot < 2; slot++)
                assert_int_equal(vmm_info(vmm, a, slot).frame == vmm_info(vmm, b, slot).frame,
                                 a % 3 == b % 3);
}

/* Nor do they with one hash for all pages: the group is asked for, whatever the key. */
static void groups_never_merge_by_a_collision(void **state)
{
    (void)state;
    vmm_weaken_hash(vmm, 0);
    share_group one;
    assert_int_equal(share_group_add(vmm->share, true, &one), SHARE_OK);
    share_vm a = add(0, 1, 2), b = add(0, 1, 3), c = add(one, 1, 2), d = add(one, 4, 5);
    assert_int_equal(vmm_offer(vmm, a, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, c, 0), SHARE_HINTED); /* beside the other group's hint */
    assert_int_equal(vmm_offer(vmm, b, 0), SHARE_PROMOTED);
    assert_int_equal(vmm_offer(vmm, d, 0), SHARE_FALSE_MATCH); /* with its own group's hint */
    assert_int_equal(vmm_info(vmm, c, 0).state, SHARE_PAGE_HINTED);
}

static void secrets_differ(void **state)
{
    (void)state;
    share_group one;
    assert_int_equal(share_group_add(vmm->share, true, &one), SHARE_OK);
    assert_memory_not_equal(share_group_at(vmm->share, 0)->secret.bytes,
                            share_group_at(vmm->share, one)->secret.bytes, SHARE_SECRET_NBYTES);
    share_vm a = add(0, 1, 2), b = add(one, 1, 2);
    vmm_offer(vmm, a, 0);
    vmm_offer(vmm, b, 0);
    assert_true(vmm_info(vmm, a, 0).hash_top != vmm_info(vmm, b, 0).hash_top);
}

static void a_group_that_is_off_shares_nothing(void **state)
{
    (void)state;
    share_group off;
    struct share_scan_report report;
    assert_int_equal(share_group_add(vmm->share, false, &off), SHARE_OK);
    share_vm a = add(off, 1, 0), b = add(off, 1, 0);
    assert_int_equal(vmm_offer(vmm, a, 0), SHARE_GROUP_OFF);
    assert_int_equal(vmm_offer(vmm, b, 1), SHARE_GROUP_OFF);
    assert_int_equal(share_now(vmm->share, 5, &report), SHARE_OK);
    assert_int_equal(report.outcomes[SHARE_GROUP_OFF], report.looked_pages);
    assert_int_equal(vmm_used(vmm), 4);
    assert_int_equal(share_vm_regroup(vmm->share, a, 0), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, a, 0), SHARE_HINTED);
}

static void only_empty_groups_go(void **state)
{
    (void)state;
    share_group one, two;
    assert_int_equal(share_group_add(vmm->share, true, &one), SHARE_OK);
    share_vm a = add(one, 0, 0);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(share_group_remove(vmm->share, 0), SHARE_INVALID);
    assert_int_equal(share_group_remove(vmm->share, one), SHARE_INVALID);
    assert_int_equal(share_group_remove(vmm->share, one + 1), SHARE_GONE);
    vmm_remove(vmm, a, true);
    assert_int_equal(share_group_remove(vmm->share, one), SHARE_OK);
    assert_int_equal(share_group_remove(vmm->share, one), SHARE_GONE);
    share_vm vm;
    assert_int_equal(share_vm_add(vmm->share, one, (share_ppn){0}, (share_ppn){1}, NULL, &vm),
                     SHARE_GONE);
    /* Its number comes back without what it had. */
    assert_int_equal(share_group_add(vmm->share, true, &two), SHARE_OK);
    assert_int_equal(two, one);
    a = add(two, 0, 0);
    assert_int_equal(vmm_offer(vmm, a, 0), SHARE_ZERO);
    assert_int_equal(vmm_info(vmm, a, 0).refs, 1);
}

static void there_is_a_last_group(void **state)
{
    (void)state;
    share_group group = 0;
    for (unsigned i = 1; i < SHARE_GROUPS_MAX; i++)
        assert_int_equal(share_group_add(vmm->share, true, &group), SHARE_OK);
    assert_int_equal(group, SHARE_GROUPS_MAX - 1);
    share_group more;
    assert_int_equal(share_group_add(vmm->share, true, &more), SHARE_NOMEM);
    share_vm a = add(group, 1, 0), b = add(group, 1, 0);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_info(vmm, a, 0).refs, 2);
    assert_int_equal(vmm_info(vmm, b, 1).refs, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(groups_never_merge),   TEST(groups_never_merge_by_a_collision),
        TEST(secrets_differ),       TEST(a_group_that_is_off_shares_nothing),
        TEST(only_empty_groups_go), TEST(there_is_a_last_group),
    };
    return RUN(tests);
}
