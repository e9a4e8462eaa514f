/* SPDX-License-Identifier: MIT */
/*
 * Decoded code and the truth: code that changes by the guest's stores, through other mappings,
 * under the hart's feet by its VMM, and more of it than the cache holds.
 */
#include "cpu/code_pool.h"
#include "cpu/decode.h"
#include "rig.h"

enum { T0 = 5, T1 = 6, A0 = 10 };

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

static uint64_t run_at(struct rig *rig, uint64_t va)
{
    hv_hart_set_pc(rig->hart, va);
    assert_int_equal(hv_hart_run(rig->hart, 10000), HV_STOP_ECALL);
    return hv_hart_reg(rig->hart, T0);
}

/* The guest patches a function and calls it again, by the same or by another mapping. */
static void fence_i_shows_stores_to_code(void **state)
{
    struct rig *rig = *state;
    uint64_t function = CODE_VA + 0x800;
    RIG_PUT(rig, function, addi(T0, 0, 1), ECALL);
    assert_int_equal(run_at(rig, function), 1);
    hv_hart_set_reg(rig->hart, T1, addi(T0, 0, 2));
    hv_hart_set_reg(rig->hart, A0, function);
    RIG_PUT(rig, CODE_VA, store(SW, T1, 0, A0), FENCE_I, jal(0, 0x800 - 8));
    assert_int_equal(run_at(rig, CODE_VA), 2);

    rig->map[40] = rig->map[RIG_CODE];
    hv_hart_set_reg(rig->hart, T1, addi(T0, 0, 3));
    hv_hart_set_reg(rig->hart, A0, (40 << 12) + 0x800);
    assert_int_equal(run_at(rig, CODE_VA), 3);
    assert_int_equal(run_at(rig, (40 << 12) + 0x800), 3);
}

/* A store and fence.i inside one straight run. */
static void a_run_that_rewrites_itself(void **state)
{
    struct rig *rig = *state;
    hv_hart_set_reg(rig->hart, A0, CODE_VA + 12);
    hv_hart_set_reg(rig->hart, T1, addi(T0, 0, 2));
    RIG_PUT(rig, CODE_VA, store(SW, T1, 0, A0), FENCE_I, NOP, addi(T0, 0, 1), ECALL);
    assert_int_equal(run_at(rig, CODE_VA), 2);
}

static void one_page_at_two_addresses(void **state)
{
    struct rig *rig = *state;
    rig->map[40] = rig->map[RIG_CODE];
    RIG_PUT(rig, CODE_VA, auipc(T0, 1), ECALL);
    assert_int_equal(run_at(rig, CODE_VA), CODE_VA + 4096);
    assert_int_equal(run_at(rig, 40 << 12), 41 << 12);
    assert_int_equal(hv_hart_stats(rig->hart).code_decodes, 1);
}

static void *other_page;

/* The VMM gives the code page another machine page, and takes the old one away for good. */
static void move_code(struct rig *rig)
{
    if (rig->map[RIG_CODE].host == other_page)
        return;
    rig->map[RIG_CODE].host = other_page;
    hv_hart_tlb_drop_host_page(rig->hart, rig->pages[RIG_CODE]);
    assert_int_equal(mprotect(rig->pages[RIG_CODE], 4096, PROT_NONE), 0);
}

static void move_code_on_fill(struct rig *rig, uint64_t va)
{
    if (va >> 12 == RIG_DATA)
        move_code(rig);
}

/*
 * A loop inside one page never asks the TLB; it must leave a page that was dropped under it all the
 * same, and must not decode the rest of that page from memory that is no longer the guest's.
 */
static void the_page_at_hand_is_replaced(void **state)
{
    struct rig *rig = *state;
    other_page = rig_new_page();
    RIG_PUT(rig, CODE_VA, load(LD, T1, 0, A0), addi(T0, T0, 1), branch(BNE, T0, 0, 0x700));
    RIG_PUT(rig, CODE_VA + 8 + 0x700, jal(0, 0));
    memcpy(other_page, rig->pages[RIG_CODE], 4096);
    memcpy((char *)other_page + 8 + 0x700, &(uint32_t){ECALL}, 4);
    rig->on_fill = move_code_on_fill;
    assert_int_equal(run_at(rig, CODE_VA), 1);
    munmap(other_page, 4096);
}

