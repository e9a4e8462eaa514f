/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls of hostile guests: every wrong argument has its answer, nothing changes by it, and no
 * other VM's memory does. And what sharing does to entries of honest ones.
 */
#include "para_rig.h"

struct test {
    struct hv_world *world;
    struct hv_vm *vm, *other; /* other: another VM, whose memory must stay as it is */
    uint8_t *before;
};

enum { OWN = RIG_DATA, OTHERS = RIG_DATA + 1 };

static int set_up(void **state)
{
    struct test *test = calloc(1, sizeof *test);
    assert_non_null(test);
    test->world = rig_world(true, 2);
    test->vm = rig_para_vm(test->world, 0);
    test->other = rig_para_vm(test->world, 0);
    rig_tables(test->vm);
    rig_fill(test->vm, OWN, 0x11);
    rig_fill(test->other, OWN, 0x22);
    rig_fill(test->other, OTHERS, 0x33);
    test->before = rig_copy(test->other);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct test *test = *state;
    assert_null(hv_world_check(test->world));
    rig_same(test->other, test->before);
    hv_vm_exit(test->vm);
    hv_vm_exit(test->other);
    assert_int_equal(hv_machine_used(&test->world->commons.machine), 0);
    hv_world_free(test->world);
    free(test);
    return 0;
}

static void foreign_machine_pages(void **state)
{
    struct test *test = *state;
    uint64_t machine_pages = test->world->commons.machine.pages, never = 0;
    while (hv_p2m_was(&test->vm->para->p2m, never) || hv_p2m_was(&test->other->para->p2m, never))
        never++;
    const uint64_t wrong[] = {rig_mpn(test->other, OWN),
                              rig_mpn(test->other, OTHERS),
                              never,
                              machine_pages,
                              machine_pages + 1,
                              HV_PARA_ABSENT - 1};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(rig_put(test->vm, RIG_LEAF, 40, wrong[i], RIG_READ, OWN), HV_PARA_DENIED);
        assert_int_equal(rig_put(test->vm, RIG_LEAF, 40, wrong[i], RIG_WRITE, OWN), HV_PARA_DENIED);
        assert_int_equal(rig_put(test->vm, RIG_MIDDLE, 1, wrong[i], HV_PTE_V, RIG_LEAF),
                         HV_PARA_DENIED);
        assert_int_equal(rig_put(test->vm, RIG_LEAF, 40, wrong[i], RIG_READ, 999), HV_PARA_DENIED);
    }
    assert_int_equal(rig_entry(test->vm, RIG_LEAF, 40), 0);
    assert_int_equal(rig_mpn(test->vm, 999), HV_PARA_ABSENT);
}

static void pages_outside_memory(void **state)
{
    struct test *test = *state;
    const uint64_t wrong[] = {RIG_PAGES, UINT64_MAX, UINT64_MAX - RIG_PPN, -RIG_PPN,
                              (UINT64_C(1) << 44) - RIG_PPN};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(rig_put(test->vm, RIG_LEAF, 40, 0, RIG_READ, wrong[i]), HV_PARA_ADDRESS);
        assert_int_equal(rig_create(test->vm, wrong[i], 0), HV_PARA_ADDRESS);
        assert_int_equal(rig_destroy(test->vm, wrong[i]), HV_PARA_ADDRESS);
        assert_int_equal(rig_call(test->vm, HV_PARA_SWITCH_PT, RIG_PPN + wrong[i], 0).error,
                         HV_PARA_ADDRESS);
    }
    assert_int_equal(rig_put(test->vm, RIG_PAGES, 0, 0, 0, OWN), HV_PARA_ADDRESS);
}

