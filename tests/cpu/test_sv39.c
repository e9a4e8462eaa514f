/* SPDX-License-Identifier: MIT */
/*
 * The Sv39 walker alone: what it reports besides the translation, tables that are hostile, and
 * entries that change while they are walked. The permission matrix is in guest/paging.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/sv39.h"

enum { TABLES = 4, V = HV_PTE_V, R = HV_PTE_R, W = HV_PTE_W, X = HV_PTE_X };
enum { U = HV_PTE_U, A = HV_PTE_A, D = HV_PTE_D };

/* Guest-physical memory is TABLES pages from 0x1000; everything else refuses. */
struct memory {
    uint64_t table[TABLES][512];
    unsigned reads, updates;
    /* Before the next update of an entry: somebody else makes it this, `meddle_times` times. */
    uint64_t meddle_with;
    unsigned meddle_times;
};

static uint64_t *entry_at(struct memory *memory, uint64_t gpa)
{
    uint64_t i = (gpa - 0x1000) / 8;
    assert_int_equal(gpa % 8, 0);
    return gpa >= 0x1000 && i < TABLES * 512 ? &memory->table[i / 512][i % 512] : NULL;
}

static bool read_pte(void *ctx, uint64_t gpa, uint64_t *pte)
{
    struct memory *memory = ctx;
    uint64_t *entry = entry_at(memory, gpa);
    memory->reads++;
    if (entry)
        *pte = *entry;
    return entry != NULL;
}

static bool update_pte(void *ctx, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
    struct memory *memory = ctx;
    uint64_t *entry = entry_at(memory, gpa);
    memory->updates++;
    if (!entry)
        return false;
    if (memory->meddle_times > 0) {
        memory->meddle_times--;
        *entry = memory->meddle_with ^ (memory->meddle_times & 1) << 8; /* RSW: differs each time */
    }
    if (*entry == *expected)
        *entry = desired;
    else
        *expected = *entry;
    return true;
}

static const struct hv_sv39_ops ops = {read_pte, update_pte};

static uint64_t pointer(unsigned table)
{
    return (uint64_t)(1 + table) << 10 | V;
}

static uint64_t leaf(uint64_t gpa, uint64_t flags)
{
    return gpa >> 12 << 10 | flags | V;
}

static struct hv_mmu mmu_of(enum hv_priv priv, uint64_t root_ppn)
{
    return (struct hv_mmu){.satp = UINT64_C(8) << 60 | root_ppn, .priv = priv};
}

/* va 0x40201234 through three levels: indexes 1, 1, 1. */
#define VA UINT64_C(0x40201234)

static void set_up(struct memory *memory, uint64_t flags)
{
    *memory = (struct memory){.reads = 0};
    memory->table[0][1] = pointer(1);
    memory->table[1][1] = pointer(2);
    memory->table[2][1] = leaf(0x7654321000, flags);
}

static unsigned walk(struct memory *memory, enum hv_access access, struct hv_sv39_walk *out)
{
    struct hv_mmu mmu = mmu_of(HV_PRIV_S, 1);
    memory->reads = 0;
    memory->updates = 0;
    return hv_sv39_walk(&ops, memory, &mmu, VA, access, out);
}

static void reports_each_step(void **state)
{
    (void)state;
    struct memory memory;
    struct hv_sv39_walk out;
    set_up(&memory, R | W);
    assert_int_equal(walk(&memory, HV_ACCESS_LOAD, &out), 0);
    assert_int_equal(out.gpa, 0x7654321234);
    assert_int_equal(out.level, 0);
    assert_int_equal(out.steps, 3);
    assert_int_equal(out.pte_gpa[0], 0x1008);
    assert_int_equal(out.pte_gpa[1], 0x2008);
    assert_int_equal(out.pte_gpa[2], 0x3008);
    assert_int_equal(out.pte[0], pointer(1));
    assert_int_equal(out.pte[2], leaf(0x7654321000, R | W | A));
    assert_int_equal(out.allow, HV_ALLOW_READ); /* D is not set: a store must come here first */
    assert_int_equal(walk(&memory, HV_ACCESS_AMO, &out), 0);
    assert_int_equal(out.allow, HV_ALLOW_READ | HV_ALLOW_WRITE);
    assert_int_equal(memory.table[2][1], leaf(0x7654321000, R | W | A | D));
    assert_int_equal(walk(&memory, HV_ACCESS_STORE, &out), 0);
    assert_int_equal(memory.updates, 0); /* nothing left to set */
}

static void reports_superpages(void **state)
{
    (void)state;
    struct memory memory;
    struct hv_sv39_walk out;
    set_up(&memory, R);
    memory.table[1][1] = leaf(0x200000 * 5, R | X | A);
    assert_int_equal(walk(&memory, HV_ACCESS_FETCH, &out), 0);
    assert_int_equal(out.gpa, 0x200000 * 5 + 0x1234);
    assert_int_equal(out.level, 1);
    assert_int_equal(hv_sv39_span_bits(out.level), 21);
    assert_int_equal(out.steps, 2);
    memory.table[0][1] = leaf(UINT64_C(7) << 30, R | X | A);
    assert_int_equal(walk(&memory, HV_ACCESS_FETCH, &out), 0);
    assert_int_equal(out.gpa, (UINT64_C(7) << 30) + 0x201234);
    assert_int_equal(out.level, 2);
    assert_int_equal(hv_sv39_span_bits(out.level), 30);
}

