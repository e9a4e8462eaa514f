/* SPDX-License-Identifier: MIT */
/*
 * Harts in threads of their own on the same memory: atomics lose nothing, fences order what they
 * say, and code that another hart writes is seen whole. Run under the thread sanitizer, too: guest
 * races must not be races of the VMM.
 */
#include <pthread.h>
#include <sched.h>

#include "rig.h"

enum { T0 = 5, T1 = 6, T2 = 7, S0 = 8, A0 = 10, A1 = 11, A2 = 12, A3 = 13, ROUNDS = 20000 };
enum { FENCE_RW_RW = 0x0330000f, FENCE_W_W = 0x0110000f, FENCE_R_R = 0x0220000f };
struct pair {
    struct rig one, two; /* two's map names one's pages */
};

static int set_up(void **state)
{
    static struct pair pair;
    rig_init(&pair.one, 8);
    rig_init(&pair.two, 8);
    for (unsigned i = 1; i < RIG_PAGES; i++)
        pair.two.map[i].host = pair.one.pages[i];
    for (unsigned hart = 0; hart < 2; hart++) {
        hv_hart_set_reg(hart ? pair.two.hart : pair.one.hart, A0, DATA_VA);
        hv_hart_set_reg(hart ? pair.two.hart : pair.one.hart, S0, ROUNDS);
    }
    *state = &pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    rig_fini(&pair->two);
    rig_fini(&pair->one);
    return 0;
}

/* Until it stops for itself. A hart that waits for one whose thread waits for a core gives way. */
static enum hv_stop run(struct hv_hart *hart)
{
    enum { SLICE = 20000 };
    enum hv_stop stop;
    while ((stop = hv_hart_run(hart, SLICE)) == HV_STOP_BUDGET)
        sched_yield();
    return stop;
}

static void *run_thread(void *hart)
{
    return (void *)(uintptr_t)run(hart);
}

/* Both at the same time, from two addresses, until each one's ecall. */
static void run_both(struct pair *pair, uint64_t one_va, uint64_t two_va)
{
    pthread_t thread;
    void *stop;
    hv_hart_set_pc(pair->one.hart, one_va);
    hv_hart_set_pc(pair->two.hart, two_va);
    assert_int_equal(pthread_create(&thread, NULL, run_thread, pair->two.hart), 0);
    assert_int_equal(run(pair->one.hart), HV_STOP_ECALL);
    pthread_join(thread, &stop);
    assert_int_equal((uintptr_t)stop, HV_STOP_ECALL);
}

static uint64_t word(const struct pair *pair, unsigned i)
{
    uint64_t value;
    memcpy(&value, (const char *)pair->one.pages[RIG_DATA + i / 512] + 8 * (i % 512), sizeof value);
    return value;
}

static void atomics_lose_nothing(void **state)
{
    struct pair *pair = *state;
    RIG_PUT(&pair->one, CODE_VA, addi(T0, 0, 1), addi(A1, A0, 8), /* loop: */
            amo(AMOADD, 3, 0, T0, A0), amo(LR, 3, T1, 0, A1), addi(T1, T1, 1),
            amo(SC, 3, T2, T1, A1), branch(BNE, T2, 0, -12), addi(S0, S0, -1),
            branch(BNE, S0, 0, -24), ECALL);
    run_both(pair, CODE_VA, CODE_VA);
    assert_int_equal(word(pair, 0), 2 * ROUNDS);
    assert_int_equal(word(pair, 1), 2 * ROUNDS);
}

/* Message passing: whoever sees the flag sees the data written before it. */
static void fences_order_messages(void **state)
{
    struct pair *pair = *state;
    uint64_t reader = CODE_VA + 0x800;
    RIG_PUT(&pair->one, CODE_VA, addi(T0, T0, 1), store(SD, T0, 512, A0), FENCE_W_W,
            store(SD, T0, 0, A0), addi(S0, S0, -1), branch(BNE, S0, 0, -20), ECALL);
    /* A2 counts the times that the data was older than the flag */
    RIG_PUT(&pair->one, reader, load(LD, T0, 0, A0), FENCE_R_R, load(LD, T1, 512, A0),
            branch(BGE, T1, T0, 8), addi(A2, A2, 1), addi(S0, S0, -1), branch(BNE, S0, 0, -24),
            ECALL);
    run_both(pair, CODE_VA, reader);
    assert_int_equal(word(pair, 0), ROUNDS);
    assert_int_equal(hv_hart_reg(pair->two.hart, A2), 0);
}