static void tables_are_never_writable(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    static const uint64_t tables[] = {RIG_ROOT, RIG_MIDDLE, RIG_LEAF};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig_map(vm, RIG_LEAF, 50 + i, tables[i], RIG_WRITE), HV_PARA_DENIED);
        assert_int_equal(rig_map(vm, RIG_LEAF, 50 + i, tables[i], RIG_READ), HV_PARA_OK);
        /* nor by the VMM's own hand: a device that writes where it is told to */
        assert_false(hv_guest_write(vm, rig_gpa(tables[i]), "evil", 4));
        struct hv_tlb_fill fill;
        assert_int_equal(rig_miss(vm, rig_va(50 + i), HV_ACCESS_STORE, &fill), HV_FILL_FAULT);
        assert_int_equal(fill.cause, HV_CAUSE_STORE_PAGE);
        assert_int_equal(rig_miss(vm, rig_va(50 + i), HV_ACCESS_LOAD, &fill), HV_FILL_PAGE);
    }
    assert_int_equal(vm->state, HV_RUNNING_VM);
    /* a page that is mapped writable somewhere becomes no table, one that is not does */
    assert_int_equal(rig_map(vm, RIG_LEAF, 60, OWN, RIG_WRITE), HV_PARA_OK);
    assert_int_equal(rig_create(vm, OWN, 0), HV_PARA_BUSY);
    assert_int_equal(rig_map(vm, RIG_LEAF, 60, OWN, RIG_READ), HV_PARA_OK);
    assert_int_equal(rig_create(vm, OWN, 0), HV_PARA_OK);
    assert_int_equal(rig_entry(vm, OWN, 0), 0); /* what was in it is no entry */
    assert_int_equal(rig_create(vm, OWN, 0), HV_PARA_INVALID);
    /* freed, it may be mapped writable again, through an entry that was there all the time */
    assert_int_equal(rig_destroy(vm, OWN), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_LEAF, 60, OWN, RIG_WRITE), HV_PARA_OK);
}

/* The guest's hart has stored to OWN, and its TLB knows the way. */
static void store_by_tlb(struct hv_vm *vm)
{
    static const uint32_t store[] = {0x00553023 /* sd t0,0(a0) */, 0xffdff06f /* j -4 */};
    assert_true(hv_guest_write(vm, rig_gpa(0), store, sizeof store));
    assert_int_equal(rig_map(vm, RIG_LEAF, 0, 0, RIG_CODE), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_LEAF, 60, OWN, RIG_WRITE), HV_PARA_OK);
    hv_hart_set_pc(vm->hart, rig_va(0));
    hv_hart_set_reg(vm->hart, 10, rig_va(60));
    hv_hart_set_reg(vm->hart, 5, 0x1234);
    assert_int_equal(hv_hart_run(vm->hart, 2), HV_STOP_BUDGET);
    assert_non_null(hv_hart_tlb_find(vm->hart, rig_va(60), HV_ACCESS_STORE));
}

/* A machine page that goes back to the host is in no TLB, whatever the guest flushed. */
static void tlb_forgets_what_left(void **state)
{
    struct test *test = *state;
    store_by_tlb(test->vm);
    assert_int_equal(rig_put(test->vm, RIG_LEAF, 60, 0, 0, OWN), HV_PARA_OK);
    assert_true(hv_page_depart(test->vm, (hv_ppn){RIG_PPN + OWN}, HV_DEPART_FREE));
    assert_null(hv_hart_tlb_find(test->vm->hart, rig_va(60), HV_ACCESS_STORE));
}

/* A translation of before CreatePT, still in the TLB, must not write what is walked now. */
static void tlb_forgets_what_became_a_table(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    store_by_tlb(vm);
    assert_int_equal(rig_put(vm, RIG_LEAF, 60, 0, 0, OWN), HV_PARA_OK); /* and no FlushTLB */
    assert_int_equal(rig_create(vm, OWN, 0), HV_PARA_OK);
    assert_null(hv_hart_tlb_find(vm->hart, rig_va(60), HV_ACCESS_STORE));
    hv_hart_set_reg(vm->hart, 10, rig_va(60));
    hv_hart_run(vm->hart, 2);
    assert_int_equal(rig_entry(vm, OWN, 0), 0);
}

