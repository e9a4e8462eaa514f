/* SPDX-License-Identifier: MIT */
/* Whom a page is compared with. */
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;

static enum share_outcome outcome_meanwhile;

static void offer_its_equal(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_RESOLVE)
        return;
    of->step = NULL;
    outcome_meanwhile = vmm_offer(of, 1, 0);
}

static void a_page_whose_partner_is_looked_at_is_busy(void **state)
{
    (void)state;
    vmm = vmm_new_pair();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm->step = offer_its_equal;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(outcome_meanwhile, SHARE_BUSY);
    vmm_end(vmm);
}

/* Contents that look the same in the table, and have different hashes. */
static void an_item_tries_four_entries(void **state)
{
    (void)state;
    vmm = vmm_new(1, 6, 8);
    vmm_engine(vmm, NULL, 1);
    vmm_weaken_hash(vmm, 0xffffff);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 6; slot++) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        assert_int_equal(vmm_offer(vmm, 0, slot), slot < 5 ? SHARE_HINTED : SHARE_FALSE_MATCH);
    }
    vmm_end(vmm);
}

/* Even if all hashes of all groups are equal. */
static void a_page_joins_no_frame_of_another_group(void **state)
{
    share_group other;
    (void)state;
    vmm = vmm_new(3, 1, 6);
    vmm_engine(vmm, NULL, 1);
    vmm_weaken_hash(vmm, 0);
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    for (share_vm vm = 0; vm < 3; vm++) {
        vmm_add(vmm, vm < 2 ? 0 : other, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_HINTED);
    vmm_end(vmm);
}

/* An alias of a frame's machine page that nobody declared. */
static void an_alias_of_a_frame_is_left_alone(void **state)
{
    (void)state;
    vmm = vmm_new(1, 3, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1, 0}));
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    vmm_alias(vmm, 0, 2, 0, 0);
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_ALREADY);
    assert_int_equal(vmm_info(vmm, 0, 2).state, SHARE_PAGE_NO_MATCH);
    vmm_unalias(vmm, 0, 2);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_whose_partner_is_looked_at_is_busy),
        cmocka_unit_test(an_item_tries_four_entries),
        cmocka_unit_test(a_page_joins_no_frame_of_another_group),
        cmocka_unit_test(an_alias_of_a_frame_is_left_alone),
    };
    return RUN(tests);
}
