/* SPDX-License-Identifier: MIT */
/* Forks of a VM. */
#include "metadata.h"
#include "test.h"
#include "vmm.h"

enum { VMS = 10, PAGES = 80, CONTENTS = 20 }; /* more pages than a batch; content 0 is zero */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_page_is_on_one_frame_with_its_clone),   TEST(clones_join_frames_that_stand),
        TEST(after_nine_clones_one_content_is_one_frame), TEST(pinned_pages_are_named),
        TEST(an_error_leaves_the_parent_as_it_was),
    };
    return RUN(tests);
}
