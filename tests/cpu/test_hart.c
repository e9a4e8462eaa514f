/* SPDX-License-Identifier: MIT */
/*
 * The hart's seam: budgets, stops, interrupts, the TLB as its VMM drives it, devices, and the
 * answers of the specification where QEMU gives others.
 */
#include <pthread.h>

#include "rig.h"

enum { T0 = 5, T1 = 6, T2 = 7, A0 = 10, A1 = 11 };
#define INTERRUPT (UINT64_C(1) << 63) /* in scause */

static int set_up(void **state)
{
    static struct rig rig;
    rig_init(&rig, 8);
    hv_hart_set_reg(rig.hart, A0, DATA_VA);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_fini(*state);
    return 0;
}

/* A loop with a branch, a call, a load, a store and a trap in it. */
static void put_mixed_program(struct rig *rig)
{
    RIG_PUT(rig, CODE_VA, addi(T0, T0, 1), store(SD, T0, 0, A0), load(LD, T1, 0, A0),
            add(T2, T2, T1), branch(BEQ, T0, 0, 8), jal(1, 8), NOP, addi(A1, A1, 3),
            0x00008067 /* ret: to the nop, once more through here */);
    RIG_PUT(rig, CODE_VA + 24, jal(0, 8), addi(A1, A1, 3), ECALL, jal(0, -36));
    RIG_PUT(rig, CODE_VA + 4094, NOP);
}

struct snapshot {
    uint64_t x[32], pc, ticks, instructions;
};

static struct snapshot snapshot_of(const struct rig *rig)
{
    struct snapshot s = {.pc = hv_hart_pc(rig->hart)};
    for (unsigned i = 0; i < 32; i++)
        s.x[i] = hv_hart_reg(rig->hart, i);
    s.ticks = hv_hart_stats(rig->hart).ticks;
    s.instructions = hv_hart_stats(rig->hart).instructions;
    return s;
}

/* However a number of ticks is divided into budgets, the hart is in the same state after them. */
static void budgets_are_exact(void **state)
{
    struct rig *rig = *state;
    enum { TICKS = 60 };
    static struct snapshot one_by_one[TICKS + 1];
    put_mixed_program(rig);
    rig->ecall_answer = HV_ECALL_DONE;
    for (unsigned i = 1; i <= TICKS; i++) {
        assert_int_equal(hv_hart_run(rig->hart, 1), HV_STOP_BUDGET);
        one_by_one[i] = snapshot_of(rig);
        assert_int_equal(one_by_one[i].ticks, i);
    }
    assert_int_not_equal(one_by_one[TICKS].x[A1], 0);
    for (unsigned slice = 2; slice <= TICKS; slice++) {
        tear_down(state);
        set_up(state);
        put_mixed_program(rig);
        rig->ecall_answer = HV_ECALL_DONE;
        for (unsigned i = slice; i <= TICKS; i += slice) {
            assert_int_equal(hv_hart_run(rig->hart, slice), HV_STOP_BUDGET);
            struct snapshot now = snapshot_of(rig);
            assert_memory_equal(&now, &one_by_one[i], sizeof now);
        }
    }
    assert_int_equal(hv_hart_run(rig->hart, 0), HV_STOP_BUDGET);
}

static void counters_are_exact(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, csrr(T0, 0xc02), NOP, NOP, jal(0, 8), NOP, csrr(T1, 0xc02), ECALL,
            csrr(T2, 0xc02), csrr(A1, 0xc00), ECALL);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    assert_int_equal(hv_hart_reg(rig->hart, T0), 0);
    assert_int_equal(hv_hart_reg(rig->hart, T1), 4);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    assert_int_equal(hv_hart_reg(rig->hart, T2), 5); /* an ecall does not retire */
    assert_int_equal(hv_hart_reg(rig->hart, A1), 7); /* but takes its tick */
    struct hv_hart_stats stats = hv_hart_stats(rig->hart);
    assert_int_equal(stats.ticks, 9);
    assert_int_equal(stats.instructions + stats.exceptions, stats.ticks);
}

