/* SPDX-License-Identifier: MIT */
/*
 * A promotion made its partner SHARED before the table's entry was changed from hint to frame and
 * before the page was counted: the partner's VM could leave in between, its number and chunk be
 * used again, and the count go to the wrong VM. Until all is done the partner must be on the move.
 */
#include "engine.h"
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;
static unsigned promotions;

static void at_step(enum share_step step)
{
    if (step != SHARE_STEP_PROMOTE)
        return;
    promotions++;
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_MOVING);
    assert_int_equal(atomic_load(&share_vm_at(vmm->share, 0)->counts.framed_pages), 0);
}

static void test(void **state)
{
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_true(vmm_populate(vmm, vmm_add(vmm, 0, 0, 0), 0, (struct vmm_content){1, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    share_step_hook = at_step;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    share_step_hook = NULL;
    assert_int_equal(promotions, 1);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_SHARED);
    vmm_end(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
