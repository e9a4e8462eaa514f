/* SPDX-License-Identifier: MIT */
/* Sharing that the VMM declares. */
#include "metadata.h"
#include "test.h"
#include "vmm.h"

enum { VMS = 4, PAGES = 32, STRANGERS = 3 };
enum { MANY = 300 }; /* more than two vectors, and than two batches of a clone */

static struct metadata metadata;
static struct vmm *vmm;

/* VM 0 has pages of its own; the others map what VM 0 maps, but for VM 3, which has equal ones. */
static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(VMS, PAGES, 3 * PAGES);
    vmm_engine(vmm, &metadata.alloc, 1);
    for (share_vm vm = 0; vm < VMS; vm++) {
        vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < PAGES; slot++)
            if (vm == 0 || vm == STRANGERS)
                assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){slot / 2, 0}));
            else
                vmm_alias(vmm, vm, slot, 0, slot);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    return 0;
}

static share_mpn mpn_of(share_vm vm, unsigned slot)
{
    return (share_mpn){vmm->mpn_base + vmm_page(vmm, vm, slot)->mpn};
}

/* A run a page: MPNs of the pool are in no order. */
static enum share_result adopt(share_vm vm, bool joins, uint32_t flags)
{
    struct share_adopt_run runs[PAGES];
    for (unsigned slot = 0; slot < PAGES; slot++)
        runs[slot] = (struct share_adopt_run){.ppn = {slot},
                                              .mpn = mpn_of(vm, slot),
                                              .count = 1,
                                              .joins = joins,
                                              .with_vm = 0,
                                              .with_ppn = {slot}};
    return share_adopt(vmm->share, vm, runs, PAGES, flags);
}

static void adopt_all(uint32_t flags)
{
    for (share_vm vm = 0; vm < STRANGERS; vm++)
        assert_int_equal(adopt(vm, vm > 0, flags), SHARE_OK);
}

static void share_everything(void)
{
    assert_int_equal(share_now(vmm->share, 9, NULL), SHARE_OK);
}

static void pages_are_on_one_frame_and_protected(void **state)
{
    (void)state;
    uint64_t reads = atomic_load(&vmm->calls[VMM_PEEK]);
    adopt_all(0);
    assert_int_equal(atomic_load(&vmm->calls[VMM_PEEK]), reads);
    for (share_vm vm = 0; vm < STRANGERS; vm++)
        for (unsigned slot = 0; slot < PAGES; slot++) {
            assert_int_equal(vmm_info(vmm, vm, slot).refs, STRANGERS);
            assert_int_equal(vmm_page(vmm, vm, slot)->reasons, VMM_SHARING);
        }
    vmm_must_be_sound(vmm);
    assert_int_equal(vmm_offer(vmm, STRANGERS, 9), SHARE_HINTED);
    vmm_must_be_sound(vmm); /* the sums too, while frames stand outside the table */
    assert_int_equal(vmm_store(vmm, 1, 5, 0, 99), SHARE_OK);
    assert_true(vmm_reads(vmm, 0, 5, (struct vmm_content){2, 0}));
    assert_int_equal(vmm_info(vmm, 0, 5).refs, STRANGERS - 1);
    assert_int_equal(vmm_store(vmm, 0, 5, 0, 98), SHARE_OK);
    assert_int_equal(vmm_store(vmm, 2, 5, 0, 97), SHARE_OK); /* the last: in place */
    assert_int_equal(atomic_load(&vmm->calls[VMM_ALLOC]), 2);
    vmm_must_be_sound(vmm);
}

/* Two pages of each content, and zero, on two frames each; then one frame a content. */
static void equal_contents_come_to_one_frame(void **state)
{
    (void)state;
    adopt_all(0);
    share_everything();
    assert_int_equal(vmm_used(vmm), PAGES / 2);
    for (share_vm vm = 0; vm < VMS; vm++)
        for (unsigned slot = 0; slot < PAGES; slot++)
            assert_int_equal(vmm_info(vmm, vm, slot).refs, 2 * VMS);
    assert_true(vmm_info(vmm, 1, 0).zero && vmm_info(vmm, 1, 1).zero);
    vmm_must_be_sound(vmm);
}

