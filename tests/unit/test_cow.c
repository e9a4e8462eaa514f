/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;

/* Three VMs of two pages: contents 1 and 0. */
static int begin(void **state)
{
    (void)state;
    vmm = vmm_new(3, 2, 12);
    vmm_engine(vmm, NULL, 1);
    for (unsigned i = 0; i < 3; i++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
        assert_true(vmm_populate(vmm, vm, 1, (struct vmm_content){0, 0}));
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    return 0;
}

static void share_all(void)
{
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 2);
}

static enum share_result break_page(share_vm vm, unsigned slot)
{
    return share_break(vmm->share, vm, vmm_ppn(vmm, vm, slot));
}

static void a_write_gets_a_copy(void **state)
{
    (void)state;
    share_all();
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_int_equal(vmm_store(vmm, 1, slot, 100, 7), SHARE_OK);
        assert_int_equal(vmm_info(vmm, 1, slot).state, SHARE_PAGE_PRIVATE);
        assert_int_equal(vmm_info(vmm, 0, slot).refs, 2);
        assert_true(vmm_reads(vmm, 0, slot, (struct vmm_content){slot ? 0 : 1, 0}));
        assert_false(vmm_reads(vmm, 1, slot, (struct vmm_content){slot ? 0 : 1, 0}));
    }
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.breaks_copied, 2);
    assert_int_equal(stats.breaks_last, 0);
    assert_int_equal(vmm_used(vmm), 4);
}

static void the_last_reference_is_not_copied(void **state)
{
    (void)state;
    share_all();
    for (unsigned slot = 0; slot < 2; slot++) {
        uint32_t mpn = vmm_page(vmm, 2, slot)->mpn;
        assert_int_equal(break_page(0, slot), SHARE_OK);
        assert_int_equal(break_page(1, slot), SHARE_OK);
        uint64_t allocs = atomic_load(&vmm->calls[VMM_ALLOC]);
        assert_int_equal(break_page(2, slot), SHARE_OK);
        assert_int_equal(atomic_load(&vmm->calls[VMM_ALLOC]), allocs);
        assert_int_equal(vmm_page(vmm, 2, slot)->mpn, mpn);
        assert_int_equal(vmm_page(vmm, 2, slot)->reasons, 0);
    }
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.breaks_last, 2);
    assert_int_equal(stats.frames, 0);
    assert_int_equal(vmm_used(vmm), 6);
    share_all(); /* and all of it may share again */
}

static void breaking_what_is_not_shared_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(break_page(0, 0), SHARE_OK); /* never offered */
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(break_page(0, 0), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_HINTED);
    assert_int_equal(share_break(vmm->share, 0, (share_ppn){99}), SHARE_INVALID);
    assert_int_equal(atomic_load(&vmm->calls[VMM_UNPROTECT]), 0);
}

static void other_reasons_stay(void **state)
{
    (void)state;
    share_all();
    vmm_page(vmm, 0, 0)->reasons |= VMM_DIRTY_LOG;
    assert_int_equal(break_page(0, 0), SHARE_OK);
    assert_int_equal(vmm_page(vmm, 0, 0)->reasons, VMM_DIRTY_LOG);
}

/* A refused break changes nothing, and succeeds later. */
static void refusals_change_nothing(void **state)
{
    (void)state;
    static const struct {
        enum vmm_op op;
        enum share_answer answer;
        enum share_result result;
    } cases[] = {
        {VMM_ALLOC, SHARE_ANSWER_FAIL, SHARE_NOMEM}, {VMM_REMAP, SHARE_ANSWER_FAIL, SHARE_FAIL},
        {VMM_REMAP, SHARE_ANSWER_BUSY, SHARE_RETRY}, {VMM_REMAP, SHARE_ANSWER_STALE, SHARE_RETRY},
        {VMM_PEEK, SHARE_ANSWER_FAIL, SHARE_FAIL},
    };
    share_all();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vmm->answers[cases[i].op] = cases[i].answer;
        assert_int_equal(break_page(1, 0), cases[i].result);
        vmm->answers[cases[i].op] = SHARE_ANSWER_OK;
        assert_int_equal(vmm_info(vmm, 1, 0).refs, 3);
        assert_true(vmm_page(vmm, 1, 0)->reasons & VMM_SHARING);
        assert_int_equal(vmm_used(vmm), 2);
        vmm_must_be_sound(vmm);
    }
    assert_int_equal(break_page(1, 0), SHARE_OK);
}