static void freed_tables(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    enum { SPARE = 70 };
    assert_int_equal(rig_create(vm, SPARE, 0), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_MIDDLE, 7, SPARE, HV_PTE_V), HV_PARA_OK);
    assert_int_equal(rig_destroy(vm, SPARE), HV_PARA_BUSY); /* named */
    assert_int_equal(rig_destroy(vm, RIG_ROOT), HV_PARA_BUSY);
    assert_int_equal(rig_destroy(vm, RIG_MIDDLE), HV_PARA_BUSY);
    assert_int_equal(rig_put(vm, RIG_MIDDLE, 7, 0, 0, SPARE), HV_PARA_OK);
    assert_int_equal(rig_map(vm, SPARE, 3, OWN, RIG_WRITE), HV_PARA_OK);
    assert_int_equal(rig_destroy(vm, SPARE), HV_PARA_OK);
    assert_int_equal(rig_destroy(vm, SPARE), HV_PARA_INVALID);
    assert_int_equal(rig_map(vm, SPARE, 3, OWN, RIG_READ), HV_PARA_INVALID);
    assert_int_equal(rig_map(vm, RIG_MIDDLE, 7, SPARE, HV_PTE_V), HV_PARA_INVALID);
    assert_int_equal(rig_call(vm, HV_PARA_SWITCH_PT, RIG_PPN + SPARE, 0).error, HV_PARA_INVALID);
    assert_int_equal(rig_entry(vm, SPARE, 3), 0); /* a page of zeros */
}

static void loops_and_levels(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    static const struct {
        uint64_t table, child;
    } wrong[] = {{RIG_ROOT, RIG_ROOT},   {RIG_ROOT, RIG_LEAF}, {RIG_MIDDLE, RIG_MIDDLE},
                 {RIG_MIDDLE, RIG_ROOT}, {RIG_LEAF, RIG_ROOT}, {RIG_LEAF, RIG_MIDDLE},
                 {RIG_LEAF, RIG_LEAF},   {RIG_ROOT, OWN},      {RIG_MIDDLE, OWN}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(rig_map(vm, wrong[i].table, 9, wrong[i].child, HV_PTE_V), HV_PARA_INVALID);
    /* superpages, and flags that a table's name does not have */
    static const uint64_t flags[] = {
        RIG_READ, RIG_WRITE, HV_PTE_V | HV_PTE_A, HV_PTE_V | HV_PTE_U, HV_PTE_V | 1 << 9, HV_PTE_R};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        assert_int_equal(rig_map(vm, RIG_MIDDLE, 9, RIG_LEAF, flags[i]), HV_PARA_INVALID);
        assert_int_equal(rig_map(vm, RIG_ROOT, 9, RIG_MIDDLE, flags[i]), HV_PARA_INVALID);
    }
    assert_int_equal(rig_create(vm, 71, 3), HV_PARA_INVALID);
    assert_int_equal(rig_create(vm, 71, UINT64_MAX), HV_PARA_INVALID);
    assert_int_equal(rig_create(vm, 71, UINT64_C(1) << 32), HV_PARA_INVALID);
    static const uint64_t not_roots[] = {RIG_MIDDLE, RIG_LEAF, OWN};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rig_call(vm, HV_PARA_SWITCH_PT, RIG_PPN + not_roots[i], 0).error,
                         HV_PARA_INVALID);
}

static void entries_that_mean_nothing(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    uint64_t mpn = rig_mpn(vm, OWN);
    const uint64_t flags[] = {HV_PTE_R,
                              HV_PTE_V,
                              HV_PTE_V | HV_PTE_W,
                              HV_PTE_V | HV_PTE_W | HV_PTE_X,
                              RIG_READ | HV_PARA_COW,
                              RIG_READ | UINT64_C(1) << 54,
                              RIG_READ | UINT64_C(1) << 63,
                              HV_PTE_U};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        assert_int_equal(rig_put(vm, RIG_LEAF, 40, mpn, flags[i], OWN), HV_PARA_INVALID);
    for (unsigned slot = HV_PARA_WINDOW_SLOT; slot < HV_PARA_SLOTS; slot++)
        assert_int_equal(rig_map(vm, RIG_ROOT, slot, RIG_MIDDLE, HV_PTE_V), HV_PARA_DENIED);
    assert_int_equal(rig_map(vm, OWN, 0, OWN, RIG_READ), HV_PARA_INVALID); /* no table */
    assert_int_equal(rig_entry(vm, RIG_LEAF, 40), 0);
    assert_int_equal(rig_call(vm, HV_PARA_CALLS, 0, 0).error, HV_PARA_UNKNOWN);
    assert_int_equal(rig_call(vm, UINT64_MAX, 0, 0).error, HV_PARA_UNKNOWN);
}

