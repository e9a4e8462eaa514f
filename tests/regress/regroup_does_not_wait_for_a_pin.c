/* SPDX-License-Identifier: MIT */
/*
 * share_vm_regroup tried again for ever while a shared page of the VM was pinned, inside the gate:
 * share_check waited for it, and every break waited for share_check.
 */
#include "test.h"
#include "vmm.h"

static void test(void **state)
{
    struct vmm *vmm = vmm_new(2, 2, 8);
    share_group other;
    vmm_engine(vmm, NULL, 0);
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    for (unsigned i = 0; i < 2; i++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < 2; slot++)
            assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){slot, 0}));
    }
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_BUSY; /* a device reads it, and it must not move */
    assert_int_equal(share_vm_regroup(vmm->share, 0, other), SHARE_RETRY);
    vmm_must_be_sound(vmm);
    assert_int_equal(share_group_remove(vmm->share, other), SHARE_OK); /* still in the old one */
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_OK;
    assert_int_equal(share_vm_regroup(vmm->share, 0, other), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 4);
    vmm_end(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