static void forgetting_says_whose_it_is(void **state)
{
    (void)state;
    enum share_owner owner = SHARE_OWNER_ENGINE;
    struct share *share = vmm->share;
    assert_int_equal(share_forget(share, 0, (share_ppn){99}, &owner), SHARE_INVALID);
    assert_int_equal(vmm_forget(vmm, 0, 0), SHARE_OWNER_CALLER); /* never offered */
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_HINTED);
    assert_int_equal(vmm_forget(vmm, 1, 0), SHARE_OWNER_CALLER);
    struct share_stats stats;
    share_stats(share, &stats);
    assert_int_equal(stats.hints, 0);
    assert_int_equal(vmm_used(vmm), 4);

    assert_int_equal(share_now(share, 5, NULL), SHARE_OK); /* three zero pages on one */
    assert_int_equal(vmm_used(vmm), 2);
    assert_int_equal(vmm_forget(vmm, 0, 1), SHARE_OWNER_ENGINE);
    assert_int_equal(vmm_forget(vmm, 1, 1), SHARE_OWNER_ENGINE);
    assert_int_equal(vmm_used(vmm), 2);
    assert_int_equal(vmm_forget(vmm, 2, 1), SHARE_OWNER_ENGINE); /* it frees the last */
    assert_int_equal(vmm_used(vmm), 1);
    assert_int_equal(vmm_forget(vmm, 2, 1), SHARE_OWNER_CALLER); /* once more is no harm */
    share_stats(share, &stats);
    assert_int_equal(stats.forgets, 3);
}

static void a_forgotten_page_can_come_back(void **state)
{
    (void)state;
    share_all();
    vmm_forget(vmm, 0, 0);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_PAGE_GONE);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_JOINED);
}

/* The frame cannot be found by its content any more, if somebody wrote past its protection. It goes
 * all the same. */
static void a_frame_written_past_its_protection_still_ends(void **state)
{
    (void)state;
    share_all();
    vmm_bytes(vmm, vmm_page(vmm, 0, 0)->mpn)[5] = 1;
    for (share_vm vm = 0; vm < 3; vm++)
        assert_int_equal(break_page(vm, 0), SHARE_OK);
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.frames, 1); /* the zero frame */
}

static void an_unreadable_frame_still_ends(void **state)
{
    (void)state;
    share_all();
    vmm_forget(vmm, 0, 0);
    vmm_forget(vmm, 1, 0);
    vmm->answers[VMM_PEEK] = SHARE_ANSWER_FAIL;
    assert_int_equal(break_page(2, 0), SHARE_OK);
    vmm->answers[VMM_PEEK] = SHARE_ANSWER_OK;
}

static struct share_ppn watched; /* of VM 1 */
static unsigned breaks;
static bool protected_after_break;

/* A write to a page before it is protected, and another one before it is compared. */
static void break_twice(struct vmm *of, enum vmm_op op)
{
    bool due = (breaks == 0 && op == VMM_PROTECT) || (breaks == 1 && op == VMM_PEEK);
    if (!due)
        return;
    breaks++;
    if (share_break(of->share, 1, watched) != SHARE_OK)
        return;
    if (breaks == 2)
        protected_after_break = vmm_page(of, 1, 0)->reasons & VMM_SHARING;
}

/* The owner protects a page that a write has won already: the next write needs its break, too. */
static void each_write_to_a_page_that_is_looked_at_unprotects_it(void **state)
{
    (void)state;
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 1);
    for (share_vm vm = 0; vm < 2; vm++) {
        vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    watched = vmm_ppn(vmm, 1, 0);
    breaks = 0;
    protected_after_break = true;
    vmm->step = break_twice;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_BUSY);
    vmm->step = NULL;
    assert_int_equal(breaks, 2);
    assert_false(protected_after_break);
    vmm_end(vmm);
}

static void forget_another(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_ALLOC)
        return;
    of->step = NULL;
    (void)vmm_forget(of, 0, 0);
}

/* There is no memory, but what another call dropped while this one asked may have been some. */
static void a_break_tries_again_when_something_arrived_meanwhile(void **state)
{
    (void)state;
    vmm = vmm_new(3, 1, 4);
    vmm_engine(vmm, NULL, 1);
    for (share_vm vm = 0; vm < 3; vm++) {
        vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    vmm->answers[VMM_ALLOC] = SHARE_ANSWER_FAIL;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_NOMEM);
    vmm->step = forget_another;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_RETRY);
    vmm_end(vmm);
}