static void batches_that_lie(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    uint64_t end = HV_RAM_BASE + RIG_PAGES * HV_PAGE_BYTES, size = sizeof(struct hv_para_update);
    const struct {
        uint64_t gpa, count;
        int64_t error;
    } wrong[] = {
        {rig_gpa(RIG_BATCH), HV_PARA_BATCH_MAX + 1, HV_PARA_INVALID},
        {rig_gpa(RIG_BATCH), UINT64_MAX, HV_PARA_INVALID},
        {rig_gpa(RIG_BATCH), UINT64_MAX / size + 2, HV_PARA_INVALID},
        {rig_gpa(RIG_BATCH) + 4, 1, HV_PARA_INVALID},
        {end, 1, HV_PARA_ADDRESS},
        {end - 8, 1, HV_PARA_ADDRESS},
        {end - size * HV_PARA_BATCH_MAX + 8, HV_PARA_BATCH_MAX, HV_PARA_ADDRESS},
        {HV_RAM_BASE - 8, 1, HV_PARA_ADDRESS},
        {0, 1, HV_PARA_ADDRESS},
        {UINT64_MAX - 7, 1, HV_PARA_ADDRESS},
        {UINT64_MAX - 7, HV_PARA_BATCH_MAX, HV_PARA_ADDRESS},
        {HV_VIRTIO_BASE, 1, HV_PARA_ADDRESS},
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct hv_hypercall_answer answer =
            rig_call(vm, HV_PARA_UPDATE_PT, wrong[i].gpa, wrong[i].count);
        assert_int_equal(answer.error, wrong[i].error);
        assert_int_equal(answer.value, 0);
    }
    assert_int_equal(rig_call(vm, HV_PARA_UPDATE_PT, rig_gpa(RIG_BATCH), 0).error, HV_PARA_OK);
    /* a batch never touched is zeros; one that is a page table is read like any other memory */
    assert_int_equal(rig_call(vm, HV_PARA_UPDATE_PT, rig_gpa(900), 2).error, HV_PARA_ADDRESS);
    assert_int_equal(rig_call(vm, HV_PARA_UPDATE_PT, rig_gpa(RIG_LEAF), 2).error, HV_PARA_ADDRESS);
}

static void a_batch_stops_where_it_fails(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    struct hv_para_update batch[3] = {
        {rig_gpa(RIG_LEAF) + 8 * 80, HV_PARA_ABSENT << 10 | RIG_WRITE, RIG_PPN + 80},
        {rig_gpa(RIG_LEAF) + 8 * 81, rig_mpn(test->other, OWN) << 10 | RIG_WRITE, RIG_PPN + 81},
        {rig_gpa(RIG_LEAF) + 8 * 82, HV_PARA_ABSENT << 10 | RIG_WRITE, RIG_PPN + 82}};
    assert_true(hv_guest_write(vm, rig_gpa(RIG_BATCH), batch, sizeof batch));
    struct hv_hypercall_answer answer = rig_call(vm, HV_PARA_UPDATE_PT, rig_gpa(RIG_BATCH), 3);
    assert_int_equal(answer.error, HV_PARA_DENIED);
    assert_int_equal(answer.value, 1);
    assert_int_equal(rig_entry(vm, RIG_LEAF, 80),
                     HV_PARA_ABSENT << 10 | (RIG_READ & ~HV_PTE_V) | HV_PTE_D | HV_PARA_COW);
    assert_int_equal(rig_entry(vm, RIG_LEAF, 81), 0);
    assert_int_equal(rig_entry(vm, RIG_LEAF, 82), 0);
    /* mapped but never touched: the first access gives it a page of zeros */
    struct hv_tlb_fill fill;
    assert_int_equal(rig_mpn(vm, 80), HV_PARA_ABSENT);
    assert_int_equal(rig_miss(vm, rig_va(80), HV_ACCESS_LOAD, &fill), HV_FILL_PAGE);
    assert_ptr_equal(fill.page,
                     hv_machine_page(&test->world->commons.machine, (hv_mpn){rig_mpn(vm, 80)}));
    assert_int_equal(rig_entry(vm, RIG_LEAF, 80), rig_mpn(vm, 80) << 10 | RIG_WRITE);
    assert_int_equal(rig_put(vm, RIG_LEAF, 80, HV_PARA_ABSENT, RIG_WRITE, 80), HV_PARA_RETRY);
}

