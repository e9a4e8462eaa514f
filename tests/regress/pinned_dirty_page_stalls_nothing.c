/* SPDX-License-Identifier: MIT */
/*
 * Dirty pages come first in every scan, and one that was busy stays dirty. A scan ended when it met
 * one: as long as a dirty page was pinned nothing else was ever looked at, and share_now said OK.
 */
#include "test.h"
#include "vmm.h"

static void test(void **state)
{
    struct vmm *vmm = vmm_new(1, 8, 8);
    struct share_scan_report report;
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 8; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot / 2, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm_page(vmm, 0, 1)->pinned = true; /* equal to the first: protect will be asked, and is busy */
    assert_int_equal(share_dirty(vmm->share, 0, &(share_ppn){1}, 1), SHARE_OK);

    assert_int_equal(share_scan(vmm->share, SHARE_DIRTY, 0, 100, &report), SHARE_OK);
    assert_int_equal(report.outcomes[SHARE_BUSY], report.looked_pages);
    assert_int_equal(share_now(vmm->share, 5, &report), SHARE_UNSETTLED); /* one is busy */
    assert_int_equal(report.outcomes[SHARE_PROMOTED], 3);
    assert_false(share_settled(vmm->share)); /* a dirty page waits */

    vmm_page(vmm, 0, 1)->pinned = false;
    assert_int_equal(share_now(vmm->share, 5, &report), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 4);
    assert_true(share_settled(vmm->share));
    vmm_end(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
