/* SPDX-License-Identifier: MIT */
/*
 * Ops that answer what no VMM may. next_present below `from`: share_now never returned. An MPN at
 * the limit from the resolve of a partner: the frame's group was spoilt by its upper bits.
 */
#include "test.h"
#include "vmm.h"

static bool goes_back; /* next_present */
static share_mpn too_large = {SHARE_MPN_END + 5};
static bool lies; /* resolve of VM 0's first page */

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    bool any = vmm_ops.next_present(ctx, vm, from, found);
    if (any && goes_back && from.n)
        found->n = from.n - 1;
    return any;
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    bool present = vmm_ops.resolve(ctx, vm, ppn, mpn);
    if (present && lies && ppn.n == 0)
        *mpn = too_large;
    return present;
}

static struct vmm *new_vmm(struct share_ops *ops)
{
    struct vmm *vmm = vmm_new(1, 4, 8);
    struct share_config config = {.struct_size = sizeof config, .ops = ops, .ops_ctx = vmm};
    *ops = vmm_ops;
    ops->next_present = next_present;
    ops->resolve = resolve;
    assert_int_equal(share_new(&config, &vmm->share), SHARE_OK);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 4; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){7, 0}));
    return vmm;
}

static uint64_t op_errors(const struct vmm *vmm)
{
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    return stats.op_errors;
}

static void next_present_goes_back(void **state)
{
    struct share_ops ops;
    struct vmm *vmm = new_vmm(&ops);
    goes_back = true;
    for (unsigned order = SHARE_SEQUENTIAL; order <= SHARE_RANDOM; order++)
        assert_int_equal(share_scan(vmm->share, (enum share_order)order, 0, 100, NULL), SHARE_OK);
    (void)!share_now(vmm->share, 2, NULL); /* returns */
    assert_true(op_errors(vmm) > 0);
    goes_back = false;
    assert_int_equal(share_now(vmm->share, 4, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 1);
    vmm_end(vmm);
    (void)state;
}

static void an_mpn_is_out_of_range(void **state)
{
    struct share_ops ops;
    struct vmm *vmm = new_vmm(&ops);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    lies = true;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_ERROR);
    assert_int_equal(op_errors(vmm), 1);
    lies = false;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    lies = true;
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_REPLACED_STALE); /* its partner is nowhere */
    assert_int_equal(op_errors(vmm), 2);
    lies = false;
    assert_int_equal(share_now(vmm->share, 4, NULL), SHARE_OK);
    assert_int_equal(vmm_used(vmm), 1);
    vmm_end(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(next_present_goes_back),
                                       cmocka_unit_test(an_mpn_is_out_of_range)};
    return RUN(tests);
}
