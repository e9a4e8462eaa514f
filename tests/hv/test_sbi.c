/* SPDX-License-Identifier: MIT */
/* SBI calls made by hand: what needs no guest program (test_programs.c has one). */
#include "rig.h"

enum {
    A0 = 10,
    A1 = 11,
    A6 = 16,
    A7 = 17,
    CSR_SATP = 0x180,
    CSR_SIP = 0x144,
    SEND_IPI = 4,
    SRST = 0x53525354,
    INVALID = -3,
};
#define MASK  (HV_RAM_BASE + 0x1008)
#define ROOT  (HV_RAM_BASE + 0x2000)
#define ALIAS UINT64_C(0xffffffc000000000) /* slot 256 of the root: a gigapage of memory */

static struct hv_vm *vm;

static int set_up(void **state)
{
    struct hv_world *world = rig_world(false, 1);
    vm = rig_vm(world, 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    hv_world_free(*state);
    return 0;
}

static int64_t call(uint64_t extension, uint64_t a0, uint64_t a1)
{
    hv_hart_set_reg(vm->hart, A0, a0);
    hv_hart_set_reg(vm->hart, A1, a1);
    hv_hart_set_reg(vm->hart, A6, 0);
    hv_hart_set_reg(vm->hart, A7, extension);
    (void)hv_sbi_ecall(vm);
    return (int64_t)hv_hart_reg(vm->hart, A0);
}

/* Whether the call raised the software interrupt. */
static bool sends(uint64_t va, int64_t expected)
{
    uint64_t pending = 0;
    hv_hart_set_irq(vm->hart, HV_IRQ_SOFT, false);
    assert_int_equal(call(SEND_IPI, va, 0), expected);
    assert_true(hv_hart_csr_read(vm->hart, CSR_SIP, &pending));
    return pending & 1u << HV_IRQ_SOFT;
}

static void put(uint64_t gpa, uint64_t word)
{
    assert_true(hv_guest_write(vm, gpa, &word, sizeof word));
}

/* The mask was not read: a mask of other harts interrupted this one. */
static void the_legacy_mask_lies_in_memory(void **state)
{
    (void)state;
    put(MASK, 1);
    assert_true(sends(MASK, 0));
    put(MASK, 0xfffffffffffffffe);
    assert_false(sends(MASK, 0));
    assert_true(sends(0, 0)); /* no mask: every hart */
    assert_false(sends(0x1000, INVALID));
    assert_false(sends(MASK + 1, INVALID));
}

static void the_legacy_mask_has_a_virtual_address(void **state)
{
    (void)state;
    put(ROOT + 256 * 8, HV_RAM_BASE >> 2 | HV_PTE_V | HV_PTE_R | HV_PTE_W | HV_PTE_A | HV_PTE_D);
    assert_true(hv_hart_csr_write(vm->hart, CSR_SATP, UINT64_C(8) << 60 | ROOT >> 12));
    put(MASK, 1);
    assert_true(sends(ALIAS + (MASK - HV_RAM_BASE), 0));
    put(MASK, 2);
    assert_false(sends(ALIAS + (MASK - HV_RAM_BASE), 0));
    assert_false(sends(MASK, INVALID)); /* not mapped here */
}

static void says(const char *text)
{
    hv_console_put(&vm->board->console, text, strlen(text));
}

static void ends(uint64_t type, uint64_t reason, enum hv_state state, const char *why)
{
    (void)call(SRST, type, reason);
    assert_int_equal(hv_vm_state(vm), state);
    assert_string_equal(hv_vm_reason(vm), why);
}

static void a_reset_ends_the_vm(void **state)
{
    (void)state;
    ends(1, 0, HV_ENDED, "rebooted");
}

static void a_warm_reset_ends_the_vm(void **state)
{
    (void)state;
    ends(2, 0, HV_ENDED, "rebooted");
}

static void a_system_failure_is_one(void **state)
{
    (void)state;
    ends(0, 1, HV_FAILED, "the guest says: system failure");
}

static void a_panic_resets(void **state)
{
    (void)state;
    says("all is well\n[    0.123456] Kernel panic - not syncing: VFS\n[    0.2] CPU: 0\n");
    assert_int_equal(hv_vm_state(vm), HV_RUNNING_VM);
    ends(1, 0, HV_FAILED, "the guest's kernel panicked");
}

/* Any process could end its VM by printing this. */
static void words_alone_are_no_panic(void **state)
{
    struct hv_world *world = *state;
    static const uint32_t loop = 0x0000006f; /* j . */
    assert_true(hv_guest_write(vm, HV_RAM_BASE, &loop, sizeof loop));
    hv_hart_set_pc(vm->hart, HV_RAM_BASE);
    says("Kernel panic - not syncing: says who?\n");
    hv_world_run(world, HV_TICKS_PER_SECOND / 100, NULL, NULL);
    assert_int_equal(hv_vm_state(vm), HV_RUNNING_VM);
    ends(0, 0, HV_ENDED, "powered off");
}

static void words_inside_a_line_are_no_panic(void **state)
{
    (void)state;
    says("# echo Kernel panic - not syncing\n[x] Kernel panic - not syncing\n");
    ends(1, 0, HV_ENDED, "rebooted");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_legacy_mask_lies_in_memory),
        TEST(the_legacy_mask_has_a_virtual_address),
        TEST(a_reset_ends_the_vm),
        TEST(a_warm_reset_ends_the_vm),
        TEST(a_system_failure_is_one),
        TEST(a_panic_resets),
        TEST(words_alone_are_no_panic),
        TEST(words_inside_a_line_are_no_panic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
