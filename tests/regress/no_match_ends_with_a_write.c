/* SPDX-License-Identifier: MIT */
/*
 * A page that had been a false match was looked at again, and meanwhile the VMM said that it would
 * write to it (share_break): it was left out all the same. A break may be followed by any content.
 */
#include "lock.h"
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;

static void break_before_release(enum share_step step)
{
    if (step != SHARE_STEP_RELEASE)
        return;
    share_step_hook = NULL;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_OK);
}

static void test(void **state)
{
    (void)state;
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 0);
    vmm_weaken_hash(vmm, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_true(vmm_populate(vmm, vmm_add(vmm, 0, 0, 0), 0, (struct vmm_content){1 + i, 1}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_FALSE_MATCH);
    share_step_hook = break_before_release;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_INELIGIBLE);
    assert_null(share_step_hook);
    assert_int_equal(vmm_store(vmm, 1, 0, 0, 1), SHARE_OK); /* like the first page now */
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
