/* SPDX-License-Identifier: MIT */
/* Writes that come before a page is protected. */
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;

static void store_before_it_is_protected(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_PROTECT)
        return;
    of->step = NULL;
    assert_int_equal(vmm_store(of, 1, 0, 5, 99), SHARE_OK);
}

static void a_page_that_changes_before_it_is_protected_is_volatile(void **state)
{
    (void)state;
    vmm = vmm_new_pair();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm->step = store_before_it_is_protected;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_VOLATILE);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_changes_before_it_is_protected_is_volatile),
    };
    return RUN(tests);
}
