/* SPDX-License-Identifier: MIT */
/* Code that is rewritten while it is shared: who rewrites it runs the new code, everybody else the
 * old, whether the page was shared without COW marking or not. */
#include "rig.h"

enum { REG_A0 = 10, REG_A1 = 11, REG_A2 = 12, VMS = 3, STEPS = 5 };
#define CODE  HV_RAM_BASE
#define PATCH (CODE + 5 * 4) /* the instruction that is rewritten */

/* a0: where to write; a1: what; a2 says which code ran */
static const uint32_t code[] = {
    0x00b52023, /* sw a1, 0(a0) */
    0x0000100f, /* fence.i      */
    0x00000013, /* nop          */
    0x00000013, /* nop          */
    0x00000013, /* nop          */
    0x00100613, /* li a2, 1     */
    0xfe9ff06f, /* j  CODE      */
};
#define LI_A2(n) (UINT32_C(0x00000613) | (uint32_t)(n) << 20)

/* Once around; the store goes to `where`. */
static uint64_t run(struct hv_vm *vm, uint64_t where, uint32_t what)
{
    hv_hart_set_pc(vm->hart, CODE);
    hv_hart_set_reg(vm->hart, REG_A0, where);
    hv_hart_set_reg(vm->hart, REG_A1, what);
    hv_hart_set_reg(vm->hart, REG_A2, 0);
    for (unsigned i = 0; i < STEPS + 1; i++)
        rig_run_one(vm);
    return hv_hart_reg(vm->hart, REG_A2);
}

static void rewritten_while_shared(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, VMS);
    struct hv_vm *vm[VMS];
    for (unsigned i = 0; i < VMS; i++) {
        vm[i] = rig_vm(world, 0);
        assert_true(hv_guest_write(vm[i], CODE, code, sizeof code));
        assert_int_equal(run(vm[i], CODE + 4 * HV_PAGE_BYTES, 0), 1); /* its code is decoded */
    }
    for (unsigned round = 0; round < 4; round++) {
        uint64_t expected[VMS];
        for (unsigned i = 0; i < VMS; i++) {
            expected[i] = 10 * round + 10;
            assert_int_equal(run(vm[i], PATCH, LI_A2(expected[i])), expected[i]);
        }
        assert_true(hv_world_share_now(world)); /* all the same again */
        hv_mpn mpn = {hv_physmap_at(&vm[0]->map, hv_ppn_of(CODE))->mpn};
        for (unsigned i = 0; i < VMS; i++)
            assert_int_equal(hv_physmap_at(&vm[i]->map, hv_ppn_of(CODE))->mpn, mpn.n);
        unsigned who = round % VMS;
        expected[who] += 3;
        assert_int_equal(run(vm[who], PATCH, LI_A2(expected[who])), expected[who]);
        for (unsigned i = 0; i < VMS; i++)
            assert_int_equal(run(vm[i], CODE + 4 * HV_PAGE_BYTES, 0), expected[i]);
        assert_null(hv_world_check(world));
    }
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rewritten_while_shared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