/* The same, but what comes next is simply behind a branch that is not taken. */
static void the_page_at_hand_is_replaced_before_the_next_run(void **state)
{
    struct rig *rig = *state;
    other_page = rig_new_page();
    RIG_PUT(rig, CODE_VA, load(LD, T1, 0, A0), branch(BNE, 0, 0, 0x700));
    memcpy(other_page, rig->pages[RIG_CODE], 4096);
    memcpy((char *)other_page + 8, (uint32_t[]){addi(T0, T0, 9), ECALL}, 8);
    rig->on_fill = move_code_on_fill;
    assert_int_equal(run_at(rig, CODE_VA), 9);
    munmap(other_page, 4096);
}

static void the_page_of_a_decoded_loop_is_replaced(void **state)
{
    struct rig *rig = *state;
    other_page = rig_new_page();
    RIG_PUT(rig, CODE_VA, addi(T0, T0, 1), branch(BEQ, T0, T1, 8), jal(0, -8), load(LD, A0, 0, A0),
            addi(T0, 0, 0), addi(T1, 0, 0), jal(0, -24));
    memcpy(other_page, rig->pages[RIG_CODE], 4096);
    memcpy((char *)other_page, &(uint32_t){ECALL}, 4);
    hv_hart_set_reg(rig->hart, T1, 50);
    rig->on_fill = move_code_on_fill;
    assert_int_equal(run_at(rig, CODE_VA), 0);
    munmap(other_page, 4096);
}

/* Another hart's remote fence.i, or a VMM that wrote code for its guest. */
static void the_vmm_flushes_code(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, addi(T0, 0, 1), ECALL);
    assert_int_equal(run_at(rig, CODE_VA), 1);
    RIG_PUT(rig, CODE_VA, addi(T0, 0, 2), ECALL);
    hv_hart_tlb_flush_code(rig->hart);
    assert_int_equal(run_at(rig, CODE_VA), 2);
}

/* The same machine page comes back with other contents. */
static void a_host_page_is_reused(void **state)
{
    struct rig *rig = *state;
    for (int i = 1; i < 20; i++) {
        hv_hart_tlb_drop_host_page(rig->hart, rig->pages[RIG_CODE]);
        RIG_PUT(rig, CODE_VA, addi(T0, 0, i), ECALL);
        assert_int_equal(run_at(rig, CODE_VA), i);
    }
    uint64_t decodes = hv_hart_stats(rig->hart).code_decodes;
    hv_hart_tlb_drop_host_page(rig->hart, rig->pages[RIG_CODE]);
    assert_int_equal(run_at(rig, CODE_VA), 19);
    assert_int_equal(hv_hart_stats(rig->hart).code_decodes, decodes); /* same bytes: kept */
}

/* The second half of a straddling instruction is whatever the next page is now. */
static void the_page_behind_a_straddling_instruction_is_replaced(void **state)
{
    struct rig *rig = *state;
    uint64_t va = (10 << 12) + 4094;
    RIG_PUT(rig, va, addi(T0, 0, 1), ECALL);
    assert_int_equal(run_at(rig, va), 1);
    uint32_t other[] = {addi(T0, 0, 2) >> 16 | (uint32_t)ECALL << 16, 0};
    memcpy(rig->pages[50], other, sizeof other);
    rig->map[11].host = rig->pages[50];
    hv_hart_tlb_drop_host_page(rig->hart, rig->pages[11]);
    assert_int_equal(run_at(rig, va), 2);
    rig->map[11].allow = HV_ALLOW_READ;
    hv_hart_tlb_drop_host_page(rig->hart, rig->pages[50]);
    hv_hart_set_pc(rig->hart, va);
    rig_expect_trap(rig, HV_CAUSE_FETCH_PAGE, va, va + 2);
}

