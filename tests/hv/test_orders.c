/* SPDX-License-Identifier: MIT */
/*
 * Merge, store, inflate, deflate, paging out, sampling and a load of one page of a fully
 * virtualized guest, in every order of five: after each step S-PT and physmap agree, the guest
 * reads what it should, and the neighbour that the page was shared with has its own.
 * (Paravirtualized: test_para_orders.)
 */
#include "touch.h"

enum { ORDER = 5, EQUAL = 0x33, STORED = 0x44 };
#define PPN  ((uint32_t)((HV_RAM_BASE >> HV_PAGE_SHIFT) + 100))
#define PAGE ((uint64_t)PPN << HV_PAGE_SHIFT)

static struct {
    struct hv_world *world;
    struct hv_vm *vm, *other;
    struct driver driver;
    uint64_t word;  /* what the page's first must be */
    bool ballooned; /* it must be in the balloon */
} test;

static void store(void)
{
    touch_store(test.vm, PAGE, STORED);
    test.word = STORED;
    test.ballooned = false;
}

static void load(void)
{
    assert_int_equal(touch_load(test.vm, PAGE), test.word);
    test.ballooned = false;
}

static void merge(void)
{
    enum share_outcome outcome;
    share_ppn ppn = {PPN};
    touch_store(test.vm, PAGE, EQUAL);
    test.word = EQUAL;
    test.ballooned = false;
    struct hv_vm *const pair[] = {test.other, test.vm};
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(share_offer(test.world->commons.share, pair[i]->share, &ppn, 1, &outcome),
                         SHARE_OK);
    assert_int_equal(hv_physmap_at(&test.vm->map, (hv_ppn){PPN})->mpn,
                     hv_physmap_at(&test.other->map, (hv_ppn){PPN})->mpn);
}

static void inflate(void)
{
    touch_send(&test.driver, TOUCH_INFLATE, &(uint32_t){PPN}, 1);
    if (!test.ballooned)
        test.word = 0;
    test.ballooned = true;
}

static void deflate(void)
{
    touch_send(&test.driver, TOUCH_DEFLATE, &(uint32_t){PPN}, 1);
    test.ballooned = false;
}

static void page_out(void)
{
    (void)hv_paging_take(test.vm, (hv_ppn){PPN});
}

static void sample(void)
{
    hv_vm_sample(test.vm, HV_TICKS_PER_SECOND, true); /* a census: this page, too */
}

static const struct step {
    const char *name;
    void (*run)(void);
} steps[] = {{"merge", merge},     {"store", store},       {"load", load},    {"inflate", inflate},
             {"deflate", deflate}, {"page out", page_out}, {"sample", sample}};

enum { STEPS = sizeof steps / sizeof *steps };

static void check(unsigned order, const char *step)
{
    uint64_t word = 0, theirs = 0;
    const struct hv_physmap_entry *page = hv_physmap_at(&test.vm->map, (hv_ppn){PPN});
    const char *wrong = hv_shadow_check(&test.vm->shadow);
    if (wrong)
        fail_msg("order %u, %s: %s", order, step, wrong);
    assert_true(hv_guest_read(test.vm, PAGE, &word, 8));
    assert_true(hv_guest_read(test.other, PAGE, &theirs, 8));
    if (word != test.word || theirs != EQUAL)
        fail_msg("order %u, %s: reads %#x, must be %#x; the neighbour reads %#x", order, step,
                 (unsigned)word, (unsigned)test.word, (unsigned)theirs);
    if (test.ballooned != ((page->state & HV_PAGE_BALLOONED) != 0) ||
        test.ballooned != (test.vm->counts.balloon_pages == 1))
        fail_msg("order %u, %s: whether it is in the balloon", order, step);
}

static void every_order(void **state)
{
    (void)state;
    unsigned orders = 1;
    struct driver unused;
    for (unsigned i = 0; i < ORDER; i++)
        orders *= STEPS;
    test.world = rig_world(true, 2);
    test.vm = touch_vm(test.world, &test.driver, 0);
    test.other = touch_vm(test.world, &unused, 0);
    touch_store(test.other, PAGE, EQUAL);
    for (unsigned order = 0; order < orders; order++) {
        for (unsigned i = 0, rest = order; i < ORDER; i++, rest /= STEPS) {
            steps[rest % STEPS].run();
            check(order, steps[rest % STEPS].name);
        }
        load();
        if (order % 512 == 0)
            assert_null(hv_world_check(test.world));
    }
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
