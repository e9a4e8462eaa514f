/* SPDX-License-Identifier: MIT */
/* Numbers that no op may answer. */
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;

/* Numbers behind the last ones. */
static bool alloc_beyond(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    static uint64_t page[VMM_WORDS];
    (void)ctx;
    (void)vm;
    mpn->n = SHARE_MPN_END;
    *bytes = page;
    return true;
}

static void free_nothing(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)ctx;
    (void)mpns;
    (void)count;
    (void)kind;
}

static bool next_beyond(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)ctx;
    (void)vm;
    found->n = 2;
    return from.n <= 2;
}

static void a_resolve_beyond_the_last_machine_page_is_an_error(void **state)
{
    (void)state;
    vmm = vmm_new_guest(1);
    uint32_t mpn = vmm_page(vmm, 0, 0)->mpn;
    vmm_page(vmm, 0, 0)->mpn = vmm->mpns;
    assert_int_equal(vmm->mpn_base + vmm->mpns, SHARE_MPN_END);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_ERROR);
    vmm_page(vmm, 0, 0)->mpn = mpn;
    vmm_end(vmm);
}

static void allocs_and_pages_beyond_the_last_ones_are_refused(void **state)
{
    struct share_ops ops = vmm_ops;
    struct share_config config = {.struct_size = sizeof config, .ops = &ops};
    (void)state;
    vmm = vmm_new(2, 2, 8);
    ops.alloc = alloc_beyond;
    ops.free = free_nothing;
    ops.next_present = next_beyond;
    config.ops_ctx = vmm;
    assert_int_equal(share_new(&config, &vmm->share), SHARE_OK);
    for (share_vm vm = 0; vm < 2; vm++) {
        vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(vmm_scan(vmm, 0).looked_pages, 0);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(share_break(vmm->share, 0, vmm_ppn(vmm, 0, 0)), SHARE_NOMEM);
    share_free(vmm->share);
    vmm_free(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resolve_beyond_the_last_machine_page_is_an_error),
        cmocka_unit_test(allocs_and_pages_beyond_the_last_ones_are_refused),
    };
    return RUN(tests);
}
