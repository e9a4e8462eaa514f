/* SPDX-License-Identifier: MIT */
/*
 * Pairs of instructions that share a handler: each pair, with random operands, leaves what its two
 * instructions leave when they are executed one tick at a time (which never uses pairs).
 *
 * Seed of the random operands: SHARE_SEED, printed.
 */
#include "cpu/decode.h"
#include "rig.h"

enum { TRIES = 20, TICKS = 200, START = 0x400, FIRST_DATA = RIG_DATA, DATA_PAGES = 4 };

static uint64_t random_state;

static uint32_t any(void)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(random_state >> 32);
}

/* An instruction at this place of its page that decodes to op. */
static uint32_t instruction_for(unsigned op, unsigned offset)
{
    for (;;) {
        uint32_t bits = any();
        bits = any() & 1 ? bits | 3 : bits & 0xffff;
        if (hv_decode(bits, offset, true).op == op)
            return bits;
    }
}

static unsigned nbytes_of(uint32_t bits)
{
    return hv_insn_is_long(bits) ? 4 : 2;
}

static void put(struct rig *rig, unsigned offset, uint32_t bits)
{
    memcpy((char *)rig->pages[RIG_CODE] + offset, &bits, nbytes_of(bits));
}

/* Everything the two rigs share: the pair and what is around it, memory, registers. */
static void prepare(struct rig rigs[2], const uint32_t pair[2])
{
    unsigned second = START + nbytes_of(pair[0]), behind = second + nbytes_of(pair[1]);
    uint64_t start = random_state;
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = &rigs[i];
        random_state = start;
        for (unsigned at = 0; at < 4096; at += 4)
            put(rig, at, ECALL);
        put(rig, START, pair[0]);
        put(rig, second, pair[1]);
        put(rig, behind, ECALL);
        for (unsigned page = FIRST_DATA; page < FIRST_DATA + DATA_PAGES; page++)
            for (unsigned at = 0; at < 1024; at++)
                ((uint32_t *)rig->pages[page])[at] = any();
        for (unsigned x = 1; x < 32; x++) /* most are good addresses, some equal, some odd */
            hv_hart_set_reg(rig->hart, x,
                            any() % 4 ? DATA_VA + 4096 + any() % 512 * 8
                                      : (uint64_t)any() << any() % 33);
        hv_hart_tlb_flush_code(rig->hart);
        hv_hart_set_pc(rig->hart, CODE_VA + START);
    }
}

static void expect_same(struct rig rigs[2], const char *name, const uint32_t pair[2])
{
    bool same = hv_hart_pc(rigs[0].hart) == hv_hart_pc(rigs[1].hart);
    for (unsigned x = 1; x < 32; x++)
        same = same && hv_hart_reg(rigs[0].hart, x) == hv_hart_reg(rigs[1].hart, x);
    for (unsigned csr = 0x141; csr <= 0x143; csr++) /* sepc, scause, stval */
        same = same && rig_csr(&rigs[0], csr) == rig_csr(&rigs[1], csr);
    for (unsigned page = FIRST_DATA; page < FIRST_DATA + DATA_PAGES; page++)
        same = same && memcmp(rigs[0].pages[page], rigs[1].pages[page], 4096) == 0;
    if (!same)
        fail_msg("%s: %08x %08x does otherwise at once than one by one", name, pair[0], pair[1]);
}

/* One hart at once, the other tick by tick, for as many ticks. */
static void compare(struct rig rigs[2], unsigned first, unsigned second, const char *name)
{
    uint32_t pair[2];
    pair[0] = instruction_for(first, START);
    pair[1] = instruction_for(second, START + nbytes_of(pair[0]));
    prepare(rigs, pair);
    uint64_t before = hv_hart_stats(rigs[0].hart).ticks;
    enum hv_stop at_once = hv_hart_run(rigs[0].hart, TICKS), stop = HV_STOP_BUDGET;
    uint64_t ticks = hv_hart_stats(rigs[0].hart).ticks - before;
    for (uint64_t i = 0; i < ticks; i++)
        stop = hv_hart_run(rigs[1].hart, 1);
    assert_int_equal(stop, at_once);
    expect_same(rigs, name, pair);
}

static void pairs_do_what_their_halves_do(void **state)
{
    static const struct {
        unsigned first, second;
        const char *name;
    } pairs[] = {
#define PAIR_ROW(first, suffix, second) \
    {HV_OP_##first##suffix, HV_OP_##second, #first #suffix " " #second},
        HV_PAIRS(PAIR_ROW)};
    static struct rig rigs[2];
    const char *seed = getenv("SHARE_SEED");
    (void)state;
    random_state = seed ? strtoull(seed, NULL, 0) : 1;
    print_message("seed %llu\n", (unsigned long long)random_state);
    rig_init(&rigs[0], 8);
    rig_init(&rigs[1], 8);
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++)
        for (unsigned try = 0; try < TRIES; try++)
            compare(rigs, pairs[i].first, pairs[i].second, pairs[i].name);
    rig_fini(&rigs[0]);
    rig_fini(&rigs[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pairs_do_what_their_halves_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
