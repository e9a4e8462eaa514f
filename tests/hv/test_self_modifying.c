/* SPDX-License-Identifier: MIT */
/* Code that is rewritten while it is shared: who rewrites it runs the new code, everybody else the
 * old, whether the page was shared without COW marking or not; without translation, on page tables
 * of the guest's, and on a paravirtualized guest's. */
#include "para_rig.h"

enum { REG_A0 = 10, REG_A1 = 11, REG_A2 = 12, VMS = 3, STEPS = 5, CSR_SATP = 0x180 };
#define CODE      HV_RAM_BASE
#define PATCH     (CODE + 5 * 4)              /* the instruction that is rewritten */
#define ELSEWHERE (CODE + 4 * HV_PAGE_BYTES)  /* nothing is */
#define ROOT      (CODE + 16 * HV_PAGE_BYTES) /* full: one gigapage, memory where it lies */

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

static struct hv_vm *bare(struct hv_world *world)
{
    return rig_vm(world, 0);
}

static struct hv_vm *sv39(struct hv_world *world)
{
    struct hv_vm *vm = rig_vm(world, 0);
    uint64_t leaf = CODE >> 2 | RIG_WRITE | HV_PTE_X;
    assert_true(hv_guest_write(vm, ROOT + 2 * 8, &leaf, sizeof leaf));
    assert_true(hv_hart_csr_write(vm->hart, CSR_SATP, UINT64_C(8) << 60 | ROOT >> 12));
    return vm;
}

static struct hv_vm *para(struct hv_world *world)
{
    struct hv_vm *vm = rig_para_vm(world, 0);
    rig_tables(vm);
    assert_int_equal(rig_map(vm, RIG_LEAF, 0, 0, RIG_WRITE | HV_PTE_X), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_LEAF, 4, 4, RIG_WRITE), HV_PARA_OK);
    return vm;
}

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

static void assert_one_page(struct hv_vm **vm)
{
    hv_mpn mpn = {hv_physmap_at(&vm[0]->map, hv_ppn_of(CODE))->mpn};
    for (unsigned i = 0; i < VMS; i++)
        assert_int_equal(hv_physmap_at(&vm[i]->map, hv_ppn_of(CODE))->mpn, mpn.n);
}

static void rewrite(struct hv_vm *(*make)(struct hv_world *))
{
    struct hv_world *world = rig_world(true, VMS);
    struct hv_vm *vm[VMS];
    for (unsigned i = 0; i < VMS; i++) {
        vm[i] = make(world);
        assert_true(hv_guest_write(vm[i], CODE, code, sizeof code));
        assert_int_equal(run(vm[i], ELSEWHERE, 0), 1); /* its code is decoded */
    }
    for (unsigned round = 0; round < 4; round++) {
        uint64_t expected[VMS];
        for (unsigned i = 0; i < VMS; i++) {
            expected[i] = 10 * round + 10;
            assert_int_equal(run(vm[i], PATCH, LI_A2(expected[i])), expected[i]);
        }
        assert_true(hv_world_share_now(world)); /* all the same again */
        assert_one_page(vm);
        unsigned who = round % VMS;
        expected[who] += 3;
        assert_int_equal(run(vm[who], PATCH, LI_A2(expected[who])), expected[who]);
        for (unsigned i = 0; i < VMS; i++)
            assert_int_equal(run(vm[i], ELSEWHERE, 0), expected[i]);
        assert_null(hv_world_check(world));
    }
    hv_world_free(world);
}

static void without_translation(void **state)
{
    (void)state;
    rewrite(bare);
}

static void on_page_tables(void **state)
{
    (void)state;
    rewrite(sv39);
}

static void paravirtualized(void **state)
{
    (void)state;
    rewrite(para);
}

/* Rewrites itself without end, lets its page be merged meanwhile, counts in s1; ends if it ever
 * runs what it did not write last. */
static const uint32_t forever[] = {
    0x00000517, /* auipc a0, 0                         */
    0x00000593, /* li    a1, 0                         */
    0x03c52683, /* lw    a3, 60(a0): round             */
    0x01459713, /* slli  a4, a1, 20                    */
    0x00d76733, /* or    a4, a4, a3                    */
    0x00e52e23, /* sw    a4, 28(a0)                    */
    0x0000100f, /* fence.i                             */
    0x00000613, /* li    a2, 0: rewritten              */
    0x02b61063, /* bne   a2, a1, lost                  */
    0x1f400793, /* li    a5, 500                       */
    0xfff78793, /* addi  a5, a5, -1                    */
    0xfe079ee3, /* bnez  a5, .-4                       */
    0x00148493, /* addi  s1, s1, 1                     */
    0x0015c593, /* xori  a1, a1, 1                     */
    0xfd1ff06f, /* j     round                         */
    0x00000613, /* what is written, but for its number */
    0x00800893, /* li    a7, 8: lost                   */
    0x00000073, /* ecall: power off                    */
};

static void in_threads(void **state)
{
    (void)state;
    enum { REG_S1 = 9, THREADS = 3, ROUNDS_MIN = 1000 };
    struct hv_error error = {""};
    struct hv_world_config config = {.machine_pages = VMS * 2048 + 64,
                                     .sharing = true,
                                     .scan_rate = 10000000,
                                     .slice_ticks = 50000,
                                     .threads = THREADS,
                                     .seed = 1};
    struct hv_figures figures;
    struct hv_world *world = hv_world_new(&config, &error);
    if (!world)
        fail_msg("%s", error.text);
    for (unsigned i = 0; i < VMS; i++) {
        struct hv_vm *vm = i % 2 ? sv39(world) : bare(world);
        assert_true(hv_guest_write(vm, CODE, forever, sizeof forever));
        hv_hart_set_pc(vm->hart, CODE);
    }
    hv_world_run(world, HV_TICKS_PER_SECOND / 10, NULL, NULL);
    for (unsigned i = 0; i < VMS; i++) {
        struct hv_vm *vm = hv_world_vm(world, i);
        assert_string_equal(hv_vm_reason(vm), "");
        assert_true(hv_hart_reg(vm->hart, REG_S1) > ROUNDS_MIN);
    }
    hv_world_figures(world, &figures);
    assert_true(figures.cow_breaks > 0);
    assert_null(hv_world_check(world));
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_translation),
        cmocka_unit_test(on_page_tables),
        cmocka_unit_test(paravirtualized),
        cmocka_unit_test(in_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
