/* SPDX-License-Identifier: MIT */
/* Aliases, as many as one likes. */
#include "test.h"
#include "vmm.h"

enum { MANY = 300 }; /* more than the first table of aliases has room for */

static void many_aliases_are_marked(void **state)
{
    (void)state;
    struct vmm *vmm = vmm_new(1, MANY, MANY);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < MANY; slot += 2) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        vmm_alias(vmm, 0, slot + 1, 0, slot);
    }
    for (unsigned pass = 0; pass < 2; pass++)
        (void)vmm_scan(vmm, 0);
    for (unsigned slot = 0; slot < MANY; slot++)
        assert_int_equal(vmm_info(vmm, 0, slot).state, SHARE_PAGE_NO_MATCH);
    for (unsigned slot = 1; slot < MANY; slot += 2)
        vmm_unalias(vmm, 0, slot);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_aliases_are_marked),
    };
    return RUN(tests);
}
