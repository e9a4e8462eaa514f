/* SPDX-License-Identifier: MIT */
/*
 * Two pages of equal content were matched; before they were protected, both were written, alike.
 * They compared equal, and the new frame stood in the table under the hash of what they had held
 * before: nothing found it, and its end searched the whole table.
 */
#include "test.h"
#include "vmm.h"

static void write_both(struct vmm *vmm, enum vmm_op op)
{
    if (op != VMM_PROTECT)
        return;
    for (share_vm vm = 0; vm < 2; vm++) {
        uint64_t value = 9; /* neither page is protected yet: the guests may */
        memcpy(vmm_bytes(vmm, vmm_page(vmm, vm, 0)->mpn), &value, sizeof value);
    }
    vmm->step = NULL;
}

static void test(void **state)
{
    struct vmm *vmm = vmm_new(3, 1, 8);
    vmm_engine(vmm, NULL, 0);
    for (unsigned i = 0; i < 3; i++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){i < 2 ? 1 : 9, 0}));
    }
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm->step = write_both;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_VOLATILE);
    vmm_must_be_sound(vmm);

    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    vmm_must_be_sound(vmm);
    assert_int_equal(vmm_info(vmm, 2, 0).refs, 3);
    share_free(vmm->share);
    vmm_free(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