/* Contents that were shared before anybody declared anything. */
static void declared_pages_go_over_to_frames_that_stand(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_true(vmm_offer(vmm, STRANGERS, slot) < SHARE_OUTCOMES);
    share_frame standing = vmm_info(vmm, STRANGERS, 9).frame;
    assert_int_not_equal(standing, 0);
    adopt_all(0);
    share_everything();
    assert_int_equal(vmm_info(vmm, 2, 9).frame, standing);
    assert_int_equal(vmm_used(vmm), PAGES / 2);
}

static void pages_of_a_store_stay_in_preference(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_true(vmm_offer(vmm, STRANGERS, slot) < SHARE_OUTCOMES);
    adopt_all(SHARE_ADOPT_KEEP);
    share_mpn kept = mpn_of(0, 9), kept_too = mpn_of(0, 8), kept_zero = mpn_of(0, 0);
    share_everything();
    assert_true(mpn_of(STRANGERS, 9).n == kept.n || mpn_of(STRANGERS, 9).n == kept_too.n);
    assert_true(vmm_info(vmm, STRANGERS, 0).mpn.n == kept_zero.n ||
                vmm_info(vmm, STRANGERS, 0).mpn.n == mpn_of(0, 1).n);
    assert_int_equal(vmm_used(vmm), PAGES / 2);
    assert_int_equal(atomic_load(&vmm->kept_freed), PAGES / 2); /* of two equal ones, one */
}

static void the_last_break_of_a_kept_page_copies(void **state)
{
    (void)state;
    adopt_all(SHARE_ADOPT_KEEP);
    share_mpn kept = mpn_of(0, 7);
    for (share_vm vm = 0; vm < STRANGERS; vm++) {
        assert_int_equal(vmm_store(vmm, vm, 7, 0, 70 + vm), SHARE_OK);
        assert_true(mpn_of(vm, 7).n != kept.n);
        assert_int_equal(atomic_load(&vmm->kept_freed), vm + 1 == STRANGERS);
    }
    assert_int_equal(atomic_load(&vmm->calls[VMM_ALLOC]), STRANGERS);
}

static void runs_of_one_call_may_share(void **state)
{
    (void)state;
    for (share_vm vm = 1; vm < STRANGERS; vm++) {
        vmm_unalias(vmm, vm, 30);
        vmm_unalias(vmm, vm, 31);
    }
    vmm_forget(vmm, 0, 30);
    vmm_forget(vmm, 0, 31);
    vmm_alias(vmm, 0, 30, 0, 3);
    vmm_alias(vmm, 0, 31, 0, 3);
    static const unsigned slots[] = {3, 30, 31};
    struct share_adopt_run runs[3];
    for (unsigned i = 0; i < 3; i++)
        runs[i] = (struct share_adopt_run){.ppn = {slots[i]}, .mpn = mpn_of(0, 3), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, runs, 3, 0), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 30).refs, 3);
    for (share_vm vm = 1; vm < STRANGERS; vm++) {
        runs[0] = (struct share_adopt_run){.ppn = {3},
                                           .mpn = mpn_of(0, 3),
                                           .count = 1,
                                           .joins = true,
                                           .with_vm = 0,
                                           .with_ppn = {30}};
        assert_int_equal(share_adopt(vmm->share, vm, runs, 1, 0), SHARE_OK);
    }
    assert_int_equal(vmm_info(vmm, 0, 3).refs, 5);
    vmm_must_be_sound(vmm);
}

static void must_be_untouched(share_vm vm)
{
    for (unsigned slot = 0; slot < PAGES; slot++) {
        assert_int_not_equal(vmm_info(vmm, vm, slot).state, SHARE_PAGE_SHARED);
        assert_int_equal(vmm_page(vmm, vm, slot)->reasons, 0);
    }
}

static enum share_answer answer_of_20;
static enum share_answer refuse_20(struct vmm *of, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    (void)of;
    (void)vm;
    return op == VMM_PROTECT && ppn.n == 20 ? answer_of_20 : SHARE_ANSWER_OK;
}