/* A trap handler that cannot even be fetched is an endless loop that still uses up its budget. */
static void a_trap_storm_ends_with_the_budget(void **state)
{
    struct rig *rig = *state;
    rig->map[RIG_TRAP].host = NULL;
    RIG_PUT(rig, CODE_VA, 0);
    assert_int_equal(hv_hart_run(rig->hart, 1000), HV_STOP_BUDGET);
    assert_int_equal(hv_hart_stats(rig->hart).ticks, 1000);
    assert_int_equal(hv_hart_stats(rig->hart).exceptions, 1000);
}

static void a_kick_is_remembered_once(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, jal(0, 0));
    hv_hart_kick(rig->hart);
    hv_hart_kick(rig->hart);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_KICK);
    assert_int_equal(hv_hart_stats(rig->hart).ticks, 0);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_BUDGET);
}

static void *kick(void *hart)
{
    hv_hart_kick(hart);
    return NULL;
}

static void a_kick_from_another_thread_ends_any_loop(void **state)
{
    struct rig *rig = *state;
    /* In one page; from page to page; by traps alone. */
    RIG_PUT(rig, CODE_VA, jal(0, 0));
    RIG_PUT(rig, CODE_VA + 0x3000, jal(0, 0x1000));
    RIG_PUT(rig, CODE_VA + 0x4000, jal(0, -0x1000));
    RIG_PUT(rig, CODE_VA + 0x5000, 0);
    static const uint64_t starts[] = {0, 0x3000, 0x5000};
    for (unsigned i = 0; i < 3; i++) {
        pthread_t thread;
        if (i == 2)
            hv_hart_csr_write(rig->hart, 0x105, CODE_VA + 0x5000);
        hv_hart_set_pc(rig->hart, CODE_VA + starts[i]);
        assert_int_equal(pthread_create(&thread, NULL, kick, rig->hart), 0);
        assert_int_equal(hv_hart_run(rig->hart, UINT64_MAX), HV_STOP_KICK);
        pthread_join(thread, NULL);
    }
}

static void wfi_stops_until_an_interrupt(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, WFI, addi(T0, 0, 1), jal(0, 0));
    hv_hart_csr_write(rig->hart, 0x104, 1 << HV_IRQ_TIMER);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_WFI);
    assert_int_equal(hv_hart_pc(rig->hart), CODE_VA + 4);
    assert_false(hv_hart_wakes(rig->hart));
    hv_hart_set_irq(rig->hart, HV_IRQ_EXTERNAL, true); /* not enabled in sie */
    assert_false(hv_hart_wakes(rig->hart));
    hv_hart_set_irq(rig->hart, HV_IRQ_TIMER, true);
    assert_true(hv_hart_wakes(rig->hart));
    hv_hart_set_pc(rig->hart, CODE_VA);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_BUDGET); /* no stop: it is pending */
    assert_int_equal(hv_hart_reg(rig->hart, T0), 1);
    assert_int_equal(hv_hart_stats(rig->hart).interrupts, 0); /* SIE is off */
    hv_hart_csr_write(rig->hart, 0x100, 2);
    rig_expect_trap(rig, INTERRUPT | HV_IRQ_TIMER, CODE_VA + 8, 0);
    assert_int_equal(hv_hart_stats(rig->hart).interrupts, 1);
}

static void interrupts_come_by_priority(void **state)
{
    struct rig *rig = *state;
    static const enum hv_irq order[] = {HV_IRQ_EXTERNAL, HV_IRQ_SOFT, HV_IRQ_TIMER};
    RIG_PUT(rig, CODE_VA, jal(0, 0));
    hv_hart_csr_write(rig->hart, 0x104, 0x222);
    hv_hart_csr_write(rig->hart, 0x105, (uint64_t)RIG_TRAP << 12 | 1); /* vectored */
    for (unsigned i = 0; i < 3; i++) {
        hv_hart_set_irq(rig->hart, order[i], true);
        RIG_PUT(rig, ((uint64_t)RIG_TRAP << 12) + 4 * order[i], ECALL);
    }
    for (unsigned i = 0; i < 3; i++) {
        hv_hart_csr_write(rig->hart, 0x100, 2);
        hv_hart_set_pc(rig->hart, CODE_VA);
        rig_expect_trap(rig, INTERRUPT | order[i], CODE_VA, 0);
        assert_int_equal(hv_hart_pc(rig->hart), ((uint64_t)RIG_TRAP << 12) + 4 * order[i] + 4);
        hv_hart_set_irq(rig->hart, order[i], false);
    }
}

