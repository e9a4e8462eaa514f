/* SPDX-License-Identifier: MIT */
/*
 * No lost write: a guest stores at every step of a merge and of a break.
 *
 * Two or three VMs run four instructions: load, store, count, jump. The engine is the one with a
 * hook at every step between two of its shared accesses; at the chosen step one VM's hart runs on.
 * If its TLB still lets it store, it stores by that: a shootdown that was forgotten loses this
 * write. What each VM stored is known, and compared at the end. All steps are tried, for each VM,
 * for merges (of two pages, of a third, of zero pages) and for breaks; under full virtualization
 * and under paravirtualization, there also with a guest that maps the page anew before it stores.
 */
#include "para_rig.h"

#include "lock.h"

enum { REG_T0 = 5, REG_T1 = 6, REG_A0 = 10, LOOP = 4, FIRST = 5, STEPS_MAX = 400 };
enum { PAGE_SLOT = 5, ALIAS_SLOT = 6 };
#define CODE HV_RAM_BASE
#define PAGE (HV_RAM_BASE + PAGE_SLOT * HV_PAGE_BYTES)
#define PPN  ((share_ppn){PAGE >> HV_PAGE_SHIFT})

static struct {
    struct hv_world *world;
    struct hv_vm *vm[3];
    uint64_t stored[3]; /* what the first word of each VM's page must be */
    unsigned count, at, writer;
    enum mode { FULL, PARA, PARA_REMAPS, PARA_BARE } mode; /* BARE: before the first SwitchPT */
    bool pending; /* the writer waits: the page was between two states */
    bool done;
} test;

/* One turn of the writer's loop. False if its vCPU would have to wait. */
static bool store(unsigned i)
{
    struct hv_vm *vm = test.vm[i];
    if (test.mode == PARA_REMAPS) /* at another address, by the MPN of this moment */
        assert_int_equal(rig_map(vm, RIG_LEAF, ALIAS_SLOT, PAGE_SLOT, RIG_WRITE), HV_PARA_OK);
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(PAGE));
    uint64_t va = hv_hart_reg(vm->hart, REG_A0);
    if (!hv_hart_tlb_find(vm->hart, va, HV_ACCESS_STORE) && (page->reasons & HV_REASON_SHARING)) {
        enum share_result result = share_break(test.world->commons.share, vm->share, PPN);
        if (result == SHARE_RETRY)
            return false;
        assert_int_equal(result, SHARE_OK);
    }
    uint64_t value = hv_hart_reg(vm->hart, REG_T0);
    assert_int_equal(hv_hart_run(vm->hart, LOOP), HV_STOP_BUDGET);
    assert_int_equal(hv_hart_reg(vm->hart, REG_T1), test.stored[i]);
    test.stored[i] = value;
    return true;
}

static void hook(enum share_step step)
{
    (void)step;
    if (test.done || (!test.pending && test.count++ != test.at))
        return;
    test.pending = false;
    void (*self)(enum share_step) = share_step_hook;
    share_step_hook = NULL;
    test.done = store(test.writer);
    test.pending = !test.done;
    share_step_hook = self;
}

/* Code and page at the same addresses as without tables; the page once more beside it. */
static void make_tables(struct hv_vm *vm)
{
    rig_tables(vm);
    assert_int_equal(rig_map(vm, RIG_LEAF, 0, 0, RIG_CODE), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_LEAF, PAGE_SLOT, PAGE_SLOT, RIG_WRITE), HV_PARA_OK);
    if (test.mode == PARA_REMAPS)
        hv_hart_set_reg(vm->hart, REG_A0, rig_va(ALIAS_SLOT));
}

static void set_up(unsigned vms, bool zero)
{
    static const uint32_t loop[] = {0x00053303 /* ld t1,0(a0) */, 0x00553023 /* sd t0,0(a0) */,
                                    0x00128293 /* addi t0,t0,1 */, 0xff5ff06f /* j -12 */};
    static uint8_t content[HV_PAGE_BYTES];
    memset(content, zero ? 0 : 0x5a, sizeof content);
    uint64_t first = zero ? 0 : FIRST;
    memcpy(content, &first, 8);
    test.world = rig_world(true, 3);
    for (unsigned i = 0; i < 3; i++)
        test.stored[i] = first;
    for (unsigned i = 0; i < vms; i++) {
        struct hv_vm *vm = test.vm[i] =
            test.mode == FULL ? rig_vm(test.world, 0) : rig_para_vm(test.world, 0);
        assert_true(hv_guest_write(vm, CODE, loop, sizeof loop));
        assert_true(hv_guest_write(vm, PAGE, content, sizeof content));
        hv_hart_set_pc(vm->hart, CODE);
        hv_hart_set_reg(vm->hart, REG_A0, PAGE);
        hv_hart_set_reg(vm->hart, REG_T0, first);
        if (test.mode == PARA || test.mode == PARA_REMAPS)
            make_tables(vm);
        assert_true(store(i)); /* what is there: the pages stay equal, and the TLB may store */
        hv_hart_set_reg(vm->hart, REG_T0, 1000 + i);
    }
}

static void offer_all(unsigned vms)
{
    for (unsigned i = 0; i < vms; i++)
        assert_int_equal(share_offer(test.world->commons.share, test.vm[i]->share, &PPN, 1, NULL),
                         SHARE_OK);
}