static bool unprotected, read_after;

static void note_order(struct vmm *of, enum vmm_op op)
{
    (void)of;
    unprotected = unprotected || op == VMM_UNPROTECT;
    read_after = read_after || (unprotected && op == VMM_PEEK);
}

/* A frame is sought by its content: so it must be gone from the table before its last page is
 * unprotected. */
static void the_last_page_is_unprotected_when_its_frame_has_left_the_table(void **state)
{
    (void)state;
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 1);
    for (share_vm vm = 0; vm < 2; vm++) {
        vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(share_break(vmm->share, 0, vmm_ppn(vmm, 0, 0)), SHARE_OK);
    unprotected = read_after = false;
    vmm->step = note_order;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_OK);
    vmm->step = NULL;
    assert_true(unprotected);
    assert_false(read_after);
    vmm_end(vmm);
}

static void merge_others(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_ALLOC)
        return;
    of->step = NULL;
    assert_int_equal(vmm_offer(of, 1, 1), SHARE_PROMOTED);
}

/* What a merge freed meanwhile, too. */
static void a_break_tries_again_when_a_merge_freed_something(void **state)
{
    (void)state;
    vmm = vmm_new_pair();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_HINTED);
    vmm->answers[VMM_ALLOC] = SHARE_ANSWER_FAIL;
    vmm->step = merge_others;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_RETRY);
    vmm_end(vmm);
}

/* Nothing is known of its content, so it is not sought by that. */
static void a_declared_page_leaves_its_frame_unread(void **state)
{
    (void)state;
    vmm = vmm_new_guest(4);
    assert_int_equal(vmm_adopt_all(vmm), SHARE_OK);
    assert_int_equal(share_break(vmm->share, 0, vmm_ppn(vmm, 0, 2)), SHARE_OK);
    assert_int_equal(atomic_load(&vmm->calls[VMM_PEEK]), 0);
    vmm_end(vmm);
}

/* --------------------------------------------------------------------------------- batches -- */

static void pages_break_together(void **state)
{
    (void)state;
    share_all();
    share_ppn ppns[] = {vmm_ppn(vmm, 1, 0), vmm_ppn(vmm, 1, 1), {2}};
    enum share_result results[3];
    assert_int_equal(share_break_pages(vmm->share, 1, ppns, 3, results), SHARE_OK);
    assert_int_equal(results[0], SHARE_OK);
    assert_int_equal(results[1], SHARE_OK);
    assert_int_equal(results[2], SHARE_INVALID);
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_int_equal(vmm_page(vmm, 1, slot)->reasons, 0);
        assert_int_equal(vmm_info(vmm, 0, slot).refs, 2);
    }
    assert_int_equal(vmm_used(vmm), 4);
    assert_int_equal(share_break_pages(vmm->share, 3, ppns, 3, results), SHARE_GONE);
    assert_int_equal(share_break_pages(vmm->share, 1, ppns, 0, results), SHARE_OK);
}

/* Page 0 of each VM is pinned down by its VMM's answer, page 1 is not. */
static enum share_answer fail_page_0(struct vmm *of, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    (void)of;
    (void)vm;
    return op == VMM_REMAP && ppn.n == 0 ? SHARE_ANSWER_FAIL : SHARE_ANSWER_OK;
}

static void each_page_has_its_own_answer(void **state)
{
    (void)state;
    share_all();
    share_ppn ppns[] = {vmm_ppn(vmm, 1, 0), vmm_ppn(vmm, 1, 1), vmm_ppn(vmm, 1, 0)};
    enum share_result results[3];
    vmm->answer = fail_page_0;
    assert_int_equal(share_break_pages(vmm->share, 1, ppns, 3, results), SHARE_OK);
    vmm->answer = NULL;
    assert_int_equal(results[0], SHARE_FAIL);
    assert_int_equal(results[1], SHARE_OK);
    assert_int_equal(results[2], SHARE_RETRY); /* on its way by this very call */
    assert_int_equal(vmm_info(vmm, 1, 0).refs, 3);
    assert_int_equal(vmm_info(vmm, 1, 1).state, SHARE_PAGE_PRIVATE);
}

/* Two pages on one frame, and one machine page more: the first takes it, the second is the last of
 * the frame then, if the first has left it. */