static void a_fill_may_stop_the_hart(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, addi(T0, 0, 7), load(LD, T1, 8, A0), amo(AMOADD, 3, T2, T0, A0), ECALL);
    *(uint64_t *)((char *)rig->pages[RIG_DATA] + 8) = 42;
    rig->map[RIG_DATA].stop = true;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_FILL);
        assert_int_equal(hv_hart_pc(rig->hart), CODE_VA + 4);
        assert_int_equal(hv_hart_stats(rig->hart).ticks, 1);
    }
    rig->map[RIG_DATA].stop = false;
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    assert_int_equal(hv_hart_reg(rig->hart, T1), 42);
    assert_int_equal(*(uint64_t *)rig->pages[RIG_DATA], 7);
    rig->map[9].stop = true; /* and for a fetch */
    hv_hart_set_pc(rig->hart, 9 << 12);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_FILL);
    assert_int_equal(hv_hart_pc(rig->hart), 9 << 12);
}

static unsigned drops;

/* A VMM with one free frame: filling one of two pages takes the other away. */
static void drop_the_other(struct rig *rig, uint64_t va)
{
    unsigned page = (unsigned)(va >> 12);
    if ((page != RIG_DATA && page != RIG_DATA + 1) || drops == 0)
        return;
    drops--;
    hv_hart_tlb_drop_host_page(rig->hart, rig->pages[page ^ 1]);
}

static void crossing_pages_while_the_vmm_drops_them(void **state)
{
    struct rig *rig = *state;
    rig->on_fill = drop_the_other;
    hv_hart_set_reg(rig->hart, T0, 0x1122334455667788);
    RIG_PUT(rig, CODE_VA, store(SD, T0, 4, A0), load(LD, T1, 4, A0), ECALL);
    hv_hart_set_reg(rig->hart, A0, DATA_VA + 4088);
    drops = 3;
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    assert_int_equal(hv_hart_reg(rig->hart, T1), 0x1122334455667788);
    /* One that never stops dropping: the instruction does not happen, nothing is written. */
    hv_hart_tlb_flush(rig->hart);
    memset(rig->pages[RIG_DATA], 0, 4096);
    drops = UINT32_MAX;
    hv_hart_set_pc(rig->hart, CODE_VA);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_FILL);
    assert_int_equal(hv_hart_pc(rig->hart), CODE_VA);
    assert_int_equal(*(uint32_t *)((char *)rig->pages[RIG_DATA] + 4092), 0);
}

static void devices_get_aligned_accesses(void **state)
{
    struct rig *rig = *state;
    rig->map[RIG_DATA].mmio = true;
    rig->mmio_value = 0xfedcba9876543210;
    RIG_PUT(rig, CODE_VA, load(LW, T0, 4, A0), load(LBU, T1, 3, A0), store(SH, T1, 2, A0), ECALL);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    assert_int_equal(hv_hart_reg(rig->hart, T0), 0x76543210);
    assert_int_equal(hv_hart_reg(rig->hart, T1), 0x10);
    assert_int_equal(rig->mmio_gpa, DATA_VA + 2);
    assert_int_equal(rig->mmio_nbytes, 2);
    assert_int_equal(rig->fills[RIG_DATA], 3); /* never cached */

    hv_hart_set_pc(rig->hart, CODE_VA);
    rig->mmio_works = false;
    rig_expect_trap(rig, HV_CAUSE_LOAD_ACCESS, CODE_VA, DATA_VA + 4);
    hv_hart_set_pc(rig->hart, CODE_VA + 8);
    rig_expect_trap(rig, HV_CAUSE_STORE_ACCESS, CODE_VA + 8, DATA_VA + 2);
    hv_hart_set_reg(rig->hart, A0, DATA_VA + 1);
    hv_hart_set_pc(rig->hart, CODE_VA);
    rig_expect_trap(rig, HV_CAUSE_LOAD_MISALIGNED, CODE_VA, DATA_VA + 5);
    hv_hart_set_pc(rig->hart, CODE_VA + 8);
    rig_expect_trap(rig, HV_CAUSE_STORE_MISALIGNED, CODE_VA + 8, DATA_VA + 3);
    hv_hart_set_reg(rig->hart, A0, DATA_VA - 6); /* from memory into the device */
    hv_hart_set_pc(rig->hart, CODE_VA);
    rig_expect_trap(rig, HV_CAUSE_LOAD_MISALIGNED, CODE_VA, DATA_VA - 2);

    hv_hart_set_reg(rig->hart, A0, DATA_VA);
    RIG_PUT(rig, CODE_VA + 64, amo(AMOADD, 2, T0, T0, A0), amo(LR, 2, T0, 0, A0));
    hv_hart_set_pc(rig->hart, CODE_VA + 64);
    rig_expect_trap(rig, HV_CAUSE_STORE_ACCESS, CODE_VA + 64, DATA_VA);
    hv_hart_set_pc(rig->hart, CODE_VA + 68);
    rig_expect_trap(rig, HV_CAUSE_LOAD_ACCESS, CODE_VA + 68, DATA_VA);
    hv_hart_set_pc(rig->hart, DATA_VA);
    rig_expect_trap(rig, HV_CAUSE_FETCH_ACCESS, DATA_VA, DATA_VA);
}