static void an_error_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        enum share_answer answer;
        enum share_result result;
    } refusals[] = {{SHARE_ANSWER_BUSY, SHARE_RETRY},
                    {SHARE_ANSWER_STALE, SHARE_INVALID},
                    {SHARE_ANSWER_ALIASED, SHARE_INVALID},
                    {SHARE_ANSWER_FAIL, SHARE_FAIL}};
    vmm->answer = refuse_20;
    for (unsigned i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        answer_of_20 = refusals[i].answer;
        assert_int_equal(adopt(0, false, 0), refusals[i].result);
        must_be_untouched(0);
    }
    vmm->answer = NULL;
    unsigned refused = 0;
    metadata.fail_count = 1;
    for (;; refused++) {
        metadata.fail_at = atomic_load(&metadata.calls) + 1 + refused;
        if (adopt(0, false, 0) != SHARE_NOMEM)
            break;
        must_be_untouched(0);
    }
    metadata.fail_at = 0;
    assert_true(refused > 3);
    assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_SHARED);
    assert_int_equal(adopt(0, false, 0), SHARE_INVALID); /* on frames already */
    assert_int_equal(vmm_info(vmm, 0, 1).refs, 1);
    share_group other;
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    assert_int_equal(share_vm_regroup(vmm->share, 1, other), SHARE_OK);
    assert_int_equal(adopt(1, true, 0), SHARE_INVALID); /* of another group */
    must_be_untouched(1);
    struct share_adopt_run wrong = {
        .ppn = {3}, .mpn = mpn_of(0, 4), .count = 1, .joins = true, .with_vm = 0, .with_ppn = {3}};
    assert_int_equal(share_adopt(vmm->share, 2, &wrong, 1, 0), SHARE_INVALID); /* MPNs differ */
    wrong = (struct share_adopt_run){.ppn = {PAGES - 1}, .mpn = mpn_of(0, 4), .count = 2};
    assert_int_equal(share_adopt(vmm->share, 2, &wrong, 1, 0), SHARE_INVALID); /* out of range */
    wrong = (struct share_adopt_run){.ppn = {3}, .mpn = {SHARE_MPN_END - 1}, .count = 2};
    assert_int_equal(share_adopt(vmm->share, 2, &wrong, 1, 0), SHARE_INVALID);
    must_be_untouched(2);
    for (share_vm vm = 1; vm < STRANGERS; vm++)
        for (unsigned slot = 0; slot < PAGES; slot++)
            vmm_unalias(vmm, vm, slot);
}

static void a_page_joins_no_frame_of_another_machine_page(void **state)
{
    (void)state;
    vmm = vmm_new_pair();
    struct share_adopt_run first = {
        .ppn = vmm_ppn(vmm, 0, 0), .mpn = vmm_mpn(vmm, 0, 0), .count = 1};
    struct share_adopt_run run = {.ppn = vmm_ppn(vmm, 1, 0),
                                  .mpn = vmm_mpn(vmm, 1, 0),
                                  .count = 1,
                                  .joins = true,
                                  .with_vm = 0,
                                  .with_ppn = vmm_ppn(vmm, 0, 0)};
    assert_int_equal(share_adopt(vmm->share, 0, &first, 1, 0), SHARE_OK);
    assert_int_equal(share_adopt(vmm->share, 1, &run, 1, 0), SHARE_INVALID);
    vmm_end(vmm);
}

static void code_is_told_of_each_page_of_many(void **state)
{
    (void)state;
    vmm = vmm_new_guest(MANY);
    for (unsigned slot = 0; slot < MANY; slot += 7)
        vmm_page(vmm, 0, slot)->code = true;
    assert_int_equal(vmm_adopt_all(vmm), SHARE_OK);
    for (unsigned slot = 0; slot < MANY; slot++)
        assert_int_equal(vmm_info(vmm, 0, slot).code, slot % 7 == 0);
    vmm_end(vmm);
}

/* Machine pages that do not follow each other. */
static void declared_pages_may_lie_apart(void **state)
{
    struct share_adopt_run runs[4];
    (void)state;
    vmm = vmm_new_guest(8);
    for (unsigned i = 0; i < 4; i++)
        runs[i] = (struct share_adopt_run){
            .ppn = vmm_ppn(vmm, 0, 2 * i), .mpn = vmm_mpn(vmm, 0, 2 * i), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, runs, 4, 0), SHARE_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(vmm_info(vmm, 0, 2 * i).refs, 1);
        assert_int_equal(vmm_info(vmm, 0, 2 * i).mpn.n, vmm_mpn(vmm, 0, 2 * i).n);
    }
    vmm_end(vmm);
}

