/* SPDX-License-Identifier: MIT */
/* Forks of a VM. */
#include "metadata.h"
#include "test.h"
#include "vmm.h"

enum { VMS = 10, PAGES = 80, CONTENTS = 20 }; /* more pages than a batch; content 0 is zero */
enum { MANY = 300 }; /* more than two vectors, and than two batches of a clone */

static struct metadata metadata;
static struct vmm *vmm;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(VMS, PAGES, 4 * PAGES);
    vmm_engine(vmm, &metadata.alloc, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){slot % CONTENTS, 0}));
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    return 0;
}

/* A VM that maps what VM 0 maps. */
static share_vm new_child(void)
{
    share_vm child = vmm_add_stopped(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < PAGES; slot++)
        if (vmm_page(vmm, 0, slot)->present)
            vmm_alias(vmm, child, slot, 0, slot);
    return child;
}

static share_ppn busy[PAGES];
static size_t busy_count;

static enum share_result clone(share_vm child)
{
    return share_vm_clone(vmm->share, 0, child, busy, 4, &busy_count);
}

static share_vm must_clone(void)
{
    share_vm child = new_child();
    assert_int_equal(clone(child), SHARE_OK);
    assert_int_equal(busy_count, 0);
    assert_int_equal(share_vm_start(vmm->share, child), SHARE_OK);
    return child;
}

static void each_page_is_on_one_frame_with_its_clone(void **state)
{
    (void)state;
    uint64_t reads = atomic_load(&vmm->calls[VMM_PEEK]);
    share_vm child = must_clone();
    assert_int_equal(atomic_load(&vmm->calls[VMM_PEEK]), reads);
    for (unsigned slot = 0; slot < PAGES; slot++) {
        assert_int_equal(vmm_info(vmm, 0, slot).refs, 2);
        assert_int_equal(vmm_info(vmm, child, slot).frame, vmm_info(vmm, 0, slot).frame);
    }
    vmm_must_be_sound(vmm);
    assert_int_equal(vmm_store(vmm, 0, 5, 0, 99), SHARE_OK);
    assert_true(vmm_reads(vmm, child, 5, (struct vmm_content){5, 0}));
    assert_int_equal(vmm_store(vmm, child, 6, 0, 98), SHARE_OK);
    assert_true(vmm_reads(vmm, 0, 6, (struct vmm_content){6, 0}));
}

/* Hinted, shared, zero: whatever the parent's pages are. */
static void clones_join_frames_that_stand(void **state)
{
    (void)state;
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    uint32_t refs = vmm_info(vmm, 0, 7).refs;
    assert_int_equal(vmm_store(vmm, 0, 9, 0, 1234), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 9), SHARE_HINTED);
    share_vm child = must_clone();
    assert_int_equal(vmm_info(vmm, child, 7).refs, 2 * refs);
    assert_int_equal(vmm_info(vmm, child, 9).refs, 2);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), CONTENTS + 1);
}

/* Duplicates and zeros, cloned before anybody looked at them. */
static void after_nine_clones_one_content_is_one_frame(void **state)
{
    (void)state;
    for (unsigned i = 1; i < VMS; i++)
        must_clone();
    assert_int_equal(vmm_used(vmm), PAGES);
    assert_int_equal(share_now(vmm->share, 9, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), CONTENTS);
    for (share_vm vm = 0; vm < VMS; vm++)
        for (unsigned slot = 0; slot < PAGES; slot++)
            assert_int_equal(vmm_info(vmm, vm, slot).refs, VMS * PAGES / CONTENTS);
    assert_true(vmm_info(vmm, 3, 0).zero);
    vmm_must_be_sound(vmm);
}

/* Pinned pages are named, and others map their machine pages no longer. */
static void copy_busy_pages(share_vm child)
{
    for (size_t i = 0; i < busy_count; i++) {
        unsigned slot = (unsigned)busy[i].n;
        vmm_unalias(vmm, child, slot);
        assert_true(vmm_populate(vmm, child, slot, (struct vmm_content){slot % CONTENTS, 0}));
    }
}

