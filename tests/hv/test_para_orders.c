/* SPDX-License-Identifier: MIT */
/*
 * Merge, break, balloon, deflate, paging out and a new mapping of one page of a paravirtualized
 * guest, in every order of six: after each step all tables agree, the guest reads what it should,
 * and the neighbour that the page was shared with has its own.
 */
#include "driver.h"
#include "para_rig.h"

enum { PAGE = RIG_DATA, WRITABLE = 60, READABLE, ORDER = 6 };
enum { INFLATE, DEFLATE, BUFFER = 56 };
enum { EQUAL = 0x33, STORED = 0x44 };

static struct {
    struct hv_world *world;
    struct hv_vm *vm, *other;
    struct driver driver;
    uint8_t byte; /* what the first byte of the page must be */
} test;

static void store(void)
{
    struct hv_tlb_fill fill;
    assert_int_equal(rig_miss(test.vm, rig_va(WRITABLE), HV_ACCESS_STORE, &fill), HV_FILL_PAGE);
    assert_true(fill.allow & HV_ALLOW_WRITE);
    *(uint8_t *)fill.page = test.byte = STORED;
}

static void merge(void)
{
    rig_fill(test.vm, PAGE, EQUAL);
    test.byte = EQUAL;
    rig_offer(test.other, PAGE);
    rig_offer(test.vm, PAGE);
    assert_int_equal(rig_mpn(test.vm, PAGE), rig_mpn(test.other, PAGE));
}

static void send(unsigned queue)
{
    const uint32_t pfn = RIG_PPN + PAGE;
    const struct driver_buffer buffer = {rig_gpa(BUFFER), sizeof pfn, false};
    assert_true(hv_guest_write(test.vm, buffer.gpa, &pfn, sizeof pfn));
    driver_offer(&test.driver, queue, &buffer, 1);
    driver_kick(&test.driver, queue);
}

static void inflate(void)
{
    send(INFLATE);
    test.byte = 0;
    assert_int_equal(rig_mpn(test.vm, PAGE), HV_PARA_ABSENT);
}

static void deflate(void)
{
    send(DEFLATE);
}

static void page_out(void)
{
    (void)hv_paging_take(test.vm, (hv_ppn){RIG_PPN + PAGE});
}

static void map_again(void)
{
    assert_int_equal(rig_map(test.vm, RIG_LEAF, WRITABLE, PAGE, RIG_WRITE), HV_PARA_OK);
    assert_int_equal(rig_map(test.vm, RIG_LEAF, READABLE, PAGE, RIG_READ), HV_PARA_OK);
}

static const struct step {
    const char *name;
    void (*run)(void);
} steps[] = {{"merge", merge},     {"store", store},       {"inflate", inflate},
             {"deflate", deflate}, {"page out", page_out}, {"map again", map_again}};

enum { STEPS = sizeof steps / sizeof *steps };

static void check(unsigned order, const char *step)
{
    uint8_t byte = 0, theirs = 0;
    const char *wrong = hv_para_check(test.vm->para);
    if (wrong)
        fail_msg("order %u, %s: %s", order, step, wrong);
    assert_true(hv_guest_read(test.vm, rig_gpa(PAGE), &byte, 1));
    assert_true(hv_guest_read(test.other, rig_gpa(PAGE), &theirs, 1));
    if (byte != test.byte || theirs != EQUAL)
        fail_msg("order %u, %s: reads %#x, must be %#x; the neighbour reads %#x", order, step, byte,
                 test.byte, theirs);
}

/* The guest's own look: what its table says, it finds. */
static void look(unsigned order)
{
    struct hv_tlb_fill fill;
    assert_int_equal(rig_miss(test.vm, rig_va(READABLE), HV_ACCESS_LOAD, &fill), HV_FILL_PAGE);
    assert_int_equal(*(const uint8_t *)fill.page, test.byte);
    assert_ptr_equal(
        fill.page, hv_machine_page(&test.world->commons.machine, (hv_mpn){rig_mpn(test.vm, PAGE)}));
    check(order, "look");
}

static void every_order(void **state)
{
    (void)state;
    unsigned orders = 1;
    for (unsigned i = 0; i < ORDER; i++)
        orders *= STEPS;
    test.world = rig_world(true, 2);
    test.vm = rig_para_vm(test.world, 0);
    test.other = rig_para_vm(test.world, 0);
    driver_start(&test.driver, test.vm, &hv_virtio_balloon, 0, 2);
    rig_tables(test.vm);
    rig_fill(test.other, PAGE, EQUAL);
    map_again();
    for (unsigned order = 0; order < orders; order++) {
        for (unsigned i = 0, rest = order; i < ORDER; i++, rest /= STEPS) {
            steps[rest % STEPS].run();
            check(order, steps[rest % STEPS].name);
        }
        look(order);
    }
    const char *wrong = hv_world_check(test.world);
    if (wrong)
        fail_msg("%s", wrong);
    hv_vm_exit(test.vm);
    hv_vm_exit(test.other);
    assert_int_equal(hv_machine_used(&test.world->commons.machine), 0);
    hv_world_free(test.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