/* Far more code than the cache holds, around and around. */
static void run_a_hundred_pages(struct rig *rig)
{
    enum { FIRST = 20, LAST = 120, ROUNDS = 5 };
    for (int page = FIRST; page < LAST; page++)
        RIG_PUT(rig, (uint64_t)page << 12, addi(T0, T0, 1), jal(0, 4092));
    RIG_PUT(rig, (uint64_t)LAST << 12, addi(T1, T1, -1), branch(BEQ, T1, 0, 8),
            jal(0, (FIRST - LAST) * 4096 - 8), ECALL);
    hv_hart_set_reg(rig->hart, T0, 0);
    hv_hart_set_reg(rig->hart, T1, ROUNDS);
    assert_int_equal(run_at(rig, FIRST << 12), ROUNDS * (LAST - FIRST));
    assert_true(hv_hart_stats(rig->hart).code_decodes > LAST - FIRST);
}

static void more_code_than_the_cache(void **state)
{
    run_a_hundred_pages(*state);
}

/* Two harts with room for more than the pool has: each keeps a few pages and reuses those. */
static void harts_share_a_small_pool(void **state)
{
    static struct rig rigs[2];
    enum { PAGES = 24 };
    struct hv_code_pool *pool = hv_code_pool_new(PAGES);
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        rig_init_with(&rigs[i], pool, 64);
    assert_int_equal(hv_code_pool_taken(pool), 2);
    run_a_hundred_pages(&rigs[0]);
    assert_int_equal(hv_hart_code_pages(rigs[0].hart), PAGES - 1); /* all but the other's one */
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 2; i-- > 0;)
            run_a_hundred_pages(&rigs[i]);
    assert_int_equal(hv_hart_code_pages(rigs[1].hart), HV_CODE_KEPT);
    assert_int_equal(hv_code_pool_taken(pool), PAGES - 1 + HV_CODE_KEPT);
    hv_hart_drop_code(rigs[0].hart);
    assert_int_equal(hv_hart_code_pages(rigs[0].hart), 1);
    assert_int_equal(hv_code_pool_taken(pool), 1 + HV_CODE_KEPT);
    for (unsigned i = 0; i < 2; i++)
        run_a_hundred_pages(&rigs[i]);
    for (unsigned i = 0; i < 2; i++)
        rig_fini(&rigs[i]);
    assert_int_equal(hv_code_pool_taken(pool), 0);
    hv_code_pool_free(pool);
}

/* What was dropped is decoded anew, from what memory holds then. */
static void dropped_code_is_not_believed(void **state)
{
    struct rig *rig = *state;
    RIG_PUT(rig, CODE_VA, addi(T0, 0, 1), ECALL);
    assert_int_equal(run_at(rig, CODE_VA), 1);
    uint64_t decodes = hv_hart_stats(rig->hart).code_decodes;
    hv_hart_drop_code(rig->hart);
    RIG_PUT(rig, CODE_VA, addi(T0, 0, 2), ECALL);
    assert_int_equal(run_at(rig, CODE_VA), 2);
    assert_int_equal(hv_hart_stats(rig->hart).code_decodes, decodes + 1);
}

/* Code that fills a page without any end of run: counted as one run, left by its end. */
static void a_page_without_branches(void **state)
{
    struct rig *rig = *state;
    for (uint64_t va = 30 << 12; va < 32 << 12; va += 4)
        RIG_PUT(rig, va, addi(T0, T0, 1));
    RIG_PUT(rig, 32 << 12, ECALL);
    assert_int_equal(run_at(rig, 30 << 12), 2048);
    assert_int_equal(hv_hart_stats(rig->hart).instructions, 2048);
    uint64_t start = hv_hart_stats(rig->hart).ticks;
    hv_hart_set_pc(rig->hart, 30 << 12);
    assert_int_equal(hv_hart_run(rig->hart, 1500), HV_STOP_BUDGET);
    assert_int_equal(hv_hart_stats(rig->hart).ticks - start, 1500);
    assert_int_equal(hv_hart_pc(rig->hart), (30 << 12) + 6000);
}

