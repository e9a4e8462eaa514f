/* SPDX-License-Identifier: MIT */
/*
 * A random pass that drew a VM without any page ended there and then, with nothing looked at, and
 * sharing called itself settled.
 */
#include "test.h"
#include "vmm.h"

static void test(void **state)
{
    struct vmm *vmm = vmm_new(2, 64, 64);
    struct share_scan_report report;
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 20); /* 64 Mi PPNs, and no page behind any */
    share_vm full = vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 64; slot++)
        assert_true(vmm_populate(vmm, full, slot, (struct vmm_content){slot + 1, 0}));

    assert_int_equal(share_scan(vmm->share, SHARE_RANDOM, 0, 1000, &report), SHARE_OK);
    assert_true(report.looked_pages > 0);
    assert_false(share_settled(vmm->share) && report.looked_pages < 64);
    share_free(vmm->share);
    vmm_free(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