static void pinned_pages_are_named(void **state)
{
    (void)state;
    vmm_page(vmm, 0, 3)->pinned = vmm_page(vmm, 0, 70)->pinned = true;
    share_vm child = new_child();
    assert_int_equal(clone(child), SHARE_OK);
    assert_int_equal(busy_count, 2);
    assert_int_equal(busy[0].n, 3);
    assert_int_equal(busy[1].n, 70);
    assert_int_equal(vmm_page(vmm, 0, 70)->reasons, 0);
    assert_int_equal(vmm_info(vmm, child, 70).state, SHARE_PAGE_PRIVATE);
    copy_busy_pages(child);
    vmm_page(vmm, 0, 3)->pinned = vmm_page(vmm, 0, 70)->pinned = false;
    vmm_must_be_sound(vmm);
}

static void must_be_alone(share_vm child)
{
    for (unsigned slot = 0; slot < PAGES; slot++) {
        assert_int_equal(vmm_info(vmm, child, slot).state, SHARE_PAGE_PRIVATE);
        assert_int_equal(vmm_page(vmm, child, slot)->reasons, 0);
        if (vmm_info(vmm, 0, slot).state != SHARE_PAGE_SHARED)
            assert_int_equal(vmm_page(vmm, 0, slot)->reasons, 0);
        else
            assert_true(vmm_info(vmm, 0, slot).refs > 1);
    }
}

static enum share_answer answer_of_75;
static enum share_answer refuse_75(struct vmm *of, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    (void)of;
    (void)vm;
    return op == VMM_PROTECT && ppn.n == 75 ? answer_of_75 : SHARE_ANSWER_OK;
}

static void an_error_leaves_the_parent_as_it_was(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < PAGES; slot += 2) /* some of it is shared */
        assert_true(vmm_offer(vmm, 0, slot) < SHARE_OUTCOMES);
    share_vm child = new_child();
    vmm->answer = refuse_75;
    answer_of_75 = SHARE_ANSWER_FAIL;
    assert_int_equal(clone(child), SHARE_FAIL);
    must_be_alone(child);
    answer_of_75 = SHARE_ANSWER_STALE;
    assert_int_equal(clone(child), SHARE_INVALID);
    must_be_alone(child);
    vmm->answer = NULL;
    for (unsigned slot = 11; slot < 21; slot += 2)
        vmm_page(vmm, 0, slot)->pinned = true;
    assert_int_equal(clone(child), SHARE_RETRY); /* five are busy, four may be named */
    must_be_alone(child);
    for (unsigned slot = 11; slot < 21; slot += 2)
        vmm_page(vmm, 0, slot)->pinned = false;
    assert_int_equal(share_vm_clone(vmm->share, 0, 0, busy, 4, &busy_count), SHARE_INVALID);
    unsigned refused = 0;
    metadata.fail_count = 1;
    for (;; refused++) {
        metadata.fail_at = atomic_load(&metadata.calls) + 1 + refused;
        if (clone(child) != SHARE_NOMEM)
            break;
        must_be_alone(child);
    }
    metadata.fail_at = 0;
    assert_true(refused > 0);
    assert_int_equal(vmm_info(vmm, child, 79).refs, 2);
    assert_int_equal(clone(child), SHARE_INVALID); /* it is one already */
    assert_int_equal(share_vm_start(vmm->share, child), SHARE_OK);
}

/* As many pages are busy as may be named. */
static void aliases_are_not_cloned(void **state)
{
    (void)state;
    vmm = vmm_new(2, 3, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_true(vmm_populate(vmm, 0, 2, (struct vmm_content){2, 0}));
    vmm_alias(vmm, 0, 1, 0, 0);
    for (unsigned pass = 0; pass < 2; pass++)
        (void)vmm_scan(vmm, 0);
    assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_NO_MATCH);
    share_vm child = vmm_add_stopped(vmm, 0, 0, 0);
    vmm_alias(vmm, child, 2, 0, 2);
    assert_int_equal(share_vm_clone(vmm->share, 0, child, busy, 2, &busy_count), SHARE_OK);
    assert_int_equal(busy_count, 2);
    vmm_unalias(vmm, 0, 1);
    vmm_end(vmm);
}

