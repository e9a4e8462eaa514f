/* SPDX-License-Identifier: MIT */
/*
 * A page was given back while its bytes were still peeked at: share_forget could return, and the
 * VMM free the machine page, before the engine's unpeek of it. So whenever a page's bytes are let
 * go, the engine must still own the page.
 */
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;
static unsigned looked, private_at_unpeek;

static void look_at_owner(struct vmm *same, enum vmm_op op)
{
    if (op != VMM_UNPEEK)
        return;
    looked++;
    struct share_page_info info = vmm_info(same, 0, 0);
    private_at_unpeek += info.state != SHARE_PAGE_MERGING;
}

static void offer_watched(unsigned slot, enum share_outcome outcome)
{
    looked = private_at_unpeek = 0;
    vmm->step = look_at_owner;
    assert_int_equal(vmm_offer(vmm, 0, slot), outcome);
    vmm->step = NULL;
    assert_true(looked > 0);
    assert_int_equal(private_at_unpeek, 0);
}

static void test(void **state)
{
    vmm = vmm_new(1, 2, 4);
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    vmm_weaken_hash(vmm, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_true(vmm_populate(vmm, 0, 1, (struct vmm_content){2, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_HINTED);
    offer_watched(0, SHARE_FALSE_MATCH); /* compared, and found different */
    offer_watched(0, SHARE_INELIGIBLE);  /* hashed, and found unchanged */
    share_free(vmm->share);
    vmm_free(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
