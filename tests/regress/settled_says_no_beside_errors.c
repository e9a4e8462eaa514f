/* SPDX-License-Identifier: MIT */
/*
 * Every page could not be read: share_now said ok, and sharing had settled. A busy page, too, was
 * no reason to say that nothing is left to share.
 */
#include "test.h"
#include "vmm.h"

static void errors(void **state)
{
    struct vmm *vmm = vmm_new(1, 8, 8);
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 8; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot / 2, 0}));
    vmm->answers[VMM_PEEK] = SHARE_ANSWER_FAIL;
    assert_int_equal(share_now(vmm->share, 3, NULL), SHARE_UNSETTLED);
    assert_false(share_settled(vmm->share));
    vmm->answers[VMM_PEEK] = SHARE_ANSWER_OK;
    assert_int_equal(share_now(vmm->share, 3, NULL), SHARE_OK);
    assert_true(share_settled(vmm->share));
    vmm_end(vmm);
    (void)state;
}

static void busy_pages(void **state)
{
    struct vmm *vmm = vmm_new(1, 4, 4);
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 4; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1, 0}));
    vmm_page(vmm, 0, 3)->pinned = true;
    assert_int_equal(share_now(vmm->share, 4, NULL), SHARE_UNSETTLED);
    assert_false(share_settled(vmm->share));
    vmm_page(vmm, 0, 3)->pinned = false;
    assert_int_equal(share_now(vmm->share, 4, NULL), SHARE_OK);
    assert_true(share_settled(vmm->share));
    vmm_end(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(errors), cmocka_unit_test(busy_pages)};
    return RUN(tests);
}