/* The balloon takes a page that is still mapped: entries wait, and the next access has zeros. */
static void a_page_that_left_comes_back(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    struct hv_tlb_fill fill;
    assert_int_equal(rig_map(vm, RIG_LEAF, 60, OWN, RIG_WRITE), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_LEAF, 61, OWN, RIG_CODE), HV_PARA_OK);
    assert_true(hv_page_depart(vm, (hv_ppn){RIG_PPN + OWN}, HV_DEPART_FREE));
    assert_int_equal(rig_mpn(vm, OWN), HV_PARA_ABSENT);
    assert_false(rig_entry(vm, RIG_LEAF, 60) & (HV_PTE_V | HV_PTE_W));
    assert_null(hv_para_check(vm->para));
    assert_int_equal(rig_miss(vm, rig_va(61), HV_ACCESS_STORE, &fill), HV_FILL_FAULT);
    assert_int_equal(rig_mpn(vm, OWN), HV_PARA_ABSENT);
    assert_int_equal(rig_miss(vm, rig_va(60), HV_ACCESS_STORE, &fill), HV_FILL_PAGE);
    assert_int_equal(rig_entry(vm, RIG_LEAF, 61) >> 10, rig_mpn(vm, OWN));
    assert_int_equal(*(const uint8_t *)fill.page, 0);
    assert_false(
        hv_page_depart(vm, (hv_ppn){RIG_PPN + RIG_LEAF}, HV_DEPART_FREE)); /* no table leaves */
}

static void tables_are_bounded(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = rig_para_vm(test->world, 5);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(rig_create(vm, 100 + i, i % 3), HV_PARA_OK);
        assert_int_equal(rig_create(vm, 105, 0), HV_PARA_NOMEM);
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(rig_destroy(vm, 100 + i), HV_PARA_OK);
    }
    assert_int_equal(vm->para->tables_made, 5);
    hv_vm_exit(vm);
}

/* What has to be rewritten when a page moves is bounded, however often the guest maps it. */
static void mappings_of_a_page_are_bounded(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    struct hv_para_update batch[HV_PARA_BATCH_MAX];
    enum { FIRST = 100, TABLES = HV_PARA_MAPS_MAX / HV_PARA_SLOTS };
    for (unsigned table = 0; table < TABLES; table++) {
        assert_int_equal(rig_create(vm, FIRST + table, 0), HV_PARA_OK);
        for (unsigned slot = 0; slot < HV_PARA_SLOTS; slot += HV_PARA_BATCH_MAX) {
            for (unsigned i = 0; i < HV_PARA_BATCH_MAX; i++)
                batch[i] =
                    (struct hv_para_update){rig_gpa(FIRST + table) + (slot + i) * 8,
                                            rig_mpn(vm, OWN) << 10 | RIG_WRITE, RIG_PPN + OWN};
            assert_true(hv_guest_write(vm, rig_gpa(RIG_BATCH), batch, sizeof batch));
            assert_int_equal(
                rig_call(vm, HV_PARA_UPDATE_PT, rig_gpa(RIG_BATCH), HV_PARA_BATCH_MAX).error,
                HV_PARA_OK);
        }
    }
    assert_int_equal(rig_map(vm, RIG_LEAF, 60, OWN, RIG_READ), HV_PARA_NOMEM);
    assert_int_equal(rig_put(vm, FIRST, 7, 0, 0, OWN), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_LEAF, 60, OWN, RIG_READ), HV_PARA_OK);
    assert_int_equal(rig_map(vm, FIRST, 7, OWN, RIG_READ), HV_PARA_NOMEM);
    assert_int_equal(rig_destroy(vm, FIRST), HV_PARA_OK); /* and all its entries */
    assert_int_equal(rig_map(vm, RIG_LEAF, 61, OWN, RIG_READ), HV_PARA_OK);
}

