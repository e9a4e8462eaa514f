/* SPDX-License-Identifier: MIT */
/* Declared frames come into the table. */
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;

/* Page 0 has a hint, page 1 is declared, and they are equal. */
static void declare_beside_a_hint(void)
{
    vmm = vmm_new(1, 2, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    struct share_adopt_run run = {.ppn = vmm_ppn(vmm, 0, 1), .mpn = vmm_mpn(vmm, 0, 1), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, &run, 1, 0), SHARE_OK);
}

static void a_hinted_page_joins_a_frame_that_came_into_the_table(void **state)
{
    (void)state;
    declare_beside_a_hint();
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_ALREADY);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_JOINED);
    vmm_end(vmm);
}

static void store_to_page_0(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_PROTECT)
        return;
    of->step = NULL;
    assert_int_equal(vmm_store(of, 0, 0, 5, 99), SHARE_OK);
}

/* It is looked at less often from then on. */
static void a_hinted_page_that_changes_before_it_is_protected_slows_down(void **state)
{
    (void)state;
    declare_beside_a_hint();
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_ALREADY);
    vmm->step = store_to_page_0;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_VOLATILE);
    assert_int_equal(vmm_info(vmm, 0, 0).backoff, 1);
    vmm_end(vmm);
}

/* The pass in which the frame comes into the table finds nothing else. */
static void share_now_goes_on_when_frames_come_into_the_table(void **state)
{
    (void)state;
    declare_beside_a_hint();
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_SHARED);
    vmm_end(vmm);
}

/* A page that cannot go over to the frame of its content has no part in it. */
static void a_declared_page_that_cannot_go_over_stays(void **state)
{
    (void)state;
    vmm = vmm_new_guest(2);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    assert_int_equal(vmm_adopt_all(vmm), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_ALREADY);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_BUSY;
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_BUSY);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_OK;
    assert_int_equal(vmm_info(vmm, 0, 0).refs, 1);
    vmm_end(vmm);
}

/* The pass in which a store's frame takes the place of another one finds nothing else. */
static void share_now_goes_on_when_a_store_takes_a_place(void **state)
{
    (void)state;
    vmm = vmm_new_guest(3);
    for (unsigned slot = 1; slot < 3; slot++)
        assert_int_equal(vmm_store(vmm, 0, slot, 0, 1), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_PROMOTED);
    struct share_adopt_run run = {.ppn = vmm_ppn(vmm, 0, 2), .mpn = vmm_mpn(vmm, 0, 2), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, &run, 1, SHARE_ADOPT_KEEP), SHARE_OK);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).frame, vmm_info(vmm, 0, 2).frame);
    vmm_end(vmm);
}

/* Equal hashes prove nothing: declared pages stay what they were. */
static void declared_pages_of_one_hash_keep_their_contents(void **state)
{
    (void)state;
    vmm = vmm_new_guest(4);
    vmm_weaken_hash(vmm, 0);
    assert_int_equal(vmm_adopt_all(vmm), SHARE_OK);
    (void)!share_now(vmm->share, 4, NULL);
    for (unsigned slot = 0; slot < 4; slot++)
        assert_true(vmm_reads(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hinted_page_joins_a_frame_that_came_into_the_table),
        cmocka_unit_test(a_hinted_page_that_changes_before_it_is_protected_slows_down),
        cmocka_unit_test(share_now_goes_on_when_frames_come_into_the_table),
        cmocka_unit_test(a_declared_page_that_cannot_go_over_stays),
        cmocka_unit_test(share_now_goes_on_when_a_store_takes_a_place),
        cmocka_unit_test(declared_pages_of_one_hash_keep_their_contents),
    };
    return RUN(tests);
}
