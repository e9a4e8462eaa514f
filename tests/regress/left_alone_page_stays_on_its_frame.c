/* SPDX-License-Identifier: MIT */
/*
 * share_leave_alone ended what was known of a page that had been on no frame a moment ago. If an
 * offer of another VM shared the page in between, its reference went while it mapped the frame: the
 * machine page was freed under it, or became another guest's to write.
 */
#include "lock.h"
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;
static unsigned offers;

/* The page's word has been read, and is about to be changed. */
static void offer_the_other(enum share_step step)
{
    if (step != SHARE_STEP_SWAP || offers++)
        return;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
}

static void test(void **state)
{
    (void)state;
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_true(vmm_populate(vmm, vmm_add(vmm, 0, 0, 0), 0, (struct vmm_content){1, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    share_step_hook = offer_the_other;
    assert_int_equal(share_leave_alone(vmm->share, 0, (share_ppn){0}, 1, true), SHARE_OK);
    share_step_hook = NULL;
    assert_true(offers > 1);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_SHARED);
    assert_int_equal(vmm_info(vmm, 0, 0).refs, 2);
    vmm_must_be_sound(vmm);
    assert_int_equal(vmm_write(vmm, 1, 0, (struct vmm_content){2, 0}), SHARE_OK);
    assert_true(vmm_reads(vmm, 0, 0, (struct vmm_content){1, 0}));
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