static void check(unsigned vms, bool zero)
{
    uint8_t page[HV_PAGE_BYTES];
    for (unsigned i = 0; i < vms; i++) {
        uint64_t word;
        /* The guest's own view, by whatever its TLB still holds: pages left behind are gone now. */
        hv_machine_trim(&test.world->commons.machine);
        assert_int_equal(hv_hart_run(test.vm[i]->hart, 1), HV_STOP_BUDGET);
        assert_int_equal(hv_hart_reg(test.vm[i]->hart, REG_T1), test.stored[i]);
        assert_true(hv_guest_read(test.vm[i], PAGE, page, sizeof page));
        memcpy(&word, page, 8);
        if (word != test.stored[i])
            fail_msg("step %u, writer %u: VM %u has %llu, stored %llu", test.at, test.writer, i,
                     (unsigned long long)word, (unsigned long long)test.stored[i]);
        for (unsigned k = 8; k < HV_PAGE_BYTES; k++)
            assert_int_equal(page[k], zero ? 0 : 0x5a);
    }
    const char *wrong = hv_world_check(test.world);
    if (wrong)
        fail_msg("step %u, writer %u: %s", test.at, test.writer, wrong);
    for (unsigned i = 0; i < vms; i++)
        hv_vm_exit(test.vm[i]);
    assert_int_equal(hv_machine_used(&test.world->commons.machine), 0);
    hv_world_free(test.world);
}

/* Runs `what` with a store of `writer` at every step of it. How many steps there were. */
static unsigned every_step(unsigned vms, bool zero, unsigned writer, bool merged,
                           void (*what)(unsigned vms))
{
    for (test.at = 0; test.at < STEPS_MAX; test.at++) {
        set_up(vms, zero);
        if (merged)
            offer_all(vms);
        test.writer = writer;
        test.count = 0;
        test.done = test.pending = false;
        share_step_hook = hook;
        what(vms);
        share_step_hook = NULL;
        bool reached = test.done || test.pending;
        if (test.pending)
            assert_true(store(writer));
        check(vms, zero);
        if (!reached)
            break;
    }
    return test.at;
}

static const char *const mode_names[] = {"full", "para", "para, mapping anew", "para, no tables"};

static void during_merges(void **state)
{
    test.mode = *(enum mode *)*state;
    for (unsigned vms = 2; vms <= 3; vms++)
        for (unsigned writer = 0; writer < vms; writer++) {
            unsigned steps = every_step(vms, false, writer, false, offer_all);
            printf("%s: %u pages, writer %u: %u steps\n", mode_names[test.mode], vms, writer,
                   steps);
            assert_in_range(steps, 8, STEPS_MAX - 1);
        }
}

static void during_zero_merges(void **state)
{
    test.mode = *(enum mode *)*state;
    for (unsigned writer = 0; writer < 2; writer++)
        assert_in_range(every_step(2, true, writer, false, offer_all), 4, STEPS_MAX - 1);
}

static void break_first(unsigned vms)
{
    (void)vms;
    assert_true(store(0) || store(0));
}

static void during_breaks(void **state)
{
    test.mode = *(enum mode *)*state;
    for (unsigned vms = 2; vms <= 3; vms++)
        for (unsigned writer = 1; writer < vms; writer++) {
            unsigned steps = every_step(vms, false, writer, true, break_first);
            printf("%s: break of %u pages, writer %u: %u steps\n", mode_names[test.mode], vms,
                   writer, steps);
            assert_in_range(steps, 3, STEPS_MAX - 1);
        }
}

/* An S-PT entry goes (its address space was evicted), the TLB still has it: a merge must see that.
 */
static void after_the_shadow_forgot(void **state)
{
    test.mode = *(enum mode *)*state;
    set_up(2, false);
    for (unsigned i = 0; i < 2; i++) {
        assert_non_null(hv_hart_tlb_find(test.vm[i]->hart, PAGE, HV_ACCESS_STORE));
        if (test.mode == FULL)
            hv_shadow_zap(&test.vm[i]->shadow, hv_ppn_of(PAGE));
        else /* and no FlushTLB */
            assert_int_equal(rig_put(test.vm[i], RIG_LEAF, PAGE_SLOT, 0, 0, PAGE_SLOT), HV_PARA_OK);
    }
    offer_all(2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(hv_physmap_at(&test.vm[i]->map, hv_ppn_of(PAGE))->reasons,
                         HV_REASON_SHARING);
        assert_null(hv_hart_tlb_find(test.vm[i]->hart, PAGE, HV_ACCESS_STORE));
        if (test.mode != FULL)
            assert_int_equal(rig_map(test.vm[i], RIG_LEAF, PAGE_SLOT, PAGE_SLOT, RIG_WRITE),
                             HV_PARA_OK);
        assert_true(store(i));
    }
    check(2, false);
}

int main(void)
{
    static enum mode modes[] = {FULL, PARA, PARA_REMAPS, PARA_BARE};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(during_merges, &modes[0]),
        cmocka_unit_test_prestate(during_merges, &modes[1]),
        cmocka_unit_test_prestate(during_merges, &modes[2]),
        cmocka_unit_test_prestate(during_merges, &modes[3]),
        cmocka_unit_test_prestate(during_zero_merges, &modes[0]),
        cmocka_unit_test_prestate(during_zero_merges, &modes[1]),
        cmocka_unit_test_prestate(during_zero_merges, &modes[2]),
        cmocka_unit_test_prestate(during_breaks, &modes[0]),
        cmocka_unit_test_prestate(during_breaks, &modes[1]),
        cmocka_unit_test_prestate(during_breaks, &modes[2]),
        cmocka_unit_test_prestate(during_breaks, &modes[3]),
        cmocka_unit_test_prestate(after_the_shadow_forgot, &modes[0]),
        cmocka_unit_test_prestate(after_the_shadow_forgot, &modes[1]),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