/* Where guest/trap.c and guest/paging.c had to be lenient with QEMU. */
static void atomics_fault_as_stores(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, amo(AMOADD, 3, T0, T0, A1), amo(LR, 3, T0, 0, A1),
            amo(AMOADD, 3, T0, T0, A0), amo(LR, 3, T0, 0, A0), amo(SC, 2, T0, 0, A1));
    hv_hart_set_reg(rig->hart, A1, DATA_VA + 2);
    rig_expect_trap(rig, HV_CAUSE_STORE_MISALIGNED, CODE_VA, DATA_VA + 2);
    hv_hart_set_pc(rig->hart, CODE_VA + 4);
    rig_expect_trap(rig, HV_CAUSE_LOAD_MISALIGNED, CODE_VA + 4, DATA_VA + 2);
    hv_hart_set_pc(rig->hart, CODE_VA + 16);
    rig_expect_trap(rig, HV_CAUSE_STORE_MISALIGNED, CODE_VA + 16, DATA_VA + 2);
    rig->map[RIG_DATA].host = NULL;
    hv_hart_set_pc(rig->hart, CODE_VA + 8);
    rig_expect_trap(rig, HV_CAUSE_STORE_PAGE, CODE_VA + 8, DATA_VA);
    hv_hart_set_pc(rig->hart, CODE_VA + 12);
    rig_expect_trap(rig, HV_CAUSE_LOAD_PAGE, CODE_VA + 12, DATA_VA);
}

static void csr_bits_that_qemu_keeps(void **state)
{
    struct rig *rig = *state;
    hv_hart_csr_write(rig->hart, 0x141, 0xff01);
    assert_int_equal(rig_csr(rig, 0x141), 0xff00);
    hv_hart_csr_write(rig->hart, 0x100, UINT64_MAX);
    assert_int_equal(rig_csr(rig, 0x100), UINT64_C(0x8000000200000000) | 0xc6122);
    RIG_PUT(rig, CODE_VA, csrr(T0, 0xc00) | 3 << 12 | T1 << 15); /* csrrc t0, cycle, t1 = 0 */
    rig_expect_trap(rig, HV_CAUSE_ILLEGAL, CODE_VA, csrr(T0, 0xc00) | 3 << 12 | T1 << 15);
}

static void change_data(struct rig *rig)
{
    ++*(uint64_t *)rig->pages[RIG_DATA];
}

static void sc_sees_what_others_wrote(void **state)
{
    struct rig *rig = *state;
    uint64_t *word = rig->pages[RIG_DATA];
    RIG_PUT(rig, CODE_VA, amo(LR, 3, T0, 0, A0), ECALL, addi(T0, T0, 100), amo(SC, 3, T1, T0, A0),
            ECALL);
    rig->ecall_answer = HV_ECALL_DONE;
    rig->on_ecall = change_data;
    hv_hart_run(rig->hart, 4);
    assert_int_equal(hv_hart_reg(rig->hart, T1), 1);
    assert_int_equal(*word, 1);
    rig->on_ecall = NULL;
    hv_hart_set_pc(rig->hart, CODE_VA);
    hv_hart_run(rig->hart, 4);
    assert_int_equal(hv_hart_reg(rig->hart, T1), 0);
    assert_int_equal(*word, 101);
}

