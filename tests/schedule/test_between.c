/* SPDX-License-Identifier: MIT */
/* What must hold at one named step: promises that no final state shows. */
#include "lock.h"
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;
static enum share_step wanted;
static unsigned stores, unlinks;

/* VM i's page 0 has content 1. */
static int begin(void **state)
{
    (void)state;
    stores = unlinks = 0;
    vmm = vmm_new(3, 1, 8);
    vmm_engine(vmm, NULL, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(vmm_populate(vmm, vmm_add(vmm, 0, 0, 0), 0, (struct vmm_content){1, 0}));
    return 0;
}

static int end(void **state)
{
    (void)state;
    share_step_hook = NULL;
    vmm_must_be_sound(vmm);
    share_free(vmm->share);
    vmm_free(vmm);
    return 0;
}

/* The guest stores at a step of the merge, and need not wait: one fault, one break, done. */
static void store_at_once(enum share_step step)
{
    unsigned reasons;
    if (step != wanted || stores)
        return;
    stores++;
    for (share_vm vm = 0; vm < 2; vm++) {
        enum share_result result = vmm_store_once(vmm, vm, 0, 7, 77, &reasons);
        if (result == SHARE_RETRY) {
            assert_int_equal(share_break(vmm->share, vm, (share_ppn){0}), SHARE_OK);
            result = vmm_store_once(vmm, vm, 0, 7, 77, &reasons);
        }
        assert_int_equal(result, SHARE_OK);
    }
}

static void a_write_never_waits_for_a_compare(void **state)
{
    (void)state;
    static const enum share_step steps[] = {SHARE_STEP_FIND, SHARE_STEP_PROTECT, SHARE_STEP_COMPARE,
                                            SHARE_STEP_COMMIT};
    for (unsigned i = 0; i < 4; i++) {
        if (i)
            begin(NULL);
        wanted = steps[i];
        vmm_offer(vmm, 0, 0);
        share_step_hook = store_at_once;
        enum share_outcome outcome = vmm_offer(vmm, 1, 0);
        share_step_hook = NULL;
        assert_int_equal(stores, 1);
        assert_int_not_equal(outcome, SHARE_PROMOTED);
        for (share_vm vm = 0; vm < 2; vm++) {
            uint64_t value;
            memcpy(&value, vmm_bytes(vmm, vmm_page(vmm, vm, 0)->mpn) + 56, sizeof value);
            assert_int_equal(value, 77);
            assert_int_equal(vmm_page(vmm, vm, 0)->reasons, 0);
        }
        if (i < 3)
            end(NULL);
    }
}

static void look_for_protection(enum share_step step)
{
    if (step != SHARE_STEP_UNLINK)
        return;
    unlinks++;
    assert_true(vmm_page(vmm, 0, 0)->reasons & VMM_SHARING);
}

/* Or its content, by which the frame is found in the table, may change under the search. */
static void the_last_break_unlinks_before_it_unprotects(void **state)
{
    (void)state;
    vmm_offer(vmm, 0, 0);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    vmm_forget(vmm, 1, 0);
    share_step_hook = look_for_protection;
    assert_int_equal(share_break(vmm->share, 0, (share_ppn){0}), SHARE_OK);
    assert_int_equal(unlinks, 1);
    assert_int_equal(vmm_page(vmm, 0, 0)->reasons, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_never_waits_for_a_compare),
        TEST(the_last_break_unlinks_before_it_unprotects),
    };
    return RUN(tests);
}
