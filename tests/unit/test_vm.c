/* SPDX-License-Identifier: MIT */
#include "enter.h"
#include "metadata.h"
#include "test.h"
#include "vmm.h"

#define SLOTS 80u /* more than a chunk */

static struct metadata metadata;
static struct vmm *vmm;
static share_group other;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(4, SLOTS, 4 * SLOTS);
    vmm_engine(vmm, &metadata.alloc, 1);
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm->answer = NULL;
    vmm_must_be_sound(vmm);
    share_free(vmm->share);
    assert_int_equal(metadata.blocks, 0);
    vmm_free(vmm);
    return 0;
}

/* A VM whose pages 0 .. SLOTS-1 have the contents 0 .. SLOTS-1. */
static share_vm add_full(void)
{
    share_vm vm = vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){slot, 0}));
    return vm;
}

static void wrong_ranges_are_refused(void **state)
{
    (void)state;
    share_vm vm = 77;
    struct share *share = vmm->share;
    assert_int_equal(share_vm_add(share, 0, (share_ppn){1}, (share_ppn){1}, NULL, &vm),
                     SHARE_INVALID);
    assert_int_equal(share_vm_add(share, 0, (share_ppn){2}, (share_ppn){1}, NULL, &vm),
                     SHARE_INVALID);
    assert_int_equal(
        share_vm_add(share, 0, (share_ppn){0}, (share_ppn){SHARE_PPN_END + 1}, NULL, &vm),
        SHARE_INVALID);
    assert_int_equal(share_vm_add(share, 99, (share_ppn){0}, (share_ppn){1}, NULL, &vm),
                     SHARE_GONE);
    assert_int_equal(vm, 77);
    assert_int_equal(share_vm_add(share, 0, (share_ppn){0}, (share_ppn){SHARE_PPN_END}, NULL, &vm),
                     SHARE_OK);
    assert_int_equal(share_vm_remove(share, vm), SHARE_OK);
}

static void a_vm_that_is_gone_is_gone(void **state)
{
    (void)state;
    struct share *share = vmm->share;
    share_vm vm = add_full();
    share_ppn ppn = {0};
    vmm_remove(vmm, vm, true);
    for (share_vm gone = vm; gone <= vm + 1; gone++) {
        enum share_outcome outcome = SHARE_HINTED;
        enum share_owner owner;
        struct share_page_info info;
        struct share_stats stats;
        struct share_vm_usage usage;
        assert_int_equal(share_offer(share, gone, &ppn, 1, &outcome), SHARE_GONE);
        assert_int_equal(outcome, SHARE_ERROR);
        assert_int_equal(share_break(share, gone, ppn), SHARE_GONE);
        assert_int_equal(share_forget(share, gone, ppn, &owner), SHARE_GONE);
        assert_int_equal(owner, SHARE_OWNER_CALLER);
        assert_int_equal(share_dirty(share, gone, &ppn, 1), SHARE_GONE);
        assert_int_equal(share_page_info(share, gone, ppn, 1, &info), SHARE_GONE);
        assert_int_equal(share_vm_stats(share, gone, &stats), SHARE_GONE);
        assert_int_equal(share_vm_usage(share, gone, &usage), SHARE_GONE);
        assert_int_equal(share_vm_remove(share, gone), SHARE_GONE);
        assert_int_equal(share_vm_regroup(share, gone, other), SHARE_GONE);
    }
}

static void removal_frees_frames_and_hints(void **state)
{
    (void)state;
    share_vm a = add_full(), b = add_full();
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), SLOTS);
    vmm_remove(vmm, a, false);
    assert_int_equal(vmm_used(vmm), SLOTS); /* the frames live on with one page each */
    assert_int_equal(vmm_info(vmm, b, 1).refs, 1);
    vmm_remove(vmm, b, false);
    assert_int_equal(vmm_used(vmm), 0);
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.frames + stats.hints + stats.framed_pages + stats.vms, 0);
}

static void a_number_comes_back_clean(void **state)
{
    (void)state;
    share_vm a = add_full();
    uint64_t bytes = 0;
    for (unsigned round = 0; round < 4; round++) {
        assert_int_equal(vmm_offer(vmm, a, 3), SHARE_HINTED);
        assert_int_equal(share_dirty(vmm->share, a, &(share_ppn){5}, 1), SHARE_OK);
        vmm_remove(vmm, a, round % 2);
        share_vm again = add_full();
        assert_int_equal(again, a);
        struct share_stats stats;
        assert_int_equal(share_vm_stats(vmm->share, a, &stats), SHARE_OK);
        assert_int_equal(stats.offered_pages + stats.dirty_pages + stats.framed_pages, 0);
        for (unsigned slot = 0; slot < SLOTS; slot++)
            assert_int_equal(vmm_info(vmm, a, slot).state, SHARE_PAGE_PRIVATE);
        if (round)
            assert_int_equal(metadata.bytes, bytes);
        bytes = metadata.bytes;
    }
}