static void sret_drops_the_reservation(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, amo(LR, 3, T0, 0, A0), 0x10200073, NOP, amo(SC, 3, T1, T0, A0), ECALL);
    hv_hart_csr_write(rig->hart, 0x141, CODE_VA + 12);
    hv_hart_csr_write(rig->hart, 0x100, 1 << 8);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    assert_int_equal(hv_hart_reg(rig->hart, T1), 1);
}

/* lr here, `between`, sc here: whether the sc fails. */
static bool sc_fails_after(struct rig *rig, uint32_t between)
{
    RIG_PUT(rig, CODE_VA, amo(LR, 3, T0, 0, A0), between, amo(SC, 3, T1, T0, A0), ECALL);
    hv_hart_set_pc(rig->hart, CODE_VA);
    hv_hart_set_reg(rig->hart, T1, 7);
    hv_hart_tlb_flush_code(rig->hart);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    return hv_hart_reg(rig->hart, T1) == 1;
}

static void flush_page(struct rig *rig)
{
    hv_hart_tlb_flush_page(rig->hart, DATA_VA + 0x100000);
}

static void flush_all(struct rig *rig)
{
    hv_hart_tlb_flush(rig->hart);
}

/* The address is a virtual one: an sc found another page there, with the same value in it. */
static void a_remap_drops_the_reservation(void **state)
{
    struct rig *rig = *state;
    hv_hart_set_reg(rig->hart, A1, hv_hart_mmu(rig->hart).satp);
    assert_false(sc_fails_after(rig, NOP));
    assert_true(sc_fails_after(rig, 0x12000073));              /* sfence.vma */
    assert_true(sc_fails_after(rig, 0x12000073 | (A0 << 15))); /* sfence.vma a0 */
    assert_true(sc_fails_after(rig, csrrw(0, 0x180, A1)));     /* satp */
    void (*const flushes[])(struct rig *) = {flush_page, flush_all};
    for (unsigned i = 0; i < 2; i++) { /* a hypercall that remaps */
        RIG_PUT(rig, CODE_VA, amo(LR, 3, T0, 0, A0), ECALL, amo(SC, 3, T1, T0, A0), NOP);
        hv_hart_set_pc(rig->hart, CODE_VA);
        hv_hart_set_reg(rig->hart, T1, 7);
        hv_hart_tlb_flush_code(rig->hart);
        rig->ecall_answer = HV_ECALL_DONE;
        rig->on_ecall = flushes[i];
        hv_hart_run(rig->hart, 3);
        assert_int_equal(hv_hart_reg(rig->hart, T1), 1);
    }
}

static void a_refused_satp_is_illegal(void **state)
{
    struct rig *rig = *state;
    rig->refuse_satp = true;
    RIG_PUT(rig, CODE_VA, csrrw(0, 0x180, A1));
    hv_hart_set_reg(rig->hart, A1, UINT64_C(8) << 60 | 5);
    rig_expect_trap(rig, HV_CAUSE_ILLEGAL, CODE_VA, csrrw(0, 0x180, A1));
    assert_int_equal(hv_hart_mmu(rig->hart).satp, 0);
    rig->refuse_satp = false;
    hv_hart_set_pc(rig->hart, CODE_VA);
    RIG_PUT(rig, CODE_VA + 4, ECALL);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    assert_int_equal(hv_hart_mmu(rig->hart).satp, UINT64_C(8) << 60 | 5);
}

/* One load and one store; counts how often they come to fill. */
static void touch(struct rig *rig, unsigned fills_expected)
{
    unsigned before = rig->fills[RIG_DATA];
    hv_hart_set_pc(rig->hart, CODE_VA);
    assert_int_equal(hv_hart_run(rig->hart, 100), HV_STOP_ECALL);
    assert_int_equal(rig->fills[RIG_DATA] - before, fills_expected);
}