/* An error gives references on frames of others back, too. */
static void an_error_leaves_the_frames_that_were_joined(void **state)
{
    (void)state;
    vmm = vmm_new(2, MANY, MANY + 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_true(vmm_populate(vmm, 1, MANY - 1, (struct vmm_content){2, 0}));
    vmm_alias(vmm, 1, 0, 0, 0);
    struct share_adopt_run runs[] = {
        {.ppn = vmm_ppn(vmm, 1, 0),
         .mpn = vmm_mpn(vmm, 0, 0),
         .count = 1,
         .joins = true,
         .with_vm = 0,
         .with_ppn = vmm_ppn(vmm, 0, 0)},
        {.ppn = vmm_ppn(vmm, 1, MANY - 1), .mpn = vmm_mpn(vmm, 1, MANY - 1), .count = 1},
    };
    struct share_adopt_run first = {
        .ppn = vmm_ppn(vmm, 0, 0), .mpn = vmm_mpn(vmm, 0, 0), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, &first, 1, 0), SHARE_OK);
    vmm->answer = vmm_refuse_the_last;
    assert_int_equal(share_adopt(vmm->share, 1, runs, 2, 0), SHARE_FAIL);
    vmm->answer = NULL;
    assert_int_equal(vmm_info(vmm, 0, 0).refs, 1);
    vmm_unalias(vmm, 1, 0);
    vmm_end(vmm);
}

/* Whatever the order of the runs, those that join bring their frames. */
static void a_run_finds_the_frame_that_a_later_one_joins(void **state)
{
    (void)state;
    vmm = vmm_new(2, 2, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    for (unsigned slot = 0; slot < 2; slot++)
        vmm_alias(vmm, 1, slot, 0, 0);
    struct share_adopt_run runs[] = {
        {.ppn = vmm_ppn(vmm, 1, 0), .mpn = vmm_mpn(vmm, 0, 0), .count = 1},
        {.ppn = vmm_ppn(vmm, 1, 1),
         .mpn = vmm_mpn(vmm, 0, 0),
         .count = 1,
         .joins = true,
         .with_vm = 0,
         .with_ppn = vmm_ppn(vmm, 0, 0)},
    };
    struct share_adopt_run first = {
        .ppn = vmm_ppn(vmm, 0, 0), .mpn = vmm_mpn(vmm, 0, 0), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, &first, 1, 0), SHARE_OK);
    assert_int_equal(share_adopt(vmm->share, 1, runs, 2, 0), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).refs, 3);
    vmm_end(vmm);
}

/* An error leaves nothing behind that the next one has to do without. */
static void errors_cost_no_memory(void **state)
{
    struct share_stats before, after;
    (void)state;
    vmm = vmm_new_guest(MANY);
    vmm->answer = vmm_refuse_the_last;
    assert_int_equal(vmm_adopt_all(vmm), SHARE_FAIL);
    share_stats(vmm->share, &before);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(vmm_adopt_all(vmm), SHARE_FAIL);
    share_stats(vmm->share, &after);
    assert_int_equal(after.metadata_bytes, before.metadata_bytes);
    vmm->answer = NULL;
    vmm_end(vmm);
}

/* Every machine page is in use, the last one that there can be, too. */
static void the_last_machine_page_can_be_declared(void **state)
{
    (void)state;
    vmm = vmm_new(1, 4, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    bool last = false;
    for (unsigned slot = 0; slot < 4; slot++) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        last = last || vmm_mpn(vmm, 0, slot).n == SHARE_MPN_END - 1;
    }
    assert_true(last);
    assert_int_equal(vmm_adopt_all(vmm), SHARE_OK);
    vmm_end(vmm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_are_on_one_frame_and_protected),
        TEST(equal_contents_come_to_one_frame),
        TEST(declared_pages_go_over_to_frames_that_stand),
        TEST(pages_of_a_store_stay_in_preference),
        TEST(the_last_break_of_a_kept_page_copies),
        TEST(runs_of_one_call_may_share),
        TEST(an_error_changes_nothing),
        cmocka_unit_test(a_page_joins_no_frame_of_another_machine_page),
        cmocka_unit_test(code_is_told_of_each_page_of_many),
        cmocka_unit_test(declared_pages_may_lie_apart),
        cmocka_unit_test(an_error_leaves_the_frames_that_were_joined),
        cmocka_unit_test(a_run_finds_the_frame_that_a_later_one_joins),
        cmocka_unit_test(errors_cost_no_memory),
        cmocka_unit_test(the_last_machine_page_can_be_declared),
    };
    return RUN(tests);
}