static void causes_follow_the_access(void **state)
{
    (void)state;
    static const struct {
        enum hv_access access;
        unsigned page, access_fault;
    } causes[] = {{HV_ACCESS_FETCH, 12, 1},
                  {HV_ACCESS_LOAD, 13, 5},
                  {HV_ACCESS_STORE, 15, 7},
                  {HV_ACCESS_AMO, 15, 7}};
    for (unsigned i = 0; i < 4; i++) {
        struct memory memory;
        struct hv_sv39_walk out;
        set_up(&memory, 0);
        assert_int_equal(walk(&memory, causes[i].access, &out), causes[i].page);
        assert_int_equal(out.steps, 3);
        memory.table[1][1] = leaf(UINT64_C(1) << 55, 0); /* a table where there is no memory */
        assert_int_equal(walk(&memory, causes[i].access, &out), causes[i].access_fault);
        assert_int_equal(out.steps, 3);
        memory.table[1][1] = 0;
        assert_int_equal(walk(&memory, causes[i].access, &out), causes[i].page);
        assert_int_equal(out.steps, 2);
    }
}

/* Every entry of every table points back to the root. */
static void loops_end_after_three_steps(void **state)
{
    (void)state;
    struct memory memory;
    struct hv_sv39_walk out;
    set_up(&memory, R);
    for (unsigned t = 0; t < TABLES; t++) {
        for (unsigned i = 0; i < 512; i++)
            memory.table[t][i] = pointer(0);
    }
    assert_int_equal(walk(&memory, HV_ACCESS_LOAD, &out), HV_CAUSE_LOAD_PAGE);
    assert_int_equal(memory.reads, 3);
    assert_int_equal(memory.updates, 0);
}

static void roots_at_the_ends_of_memory(void **state)
{
    (void)state;
    struct memory memory;
    struct hv_sv39_walk out;
    set_up(&memory, R);
    static const uint64_t ppn[] = {0, TABLES + 1, (UINT64_C(1) << 44) - 1};
    for (unsigned i = 0; i < 3; i++) {
        struct hv_mmu mmu = mmu_of(HV_PRIV_S, ppn[i]);
        assert_int_equal(hv_sv39_walk(&ops, &memory, &mmu, VA, HV_ACCESS_LOAD, &out),
                         HV_CAUSE_LOAD_ACCESS);
    }
}

static void bare_mode_is_the_identity(void **state)
{
    (void)state;
    struct hv_sv39_walk out;
    struct hv_mmu mmu = {.satp = 0, .priv = HV_PRIV_U};
    assert_int_equal(hv_sv39_walk(&ops, NULL, &mmu, ~UINT64_C(0), HV_ACCESS_STORE, &out), 0);
    assert_int_equal(out.gpa, ~UINT64_C(0));
    assert_int_equal(out.steps, 0);
    assert_int_equal(out.allow, HV_ALLOW_READ | HV_ALLOW_WRITE | HV_ALLOW_EXEC);
}

/* Another vCPU changes the leaf between the walker's read and its update. */
static void a_changed_entry_is_checked_again(void **state)
{
    (void)state;
    struct memory memory;
    struct hv_sv39_walk out;

    set_up(&memory, R | W); /* it moves to another page: that one is reported and marked */
    memory.meddle_with = leaf(0x9999000, R | W);
    memory.meddle_times = 1;
    assert_int_equal(walk(&memory, HV_ACCESS_STORE, &out), 0);
    assert_int_equal(out.gpa, 0x9999234);
    assert_int_equal(memory.table[2][1], leaf(0x9999000, R | W | A | D));

    set_up(&memory, R | W); /* it becomes read-only, invalid, a pointer: faults, nothing marked */
    static const uint64_t worse[] = {0x9999 << 10 | V | R, 0, 0x1 << 10 | V};
    for (unsigned i = 0; i < 3; i++) {
        set_up(&memory, R | W);
        memory.meddle_with = worse[i];
        memory.meddle_times = 1;
        assert_int_equal(walk(&memory, HV_ACCESS_STORE, &out), HV_CAUSE_STORE_PAGE);
        assert_int_equal(memory.table[2][1], worse[i]);
    }

    set_up(&memory, R | W); /* it never holds still: bounded, and a fault that may be retried */
    memory.meddle_with = leaf(0x9999000, R | W);
    memory.meddle_times = 1u << 30;
    assert_int_equal(walk(&memory, HV_ACCESS_STORE, &out), HV_CAUSE_STORE_PAGE);
    assert_true(memory.updates <= 64);
}

static void user_pages_and_supervisor(void **state)
{
    (void)state;
    struct memory memory;
    struct hv_sv39_walk out;
    struct hv_mmu mmu = mmu_of(HV_PRIV_S, 1);
    set_up(&memory, R | W | X | U | A | D);
    assert_int_equal(hv_sv39_walk(&ops, &memory, &mmu, VA, HV_ACCESS_LOAD, &out),
                     HV_CAUSE_LOAD_PAGE);
    mmu.sum = true;
    assert_int_equal(hv_sv39_walk(&ops, &memory, &mmu, VA, HV_ACCESS_LOAD, &out), 0);
    assert_int_equal(out.allow, HV_ALLOW_READ | HV_ALLOW_WRITE); /* never to be executed */
    mmu.priv = HV_PRIV_U;
    assert_int_equal(hv_sv39_walk(&ops, &memory, &mmu, VA, HV_ACCESS_LOAD, &out), 0);
    assert_int_equal(out.allow, HV_ALLOW_READ | HV_ALLOW_WRITE | HV_ALLOW_EXEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_each_step),
        cmocka_unit_test(reports_superpages),
        cmocka_unit_test(causes_follow_the_access),
        cmocka_unit_test(loops_end_after_three_steps),
        cmocka_unit_test(roots_at_the_ends_of_memory),
        cmocka_unit_test(bare_mode_is_the_identity),
        cmocka_unit_test(a_changed_entry_is_checked_again),
        cmocka_unit_test(user_pages_and_supervisor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
