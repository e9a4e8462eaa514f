/* SPDX-License-Identifier: MIT */
/*
 * A VMM unmaps a page, flushes, and calls share_forget: the order that the header asks for. Between
 * the two, share_check said that a shared page has no machine page.
 */
#include "test.h"
#include "vmm.h"

static void test(void **state)
{
    struct vmm *vmm = vmm_new(1, 2, 2);
    struct share_check_report report;
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){7, 0}));
    assert_int_equal(share_now(vmm->share, 4, NULL), SHARE_OK);
    vmm_page(vmm, 0, 1)->present = false;
    assert_int_equal(share_check(vmm->share, &report), SHARE_OK);
    vmm_page(vmm, 0, 1)->present = true;
    assert_int_equal(vmm_forget(vmm, 0, 1), SHARE_OWNER_ENGINE);
    vmm_end(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
