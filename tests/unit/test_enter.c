/* SPDX-License-Identifier: MIT */
/* Who leaves waits for those inside, and whoever comes later finds nothing. */
#include "another.h"
#include "metadata.h"
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;
static struct metadata metadata;
static struct another another;
static enum share_outcome outcome_meanwhile;
static share_group other_group;

/* The second time, a number of a VM that was asked for when it had gone. */
static void a_vm_that_was_asked_for_in_vain_can_go(void **state)
{
    (void)state;
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 1);
    for (unsigned life = 0; life < 2; life++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        assert_int_equal(vm, 0);
        vmm_remove(vmm, vm, false);
        assert_int_equal(share_break(vmm->share, vm, (share_ppn){0}), SHARE_GONE);
    }
    vmm_end(vmm);
}

static void *remove_vm(void *ctx)
{
    (void)ctx;
    vmm_remove(vmm, 0, false);
    atomic_store(&another.has_returned, true);
    return NULL;
}

static enum share_result result_meanwhile;

static void start_removal(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_NEXT)
        return;
    of->step = NULL;
    another_start(&another, remove_vm);
    result_meanwhile = share_break(of->share, 0, (share_ppn){0});
}

/* The scanner is inside an op, and owns no page. A call that comes later finds no VM. */
static void a_removal_waits_for_calls_that_own_no_page(void **state)
{
    (void)state;
    vmm = vmm_new(1, 1, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    vmm->step = start_removal;
    (void)vmm_scan(vmm, 0);
    assert_true(another_ends(&another));
    assert_int_equal(result_meanwhile, SHARE_GONE);
    vmm_end(vmm);
}

static void *regroup(void *ctx)
{
    (void)ctx;
    assert_int_equal(share_vm_regroup(vmm->share, 0, other_group), SHARE_OK);
    atomic_store(&another.has_returned, true);
    return NULL;
}

static bool start_regrouping(void *ctx)
{
    (void)ctx;
    metadata.refuse = NULL;
    another_start(&another, regroup);
    outcome_meanwhile = vmm_offer(vmm, 0, 0);
    return false;
}

/* An offer asks for memory before it owns a page. One that comes later finds the group off. */
static void a_regrouping_waits_for_offers_that_own_no_page(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(1, 1, 4);
    vmm_engine(vmm, &metadata.alloc, 1);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_int_equal(share_group_add(vmm->share, true, &other_group), SHARE_OK);
    metadata.refuse = start_regrouping;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_true(another_ends(&another));
    assert_int_equal(outcome_meanwhile, SHARE_GROUP_OFF);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vm_that_was_asked_for_in_vain_can_go),
        cmocka_unit_test(a_removal_waits_for_calls_that_own_no_page),
        cmocka_unit_test(a_regrouping_waits_for_offers_that_own_no_page),
    };
    return RUN(tests);
}
