/* SPDX-License-Identifier: MIT */
/*
 * A scanner chose pages of a VM, which was removed before it looked at them. Its number went to a
 * new VM, not started yet, and the scanner looked at that one's pages: ops named it too early, and
 * where it was about to be a clone, its pages were changed under share_vm_clone.
 */
#include "lock.h"
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;
static unsigned batches;

static void replace_vm(enum share_step step)
{
    if (step != SHARE_STEP_BATCH || batches++)
        return;
    vmm_remove(vmm, 0, true);
    assert_int_equal(vmm_add_stopped(vmm, 0, 0, 0), 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){2, 0}));
}

static void scan(enum share_order order)
{
    share_ppn ppn = {0};
    batches = 0;
    vmm = vmm_new(1, 1, 4);
    vmm_engine(vmm, NULL, 0);
    assert_true(vmm_populate(vmm, vmm_add(vmm, 0, 0, 0), 0, (struct vmm_content){1, 0}));
    if (order == SHARE_DIRTY)
        assert_int_equal(share_dirty(vmm->share, 0, &ppn, 1), SHARE_OK);
    share_step_hook = replace_vm;
    assert_int_equal(share_scan(vmm->share, order, 0, 1, NULL), SHARE_OK);
    share_step_hook = NULL;
    assert_true(batches >= 1);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_PRIVATE);
    assert_int_equal(share_vm_start(vmm->share, 0), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm_end(vmm);
}

static void test(void **state)
{
    (void)state;
    scan(SHARE_SEQUENTIAL);
    scan(SHARE_RANDOM);
    scan(SHARE_DIRTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