static void satp_is_refused(void **state)
{
    struct test *test = *state;
    enum { SATP = 0x180 };
    uint64_t satp = 1;
    assert_false(hv_hart_csr_write(test->vm->hart, SATP, UINT64_C(8) << 60 | RIG_PPN));
    assert_false(hv_hart_csr_write(test->vm->hart, SATP, 0));
    assert_true(hv_hart_csr_read(test->vm->hart, SATP, &satp));
    assert_int_equal(satp, 0);
}

static void the_window_is_read_only(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    struct hv_tlb_fill fill;
    assert_int_equal(rig_miss(vm, HV_PARA_P2M_VA, HV_ACCESS_LOAD, &fill), HV_FILL_PAGE);
    assert_int_equal(fill.allow, HV_ALLOW_READ);
    assert_ptr_equal(fill.page, vm->para->p2m.mpn);
    static const enum hv_access others[] = {HV_ACCESS_STORE, HV_ACCESS_AMO, HV_ACCESS_FETCH};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rig_miss(vm, HV_PARA_P2M_VA, others[i], &fill), HV_FILL_FAULT);
    assert_int_equal(rig_miss(vm, HV_PARA_P2M_VA + RIG_PAGES * 8, HV_ACCESS_LOAD, &fill),
                     HV_FILL_FAULT);
    assert_int_equal(rig_miss(vm, UINT64_MAX, HV_ACCESS_LOAD, &fill), HV_FILL_FAULT);
    assert_int_equal(rig_miss(vm, HV_PARA_DEVICES_VA + HV_VIRTIO_BASE, HV_ACCESS_LOAD, &fill),
                     HV_FILL_MMIO);
    assert_int_equal(rig_miss(vm, HV_PARA_DEVICES_VA, HV_ACCESS_LOAD, &fill), HV_FILL_FAULT);
}

/* ---- sharing */

/* Two pages of one content in the two VMs become one. */
static void merge(struct test *test)
{
    rig_fill(test->vm, OWN, 0x33);
    rig_offer(test->other, OTHERS);
    assert_int_equal(rig_offer(test->vm, OWN), SHARE_PROMOTED);
    assert_int_equal(rig_mpn(test->vm, OWN), rig_mpn(test->other, OTHERS));
}