static void the_tlb_obeys_its_vmm(void **state)
{
    struct rig *rig = *state;
    const void *host = rig->pages[RIG_DATA];
    RIG_PUT(rig, CODE_VA, load(LD, T0, 0, A0), store(SD, T0, 8, A0), ECALL);
    touch(rig, 1); /* the load's fill allowed the store, too */
    touch(rig, 0);
    assert_ptr_equal(hv_hart_tlb_find(rig->hart, DATA_VA + 5, HV_ACCESS_STORE), host);
    assert_ptr_equal(hv_hart_tlb_find(rig->hart, CODE_VA, HV_ACCESS_FETCH), rig->pages[RIG_CODE]);
    assert_null(hv_hart_tlb_find(rig->hart, DATA_VA, HV_ACCESS_FETCH));
    hv_hart_tlb_write_protect_host_page(rig->hart, host);
    assert_null(hv_hart_tlb_find(rig->hart, DATA_VA, HV_ACCESS_STORE));
    assert_ptr_equal(hv_hart_tlb_find(rig->hart, DATA_VA, HV_ACCESS_LOAD), host);
    touch(rig, 1);
    hv_hart_tlb_drop_host_page(rig->hart, rig->pages[RIG_DATA + 1]);
    touch(rig, 0);
    hv_hart_tlb_drop_host_page(rig->hart, host);
    assert_null(hv_hart_tlb_find(rig->hart, DATA_VA, HV_ACCESS_LOAD));
    touch(rig, 1);
    hv_hart_tlb_flush_page(rig->hart, DATA_VA + 4096);
    touch(rig, 0);
    hv_hart_tlb_flush_page(rig->hart, DATA_VA + 77);
    touch(rig, 1);
    hv_hart_tlb_flush(rig->hart);
    touch(rig, 1);
    rig->map[RIG_DATA].allow = HV_ALLOW_READ; /* a page to be copied on write */
    hv_hart_tlb_drop_host_page(rig->hart, host);
    hv_hart_set_pc(rig->hart, CODE_VA);
    rig_expect_trap(rig, HV_CAUSE_STORE_PAGE, CODE_VA + 4, DATA_VA + 8);
}

/* Each change of mode has its own view; none sees another's entries. */
static void modes_do_not_share_translations(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, load(LD, T0, 0, A0), ECALL);
    touch(rig, 1);
    hv_hart_csr_write(rig->hart, 0x100, 1 << 18); /* SUM */
    touch(rig, 1);
    hv_hart_csr_write(rig->hart, 0x100, 0);
    touch(rig, 0);                                /* and coming back costs nothing */
    hv_hart_csr_write(rig->hart, 0x100, 1 << 19); /* MXR flushes */
    touch(rig, 1);
    hv_hart_tlb_drop_host_page(rig->hart, rig->pages[RIG_DATA]);
    hv_hart_csr_write(rig->hart, 0x100, 1 << 19 | 1 << 18);
    touch(rig, 1); /* dropped from all of them */
}

static void accesses_at_the_end_of_the_address_space(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, load(LD, T0, -4, 0), store(SD, T0, -1, 0));
    rig_expect_trap(rig, HV_CAUSE_LOAD_PAGE, CODE_VA, UINT64_MAX - 3);
    hv_hart_set_pc(rig->hart, CODE_VA + 4);
    rig_expect_trap(rig, HV_CAUSE_STORE_PAGE, CODE_VA + 4, UINT64_MAX);
    hv_hart_set_pc(rig->hart, UINT64_MAX);
    rig_expect_trap(rig, HV_CAUSE_FETCH_PAGE, UINT64_MAX - 1, UINT64_MAX - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(budgets_are_exact),
        TEST(counters_are_exact),
        TEST(a_trap_storm_ends_with_the_budget),
        TEST(a_kick_is_remembered_once),
        TEST(a_kick_from_another_thread_ends_any_loop),
        TEST(wfi_stops_until_an_interrupt),
        TEST(interrupts_come_by_priority),
        TEST(a_fill_may_stop_the_hart),
        TEST(crossing_pages_while_the_vmm_drops_them),
        TEST(devices_get_aligned_accesses),
        TEST(atomics_fault_as_stores),
        TEST(csr_bits_that_qemu_keeps),
        TEST(sc_sees_what_others_wrote),
        TEST(sret_drops_the_reservation),
        TEST(a_remap_drops_the_reservation),
        TEST(a_refused_satp_is_illegal),
        TEST(the_tlb_obeys_its_vmm),
        TEST(modes_do_not_share_translations),
        TEST(accesses_at_the_end_of_the_address_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