static void pairs_are_what_they_say(void **state)
{
#define CHECK_PAIR(first, suffix, second)                                 \
    assert_int_equal(hv_insn_pair(HV_OP_##first##suffix, HV_OP_##second), \
                     HV_OP_##first##suffix##_then_##second);
    (void)state;
    HV_PAIRS(CHECK_PAIR)
    assert_int_equal(hv_insn_pair(HV_OP_mv_c, HV_OP_ld_c_then_ld_c), HV_OP_mv_c_then_ld_c);
    assert_int_equal(hv_insn_pair(HV_OP_ld_c, HV_OP_system), HV_OP_ld_c);
    assert_int_equal(hv_insn_pair(HV_OP_ld_c, HV_OP_decode), HV_OP_ld_c);
}

/* Two compressed instructions. */
static uint32_t two(uint32_t first, uint32_t second)
{
    return second << 16 | first;
}

enum {
    C_MV_T0_A0 = 0x82aa,
    C_MV_T0_A5 = 0x82be,
    C_MV_A0_T0 = 0x8516,
    C_LD_A5_A0 = 0x611c,
    C_LD_A0_A4 = 0x6308,
};

/* Each of the two faults as it would alone: where, and with what done before. */
static void faults_in_pairs_are_those_of_their_halves(void **state)
{
    struct rig *rig = *state;
    uint64_t nowhere = (uint64_t)RIG_PAGES << 12;
    RIG_PUT(rig, CODE_VA, two(C_MV_T0_A0, C_LD_A5_A0), two(C_LD_A0_A4, C_LD_A5_A0), ECALL);
    hv_hart_set_reg(rig->hart, A0, nowhere);
    rig_expect_trap(rig, HV_CAUSE_LOAD_PAGE, CODE_VA + 2, nowhere);
    assert_int_equal(hv_hart_reg(rig->hart, T0), nowhere);
    assert_int_equal(hv_hart_stats(rig->hart).instructions, 1);

    hv_hart_set_reg(rig->hart, A0, DATA_VA);
    hv_hart_set_reg(rig->hart, 14, nowhere + 8); /* a4 */
    hv_hart_set_pc(rig->hart, CODE_VA + 2);      /* into the middle of a pair */
    rig_expect_trap(rig, HV_CAUSE_LOAD_PAGE, CODE_VA + 4, nowhere + 8);
    assert_int_equal(hv_hart_reg(rig->hart, A0), DATA_VA);

    hv_hart_set_reg(rig->hart, 14, DATA_VA);
    memcpy(rig->pages[RIG_DATA], &(uint64_t){DATA_VA + 16}, 8);
    hv_hart_set_pc(rig->hart, CODE_VA + 4);
    assert_int_equal(hv_hart_run(rig->hart, 1), HV_STOP_BUDGET); /* between the two */
    assert_int_equal(hv_hart_pc(rig->hart), CODE_VA + 6);
    assert_int_equal(hv_hart_reg(rig->hart, A0), DATA_VA + 16);
    assert_int_equal(hv_hart_run(rig->hart, 1000), HV_STOP_ECALL);
}

/* Code that changes behind the first of a pair. */
static void a_pairs_second_half_is_rewritten(void **state)
{
    struct rig *rig = *state;
    hv_hart_set_reg(rig->hart, 15, 7); /* a5 */
    RIG_PUT(rig, CODE_VA, two(C_MV_T0_A0, C_MV_A0_T0), ECALL);
    assert_int_equal(run_at(rig, CODE_VA), DATA_VA);
    RIG_PUT(rig, CODE_VA, two(C_MV_T0_A0, C_MV_T0_A5), ECALL);
    hv_hart_tlb_flush_code(rig->hart);
    assert_int_equal(run_at(rig, CODE_VA), 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fence_i_shows_stores_to_code),
        TEST(a_run_that_rewrites_itself),
        TEST(one_page_at_two_addresses),
        TEST(the_page_at_hand_is_replaced),
        TEST(the_page_at_hand_is_replaced_before_the_next_run),
        TEST(the_page_of_a_decoded_loop_is_replaced),
        TEST(the_vmm_flushes_code),
        TEST(a_host_page_is_reused),
        TEST(the_page_behind_a_straddling_instruction_is_replaced),
        TEST(more_code_than_the_cache),
        TEST(harts_share_a_small_pool),
        TEST(dropped_code_is_not_believed),
        TEST(a_page_without_branches),
        cmocka_unit_test(pairs_are_what_they_say),
        TEST(faults_in_pairs_are_those_of_their_halves),
        TEST(a_pairs_second_half_is_rewritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