static void a_merge_and_a_break_rewrite_every_entry(void **state)
{
    struct test *test = *state;
    struct hv_vm *vm = test->vm;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(rig_map(vm, RIG_LEAF, 90 + i, OWN, i % 2 ? RIG_WRITE : RIG_READ),
                         HV_PARA_OK);
    uint64_t own = rig_mpn(vm, OWN);
    merge(test);
    uint64_t frame = rig_mpn(vm, OWN);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = rig_entry(vm, RIG_LEAF, 90 + i);
        assert_int_equal(entry >> 10, frame);
        assert_false(entry & HV_PTE_W);
        assert_int_equal((entry & HV_PARA_COW) != 0, i % 2);
    }
    /* an MPN of before is answered with RETRY; the one of now is taken, and read-only */
    int64_t stale =
        rig_put(vm, RIG_LEAF, 94, own == frame ? rig_mpn(vm, RIG_BATCH) : own, RIG_WRITE, OWN);
    assert_int_equal(stale, HV_PARA_RETRY);
    assert_int_equal(rig_put(vm, RIG_LEAF, 94, HV_PARA_ABSENT, RIG_WRITE, OWN), HV_PARA_RETRY);
    assert_int_equal(rig_map(vm, RIG_LEAF, 94, OWN, RIG_WRITE), HV_PARA_OK);
    assert_int_equal(rig_entry(vm, RIG_LEAF, 94) & (HV_PTE_W | HV_PARA_COW), HV_PARA_COW);
    /* a store through a read-only entry is the guest's fault, through the other it breaks */
    struct hv_tlb_fill fill;
    assert_int_equal(rig_miss(vm, rig_va(90), HV_ACCESS_STORE, &fill), HV_FILL_FAULT);
    assert_int_equal(rig_miss(vm, rig_va(91), HV_ACCESS_STORE, &fill), HV_FILL_PAGE);
    uint64_t copy = rig_mpn(vm, OWN);
    assert_true(copy != frame);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t entry = rig_entry(vm, RIG_LEAF, 90 + i);
        assert_int_equal(entry >> 10, copy);
        assert_int_equal((entry & HV_PTE_W) != 0, i % 2 || i == 4);
        assert_false(entry & HV_PARA_COW);
    }
    assert_int_equal(rig_put(vm, RIG_LEAF, 95, frame, RIG_READ, OWN), HV_PARA_RETRY);
    rig_fill(vm, OWN, 0x44);
}

static void a_shared_page_may_become_a_table(void **state)
{
    struct test *test = *state;
    merge(test);
    assert_int_equal(rig_create(test->vm, OWN, 0), HV_PARA_OK);
    assert_true(rig_mpn(test->vm, OWN) != rig_mpn(test->other, OTHERS));
    assert_int_equal(rig_offer(test->vm, OWN), SHARE_PAGE_GONE); /* not the guest's any more */
    assert_int_equal(rig_destroy(test->vm, OWN), HV_PARA_OK);
    rig_fill(test->vm, OWN, 0x33);
    assert_true(rig_offer(test->vm, OWN) != SHARE_PAGE_GONE);
}

static void code_is_shared_without_marking(void **state)
{
    struct test *test = *state;
    struct share_page_info info;
    rig_fill(test->vm, OWN, 0x33);
    assert_int_equal(rig_map(test->vm, RIG_LEAF, 96, OWN, RIG_CODE), HV_PARA_OK);
    rig_call(test->vm, HV_PARA_FLUSH_TLB, 0, 0);
    uint64_t rewritten = test->vm->para->stats.rewritten;
    assert_false(hv_para_write_protect(test->vm->para, (hv_ppn){RIG_PPN + OWN}));
    rig_offer(test->other, OTHERS);
    assert_int_equal(rig_offer(test->vm, OWN), SHARE_PROMOTED);
    assert_true(hv_vm_page_info(test->vm, (hv_ppn){RIG_PPN + OWN}, &info));
    assert_true(info.code);
    assert_true(test->vm->para->stats.rewritten - rewritten <= 1); /* its MPN, if it moved */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(foreign_machine_pages),
        TEST(pages_outside_memory),
        TEST(tables_are_never_writable),
        TEST(tlb_forgets_what_left),
        TEST(tlb_forgets_what_became_a_table),
        TEST(freed_tables),
        TEST(loops_and_levels),
        TEST(entries_that_mean_nothing),
        TEST(batches_that_lie),
        TEST(a_batch_stops_where_it_fails),
        TEST(a_page_that_left_comes_back),
        TEST(tables_are_bounded),
        TEST(mappings_of_a_page_are_bounded),
        TEST(satp_is_refused),
        TEST(the_window_is_read_only),
        TEST(a_merge_and_a_break_rewrite_every_entry),
        TEST(a_shared_page_may_become_a_table),
        TEST(code_is_shared_without_marking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
