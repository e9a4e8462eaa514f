/* SPDX-License-Identifier: MIT */
/*
 * A page told to share_dirty that met a failing op was no longer dirty: sharing called itself
 * settled though nobody had looked at it.
 */
#include "test.h"
#include "vmm.h"

static enum share_answer no_peek(struct vmm *vmm, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    (void)vmm;
    (void)vm;
    (void)ppn;
    return op == VMM_PEEK ? SHARE_ANSWER_FAIL : SHARE_ANSWER_OK;
}

static void test(void **state)
{
    struct vmm *vmm = vmm_new(1, 1, 2);
    struct share_scan_report report;
    struct share_stats stats;
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_true(share_settled(vmm->share));

    assert_int_equal(share_dirty(vmm->share, 0, &(share_ppn){0}, 1), SHARE_OK);
    vmm->answer = no_peek;
    assert_int_equal(share_scan(vmm->share, SHARE_DIRTY, 0, 10, &report), SHARE_OK);
    assert_int_equal(report.outcomes[SHARE_ERROR], 1);
    assert_false(share_settled(vmm->share));

    vmm->answer = NULL;
    assert_int_equal(share_scan(vmm->share, SHARE_DIRTY, 0, 10, &report), SHARE_OK);
    assert_int_equal(report.looked_pages, 1);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.dirty_pages, 0);
    share_free(vmm->share);
    vmm_free(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