static void only_a_fresh_vm_that_is_large_enough_becomes_a_clone(void **state)
{
    share_group other;
    (void)state;
    vmm = vmm_new(5, 2, 8);
    vmm_engine(vmm, NULL, 1);
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    share_vm parent = vmm_add(vmm, 0, 5, 0);
    assert_true(vmm_populate(vmm, parent, 0, (struct vmm_content){1, 0}));
    share_vm unfit[] = {vmm_add(vmm, 0, 5, 0), vmm_add_stopped(vmm, other, 5, 0),
                        vmm_add_stopped(vmm, 0, 4, 0), vmm_add_stopped(vmm, 0, 6, 0)};
    static const unsigned slots[] = {0, 0, 1}; /* of the parent's page in each; the last has none */
    for (unsigned i = 0; i < 4; i++) {
        if (i < 3)
            vmm_alias(vmm, unfit[i], slots[i], parent, 0);
        assert_int_equal(share_vm_clone(vmm->share, parent, unfit[i], NULL, 0, &busy_count),
                         SHARE_INVALID);
        if (i < 3)
            vmm_unalias(vmm, unfit[i], slots[i]);
    }
    vmm_end(vmm);
}

/* Each side says for itself whether it may write. */
static void code_is_told_of_each_side_of_a_clone(void **state)
{
    (void)state;
    vmm = vmm_new(2, 2, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    share_vm child = vmm_add_stopped(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        vmm_alias(vmm, child, slot, 0, slot);
        vmm_page(vmm, slot ? child : 0, slot)->code = true;
    }
    assert_int_equal(share_vm_clone(vmm->share, 0, child, NULL, 0, &busy_count), SHARE_OK);
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_int_equal(vmm_info(vmm, 0, slot).code, slot == 0);
        assert_int_equal(vmm_info(vmm, child, slot).code, slot == 1);
    }
    vmm_end(vmm);
}

static void an_error_of_a_long_clone_is_undone_from_the_first_page_on(void **state)
{
    (void)state;
    vmm = vmm_new(2, MANY, MANY + 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 1, 0); /* PPN 0 would be what fresh memory says */
    for (unsigned slot = 0; slot < MANY; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
    share_vm child = vmm_add_stopped(vmm, 0, 1, 0);
    for (unsigned slot = 0; slot < MANY; slot++)
        vmm_alias(vmm, child, slot, 0, slot);
    vmm->answer = vmm_refuse_the_last;
    assert_int_equal(share_vm_clone(vmm->share, 0, child, NULL, 0, &busy_count), SHARE_FAIL);
    vmm->answer = NULL;
    for (unsigned slot = 0; slot < MANY; slot++) {
        assert_int_equal(vmm_info(vmm, 0, slot).state, SHARE_PAGE_PRIVATE);
        assert_int_equal(vmm_page(vmm, 0, slot)->reasons, 0);
        vmm_unalias(vmm, child, slot);
    }
    vmm_end(vmm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_page_is_on_one_frame_with_its_clone),
        TEST(clones_join_frames_that_stand),
        TEST(after_nine_clones_one_content_is_one_frame),
        TEST(pinned_pages_are_named),
        TEST(an_error_leaves_the_parent_as_it_was),
        cmocka_unit_test(aliases_are_not_cloned),
        cmocka_unit_test(only_a_fresh_vm_that_is_large_enough_becomes_a_clone),
        cmocka_unit_test(code_is_told_of_each_side_of_a_clone),
        cmocka_unit_test(an_error_of_a_long_clone_is_undone_from_the_first_page_on),
    };
    return RUN(tests);
}
