/* SPDX-License-Identifier: MIT */
/*
 * A VMM may share pages by itself (snapshot clones, fork servers), and not declare it. One of two
 * pages that map one MPN was merged with a third: the other one stayed writable, and its store
 * showed in what had been merged.
 */
#include "test.h"
#include "vmm.h"

enum { PAGES = 6 };
static struct vmm *vmm;

/* Pages 0 and 1, and others, all of one content; 0 and 1 map one machine page. */
static int begin(void **state)
{
    (void)state;
    vmm = vmm_new(1, PAGES, 2 * PAGES);
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){7, 0}));
    vmm_alias(vmm, 0, 1, 0, 0);
    for (unsigned slot = 2; slot < PAGES; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){7, 0}));
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    return 0;
}

static void must_be_private(unsigned slot)
{
    assert_int_not_equal(vmm_info(vmm, 0, slot).state, SHARE_PAGE_SHARED);
    assert_int_equal(vmm_page(vmm, 0, slot)->reasons, 0);
}

static void a_pair_that_is_met_is_never_merged(void **state)
{
    (void)state;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_ALREADY);
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 3), SHARE_PROMOTED);
    for (unsigned pass = 0; pass < 3; pass++)
        assert_int_equal(share_scan(vmm->share, SHARE_SEQUENTIAL, 0, UINT64_MAX, NULL), SHARE_OK);
    must_be_private(0);
    must_be_private(1);
    assert_int_equal(vmm_info(vmm, 0, 5).refs, 4);
    struct share_check_report report;
    assert_int_equal(share_check(vmm->share, &report), SHARE_FAIL);
    assert_int_equal(report.ppn.n, 1);
    vmm_unalias(vmm, 0, 1);
}

/* Of three, when two are marked. */
static void a_third_page_is_marked_as_well(void **state)
{
    (void)state;
    vmm_forget(vmm, 0, 4);
    vmm_alias(vmm, 0, 4, 0, 0);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_ALREADY);
    assert_int_equal(vmm_offer(vmm, 0, 4), SHARE_ALREADY);
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_HINTED);
    must_be_private(4);
    vmm_unalias(vmm, 0, 1);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_INELIGIBLE); /* there is still page 4 */
    vmm_unalias(vmm, 0, 4);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_PROMOTED);
}

static void the_last_one_is_a_page_like_others(void **state)
{
    (void)state;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_ALREADY);
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_INELIGIBLE);
    vmm_unalias(vmm, 0, 1);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_PROMOTED);
    vmm_must_be_sound(vmm);
}

static enum share_answer aliased_page_2(struct vmm *of, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    (void)of;
    (void)vm;
    return op == VMM_PROTECT && ppn.n == 2 ? SHARE_ANSWER_ALIASED : SHARE_ANSWER_OK;
}

/* Of the page that is offered, and of the one whose hint it met. */
static void what_protect_calls_aliased_is_left_alone(void **state)
{
    (void)state;
    vmm_unalias(vmm, 0, 1);
    vmm->answer = aliased_page_2;
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 3), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 4), SHARE_PROMOTED);
    assert_int_equal(vmm_info(vmm, 0, 2).state, SHARE_PAGE_NO_MATCH);
    vmm->answer = NULL;
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_INELIGIBLE);
    must_be_private(2);
    vmm_forget(vmm, 0, 2);
    assert_true(vmm_populate(vmm, 0, 2, (struct vmm_content){7, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_JOINED);
    vmm->answer = aliased_page_2;
    assert_int_equal(vmm_store(vmm, 0, 2, 0, 7), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_ALREADY);
    must_be_private(2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pair_that_is_met_is_never_merged),
        TEST(a_third_page_is_marked_as_well),
        TEST(the_last_one_is_a_page_like_others),
        TEST(what_protect_calls_aliased_is_left_alone),
    };
    return RUN(tests);
}
