/* SPDX-License-Identifier: MIT */
/*
 * Two PPNs mapped one machine page, and it was all zero. The first became the group's zero frame;
 * the second was remapped from that machine page to itself, and it was freed while both mapped it.
 */
#include "test.h"
#include "vmm.h"

static void test(void **state)
{
    struct vmm *vmm = vmm_new(1, 2, 4);
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){0, 0}));
    vmm_alias(vmm, 0, 1, 0, 0);

    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_ZERO);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_ALREADY);
    assert_int_equal(atomic_load(&vmm->calls[VMM_FREE]), 0);
    vmm_unalias(vmm, 0, 1);
    vmm_end(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
