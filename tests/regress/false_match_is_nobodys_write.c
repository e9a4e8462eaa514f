/* SPDX-License-Identifier: MIT */
/*
 * A write won against a merge while its pages were compared, and the bytes had their old hash when
 * they were hashed again: that was taken for a false match, and the page was left out until it
 * changed, which it might never do. Here hashes collide, so that any write will do.
 */
#include "test.h"
#include "vmm.h"

static share_vm writes; /* whose page is written, once it is protected and about to be compared */

static void write_while_compared(struct vmm *vmm, enum vmm_op op)
{
    if (op != VMM_PEEK || !vmm_page(vmm, writes, 0)->reasons)
        return;
    vmm->step = NULL;
    assert_int_equal(vmm_store(vmm, writes, 0, 0, 7), SHARE_OK);
}

static void written_meanwhile(share_vm which, enum share_outcome outcome)
{
    struct vmm *vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 0);
    vmm_weaken_hash(vmm, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_true(vmm_populate(vmm, vmm_add(vmm, 0, 0, 0), 0, (struct vmm_content){1, 1}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    writes = which;
    vmm->step = write_while_compared;
    assert_int_equal(vmm_offer(vmm, 1, 0), outcome);
    assert_null(vmm->step);
    assert_int_not_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_NO_MATCH);
    assert_int_not_equal(vmm_info(vmm, 1, 0).state, SHARE_PAGE_NO_MATCH);
    vmm_must_be_sound(vmm);

    assert_int_equal(vmm_store(vmm, which, 0, 0, 1), SHARE_OK); /* what it was */
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).refs, 2);
    vmm_end(vmm);
}

static void the_page_offered(void **state)
{
    (void)state;
    written_meanwhile(1, SHARE_BUSY);
}

static void its_partner(void **state)
{
    (void)state;
    written_meanwhile(0, SHARE_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_offered),
                                       cmocka_unit_test(its_partner)};
    return RUN(tests);
}