static void regrouping_breaks_all_first(void **state)
{
    (void)state;
    share_vm a = add_full(), b = add_full();
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(share_vm_regroup(vmm->share, a, 0), SHARE_OK); /* it is there */
    assert_int_equal(vmm_used(vmm), SLOTS);
    assert_int_equal(share_vm_regroup(vmm->share, a, 99), SHARE_GONE);
    assert_int_equal(vmm_used(vmm), SLOTS);
    assert_int_equal(share_vm_regroup(vmm->share, a, other), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 2 * SLOTS);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        assert_int_equal(vmm_info(vmm, a, slot).state, SHARE_PAGE_PRIVATE);
        assert_true(vmm_reads(vmm, a, slot, (struct vmm_content){slot, 0}));
    }
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 2 * SLOTS); /* isolated now */
    assert_int_equal(share_group_remove(vmm->share, other), SHARE_INVALID);
    assert_int_equal(share_vm_regroup(vmm->share, a, 0), SHARE_OK);
    assert_int_equal(share_group_remove(vmm->share, other), SHARE_OK);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), SLOTS);
    (void)b;
}

static unsigned allocs_left;
static enum share_answer remap_answer;

static enum share_answer answer(struct vmm *same, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    (void)same;
    (void)vm;
    (void)ppn;
    if (op == VMM_ALLOC)
        return allocs_left && allocs_left-- ? SHARE_ANSWER_OK : SHARE_ANSWER_FAIL;
    return op == VMM_REMAP ? remap_answer : SHARE_ANSWER_OK;
}

static void a_regrouping_without_memory_can_be_resumed(void **state)
{
    (void)state;
    share_vm a = add_full(), b = add_full();
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    allocs_left = 30;
    remap_answer = SHARE_ANSWER_OK;
    vmm->answer = answer;
    assert_int_equal(share_vm_regroup(vmm->share, a, other), SHARE_NOMEM);
    assert_int_equal(vmm_used(vmm), SLOTS + 30);
    vmm_must_be_sound(vmm);
    /* Still in its old group: its pages may share there. */
    assert_int_equal(vmm_offer(vmm, a, 0), SHARE_ZERO);
    assert_int_equal(share_group_remove(vmm->share, other), SHARE_OK);
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    allocs_left = 10;
    assert_int_equal(share_vm_regroup(vmm->share, a, other), SHARE_NOMEM);
    allocs_left = SLOTS;
    remap_answer = SHARE_ANSWER_FAIL;
    assert_int_equal(share_vm_regroup(vmm->share, a, other), SHARE_FAIL);
    remap_answer = SHARE_ANSWER_OK;
    assert_int_equal(share_vm_regroup(vmm->share, a, other), SHARE_OK);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        assert_true(vmm_reads(vmm, a, slot, (struct vmm_content){slot, 0}));
    (void)b;
}

static void pages_not_looked_at_cost_nothing(void **state)
{
    (void)state;
    uint64_t before = metadata.bytes;
    share_vm vm;
    assert_int_equal(
        share_vm_add(vmm->share, 0, (share_ppn){0}, (share_ppn){SHARE_PPN_END}, NULL, &vm),
        SHARE_OK);
    assert_true(metadata.bytes - before < 8192); /* a slab of VMs at most */
    assert_int_equal(share_vm_remove(vmm->share, vm), SHARE_OK);
}

static void states_follow_each_other(void **state)
{
    (void)state;
    for (enum share_vm_state from = SHARE_VM_FREE; from <= SHARE_VM_DYING; from++)
        for (enum share_vm_state to = SHARE_VM_FREE; to <= SHARE_VM_DYING; to++)
            assert_int_equal(share_vm_may_become(from, to),
                             to == (from == SHARE_VM_DYING ? SHARE_VM_FREE : from + 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_ranges_are_refused),         TEST(a_vm_that_is_gone_is_gone),
        TEST(removal_frees_frames_and_hints),   TEST(a_number_comes_back_clean),
        TEST(regrouping_breaks_all_first),      TEST(a_regrouping_without_memory_can_be_resumed),
        TEST(pages_not_looked_at_cost_nothing), TEST(states_follow_each_other),
    };
    return RUN(tests);
}