static void without_memory_those_before_go_first(void **state)
{
    (void)state;
    struct vmm *small = vmm_new(1, 2, 2);
    vmm_engine(small, NULL, 1);
    share_vm vm = vmm_add(small, 0, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++)
        assert_true(vmm_populate(small, vm, slot, (struct vmm_content){1, 0}));
    assert_int_equal(share_now(small->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_used(small), 1);
    share_ppn ppns[] = {vmm_ppn(small, vm, 0), vmm_ppn(small, vm, 1)};
    enum share_result results[2];
    assert_int_equal(share_break_pages(small->share, vm, ppns, 2, results), SHARE_OK);
    assert_int_equal(results[0], SHARE_OK);
    assert_int_equal(results[1], SHARE_OK);
    assert_int_equal(vmm_used(small), 2);
    vmm_end(small);
}

static void pages_are_forgotten_together(void **state)
{
    (void)state;
    share_all();
    assert_int_equal(break_page(1, 0), SHARE_OK);
    share_ppn ppns[] = {vmm_ppn(vmm, 1, 0), {99}, vmm_ppn(vmm, 1, 1)};
    enum share_owner owners[3];
    for (unsigned slot = 0; slot < 2; slot++)
        vmm_page(vmm, 1, slot)->reasons = 0;
    vmm_page(vmm, 1, 0)->present = vmm_page(vmm, 1, 1)->present = false;
    atomic_fetch_sub(&vmm->machine[vmm_page(vmm, 1, 0)->mpn].maps, 1);
    atomic_fetch_sub(&vmm->machine[vmm_page(vmm, 1, 1)->mpn].maps, 1);
    assert_int_equal(share_forget_pages(vmm->share, 1, ppns, 3, owners), SHARE_INVALID);
    assert_int_equal(owners[0], SHARE_OWNER_CALLER);
    assert_int_equal(owners[1], SHARE_OWNER_CALLER);
    assert_int_equal(owners[2], SHARE_OWNER_ENGINE);
    vmm_give_back(vmm, vmm_page(vmm, 1, 0)->mpn);
    assert_int_equal(vmm_info(vmm, 0, 1).refs, 2);
    assert_int_equal(share_forget_pages(vmm->share, 7, ppns, 3, owners), SHARE_GONE);
}

/* More frames end in one call than go to one free, of two kinds. */
static void each_frame_is_freed_as_its_kind(void **state)
{
    enum { PAGES = 70 };
    unsigned slots[PAGES];
    (void)state;
    struct vmm *many = vmm_new(1, PAGES, PAGES);
    vmm_engine(many, NULL, 1);
    share_vm vm = vmm_add(many, 0, 0, 0);
    for (unsigned slot = 0; slot < PAGES; slot++) {
        slots[slot] = slot;
        assert_true(vmm_populate(many, vm, slot, (struct vmm_content){slot, 1}));
        struct share_adopt_run run = {.ppn = vmm_ppn(many, vm, slot),
                                      .mpn = {many->mpn_base + vmm_page(many, vm, slot)->mpn},
                                      .count = 1};
        uint32_t flags = slot % 7 == 3 ? SHARE_ADOPT_KEEP : 0;
        assert_int_equal(share_adopt(many->share, vm, &run, 1, flags), SHARE_OK);
    }
    vmm_forget_pages(many, vm, slots, PAGES);
    assert_int_equal(many->kept_freed, PAGES / 7);
    assert_int_equal(vmm_used(many), 0);
    vmm_end(many);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_gets_a_copy),
        TEST(the_last_reference_is_not_copied),
        TEST(breaking_what_is_not_shared_is_nothing),
        TEST(other_reasons_stay),
        TEST(refusals_change_nothing),
        TEST(forgetting_says_whose_it_is),
        TEST(a_forgotten_page_can_come_back),
        TEST(a_frame_written_past_its_protection_still_ends),
        TEST(an_unreadable_frame_still_ends),
        TEST(pages_break_together),
        TEST(each_page_has_its_own_answer),
        TEST(without_memory_those_before_go_first),
        TEST(pages_are_forgotten_together),
        TEST(each_frame_is_freed_as_its_kind),
        cmocka_unit_test(each_write_to_a_page_that_is_looked_at_unprotects_it),
        cmocka_unit_test(a_break_tries_again_when_something_arrived_meanwhile),
        cmocka_unit_test(the_last_page_is_unprotected_when_its_frame_has_left_the_table),
        cmocka_unit_test(a_break_tries_again_when_a_merge_freed_something),
        cmocka_unit_test(a_declared_page_leaves_its_frame_unread),
    };
    return RUN(tests);
}