/*
 * Store buffering: each writes its own word, fences, and reads the other's. In no round may both
 * miss the other's write. A round begins when both have arrived by amoadd at a counter, one of them
 * a little later each time; what each read, the other's round, goes into a log: 1, 2, ...
 */
static void full_fences_order_stores_before_loads(void **state)
{
    struct pair *pair = *state;
    enum { TRIES = 4096, COUNTER = 1024, LOG_PAGES = TRIES / 512, LATEST = 127, A4 = 14 };
    for (unsigned hart = 0; hart < 2; hart++) {
        struct hv_hart *of = hart ? pair->two.hart : pair->one.hart;
        hv_hart_set_reg(of, A1, DATA_VA + (hart ? 512 : 0)); /* mine */
        hv_hart_set_reg(of, A2, DATA_VA + (hart ? 0 : 512)); /* the other's */
        hv_hart_set_reg(of, A3, DATA_VA + 4096 + (hart ? LOG_PAGES * 4096 : 0));
        hv_hart_set_reg(of, A4, hart ? 0 : LATEST);
        hv_hart_set_reg(of, A0, DATA_VA + COUNTER);
        hv_hart_set_reg(of, S0, TRIES);
    }
    RIG_PUT(&pair->one, CODE_VA, addi(T0, T0, 1), addi(T1, 0, 1), add(T2, T0, T0), /* round, 1 */
            amo(AMOADD, 3, 0, T1, A0), load(LD, T1, 0, A0), /* wait for 2 * round */
            branch(BLT, T1, T2, -4), and(T2, T0, A4), addi(T2, T2, -1), branch(BGE, T2, 0, -4),
            store(SD, T0, 0, A1), FENCE_RW_RW, load(LD, T1, 0, A2), store(SD, T1, 0, A3),
            addi(A3, A3, 8), branch(BLT, T0, S0, -56), ECALL);
    run_both(pair, CODE_VA, CODE_VA);
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t one_saw = word(pair, 512 + i), two_saw = word(pair, 512 + TRIES + i);
        if (one_saw < i + 1 && two_saw < i + 1)
            fail_msg("round %u: neither saw the other's store", i + 1);
    }
}

/* One hart rewrites a function while the other calls it behind a fence.i: old or new, never torn.
 */
static void code_of_another_hart_is_old_or_new(void **state)
{
    struct pair *pair = *state;
    uint64_t function = CODE_VA + 0x3000, caller = CODE_VA + 0x800;
    uint32_t first = addi(T0, 0, 0x111), second = addi(T0, 0, 0x222);
    RIG_PUT(&pair->one, function, first, 0x00008067 /* ret */);
    hv_hart_set_reg(pair->one.hart, A1, function);
    hv_hart_set_reg(pair->one.hart, T0, first);
    hv_hart_set_reg(pair->one.hart, T1, second);
    RIG_PUT(&pair->one, CODE_VA, store(SW, T1, 0, A1), store(SW, T0, 0, A1), addi(S0, S0, -1),
            branch(BNE, S0, 0, -12), ECALL);
    /* A2 counts results that are neither */
    hv_hart_set_reg(pair->two.hart, S0, ROUNDS / 20);
    hv_hart_set_reg(pair->two.hart, T1, 0x111);
    hv_hart_set_reg(pair->two.hart, T2, 0x222);
    RIG_PUT(&pair->one, caller, FENCE_I, jal(1, (int)(function - caller) - 4),
            branch(BEQ, T0, T1, 12), branch(BEQ, T0, T2, 8), addi(A2, A2, 1), addi(S0, S0, -1),
            branch(BNE, S0, 0, -24), ECALL);
    run_both(pair, CODE_VA, caller);
    assert_int_equal(hv_hart_reg(pair->two.hart, A2), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(atomics_lose_nothing),
        TEST(fences_order_messages),
        TEST(full_fences_order_stores_before_loads),
        TEST(code_of_another_hart_is_old_or_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
