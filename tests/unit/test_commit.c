/* SPDX-License-Identifier: MIT */
/* Writes that win when both pages have been compared. */
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;
static unsigned breaks;

/* A write to the partner when both pages have been compared, and are equal. */
static void break_the_partner(struct vmm *of, enum vmm_op op)
{
    if (op == VMM_PROTECT)
        breaks = 1;
    if (op != VMM_UNPEEK || breaks != 1)
        return;
    breaks++;
    assert_int_equal(share_break(of->share, 0, vmm_ppn(of, 0, 0)), SHARE_OK);
}

static void a_promotion_that_a_write_wins_leaves_no_frame(void **state)
{
    (void)state;
    vmm = vmm_new_pair();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    breaks = 0;
    vmm->step = break_the_partner;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_BUSY);
    vmm->step = NULL;
    assert_int_equal(breaks, 2);
    vmm_must_be_sound(vmm);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promotion_that_a_write_wins_leaves_no_frame),
    };
    return RUN(tests);
}
