/* SPDX-License-Identifier: MIT */
/* Which way runs go, from what trials are said to have taken. */
#include "test.h"
#include "tune.h"

#define RUNS 4096u

static uint64_t clock_ns;

static uint64_t now_ns(void *ctx)
{
    return *(uint64_t *)ctx;
}

static struct share_tuner new_tuner(void)
{
    clock_ns = 0;
    return (struct share_tuner){.now_ns = now_ns, .ctx = &clock_ns};
}

struct taken {
    unsigned runs[SHARE_FETCH_WAYS], trials[SHARE_FETCH_WAYS];
};

/* Starts runs over as many pages in a row, and ends none. */
static struct taken start_runs(struct share_tuner *tuner)
{
    struct taken taken = {0};
    for (uint32_t i = 0; i < RUNS; i++) {
        struct share_trial trial = share_trial_start(tuner, i * SHARE_TUNE_PAGES);
        taken.runs[trial.way]++;
        taken.trials[trial.way] += trial.is_timed;
    }
    return taken;
}

static void learn(struct share_tuner *tuner, unsigned times, uint64_t every, uint64_t jumps)
{
    for (unsigned i = 0; i < times; i++) {
        share_tuner_learn(tuner, SHARE_FETCH_EVERY, every);
        share_tuner_learn(tuner, SHARE_FETCH_JUMPS, jumps);
    }
}

static void at_first_both_are_tried(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    struct taken taken = start_runs(&tuner);
    for (unsigned way = 0; way < SHARE_FETCH_WAYS; way++) {
        assert_in_range(taken.runs[way], RUNS * 4 / 10, RUNS * 6 / 10);
        assert_int_equal(taken.trials[way], taken.runs[way]);
    }
}

static void the_faster_way_is_taken(void **state)
{
    (void)state;
    for (unsigned faster = 0; faster < SHARE_FETCH_WAYS; faster++) {
        struct share_tuner tuner = new_tuner();
        unsigned slower = 1 - faster;
        learn(&tuner, 16, faster == SHARE_FETCH_EVERY ? 100 : 101,
              faster == SHARE_FETCH_JUMPS ? 100 : 101);
        struct taken taken = start_runs(&tuner);
        assert_in_range(taken.runs[slower], 1, RUNS / 100);
        assert_int_equal(taken.trials[slower], taken.runs[slower]);
        assert_in_range(taken.trials[faster], 1, RUNS / 100);
    }
}

static void a_much_slower_way_is_tried_seldom(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner(), close = new_tuner();
    learn(&tuner, 2, 100, 160);
    learn(&close, 2, 100, 140);
    struct taken taken = start_runs(&tuner);
    assert_in_range(taken.runs[SHARE_FETCH_JUMPS], 1, RUNS / 500);
    assert_int_equal(taken.trials[SHARE_FETCH_JUMPS], taken.runs[SHARE_FETCH_JUMPS]);
    assert_in_range(taken.trials[SHARE_FETCH_EVERY], 1, RUNS / 500);
    assert_in_range(start_runs(&close).runs[SHARE_FETCH_JUMPS], RUNS * 4 / 10, RUNS * 6 / 10);
    learn(&close, 6, 100, 140);
    assert_in_range(start_runs(&close).runs[SHARE_FETCH_JUMPS], RUNS / 500, RUNS / 100);
}

static void one_trial_of_each_makes_nothing_clear(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    learn(&tuner, 1, 100, 1000);
    assert_in_range(start_runs(&tuner).runs[SHARE_FETCH_JUMPS], RUNS * 4 / 10, RUNS * 6 / 10);
}

/* The first run may have faulted in all of the engine's memory. */
static void a_slow_start_is_forgotten(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    learn(&tuner, 1, 10000, 300);
    learn(&tuner, 1, 100, 300);
    assert_in_range(start_runs(&tuner).runs[SHARE_FETCH_JUMPS], 1, RUNS / 100);
}

static void another_machine_is_noticed(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    learn(&tuner, 100, 100, 150);
    learn(&tuner, 8, 150, 100);
    assert_in_range(start_runs(&tuner).runs[SHARE_FETCH_EVERY], 1, RUNS / 100);
}

static void one_interrupted_run_changes_nothing(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    learn(&tuner, 16, 1000, 1300);
    share_tuner_learn(&tuner, SHARE_FETCH_EVERY, 1000000);
    assert_in_range(start_runs(&tuner).runs[SHARE_FETCH_JUMPS], 1, RUNS / 100);
}

static void one_lucky_run_changes_nothing(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    learn(&tuner, 16, 300, 200);
    share_tuner_learn(&tuner, SHARE_FETCH_EVERY, 10);
    assert_in_range(start_runs(&tuner).runs[SHARE_FETCH_EVERY], 1, RUNS / 100);
}

static void what_was_never_tried_is(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    for (unsigned i = 0; i < 32; i++)
        share_tuner_learn(&tuner, SHARE_FETCH_EVERY, 1);
    struct taken taken = start_runs(&tuner);
    assert_in_range(taken.runs[SHARE_FETCH_JUMPS], RUNS * 99 / 100, RUNS);
    assert_int_equal(taken.trials[SHARE_FETCH_JUMPS], taken.runs[SHARE_FETCH_JUMPS]);
}

static void small_runs_tell_nothing(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    struct share_trial trial = {SHARE_FETCH_JUMPS, true, 0};
    clock_ns = 1000;
    share_trial_end(&tuner, &trial, SHARE_TUNE_PAGES / 2 - 1);
    assert_int_equal(tuner.cost[SHARE_FETCH_JUMPS], 0);
    share_trial_end(&tuner, &trial, SHARE_TUNE_PAGES / 2);
    assert_int_equal(tuner.cost[SHARE_FETCH_JUMPS], 2000);
    trial = (struct share_trial){.way = SHARE_FETCH_EVERY}; /* not a trial */
    share_trial_end(&tuner, &trial, SHARE_TUNE_PAGES);
    assert_int_equal(tuner.cost[SHARE_FETCH_EVERY], 0);
}

static void costs_are_those_of_a_whole_run(void **state)
{
    (void)state;
    struct share_tuner tuner = new_tuner();
    struct share_trial trial = share_trial_start(&tuner, 0);
    clock_ns += 1000000;
    share_trial_end(&tuner, &trial, SHARE_TUNE_PAGES / 2);
    assert_int_equal(tuner.cost[trial.way], 2000000);
}

/* Runs of a machine on which one way takes so much longer. Most of them go the other way. */
static void runs_that_are_timed_show_the_faster_way(void **state)
{
    (void)state;
    for (unsigned slower = 0; slower < SHARE_FETCH_WAYS; slower++) {
        struct share_tuner tuner = new_tuner();
        unsigned runs[SHARE_FETCH_WAYS] = {0};
        for (uint32_t i = 0; i < RUNS; i++) {
            struct share_trial trial = share_trial_start(&tuner, i * SHARE_TUNE_PAGES);
            runs[trial.way]++;
            clock_ns += trial.way == slower ? 23000 : 20000;
            share_trial_end(&tuner, &trial, SHARE_TUNE_PAGES);
        }
        assert_in_range(runs[slower], RUNS / 500, RUNS / 50);
    }
}

static void without_a_clock_nothing_is_tried(void **state)
{
    (void)state;
    struct share_tuner tuner = {0};
    struct taken taken = start_runs(&tuner);
    assert_int_equal(taken.runs[SHARE_FETCH_EVERY], RUNS);
    assert_int_equal(taken.trials[SHARE_FETCH_EVERY], 0);
    assert_int_equal(tuner.trials, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_both_are_tried),
        cmocka_unit_test(the_faster_way_is_taken),
        cmocka_unit_test(a_much_slower_way_is_tried_seldom),
        cmocka_unit_test(one_trial_of_each_makes_nothing_clear),
        cmocka_unit_test(a_slow_start_is_forgotten),
        cmocka_unit_test(another_machine_is_noticed),
        cmocka_unit_test(one_interrupted_run_changes_nothing),
        cmocka_unit_test(one_lucky_run_changes_nothing),
        cmocka_unit_test(what_was_never_tried_is),
        cmocka_unit_test(small_runs_tell_nothing),
        cmocka_unit_test(costs_are_those_of_a_whole_run),
        cmocka_unit_test(runs_that_are_timed_show_the_faster_way),
        cmocka_unit_test(without_a_clock_nothing_is_tried),
    };
    return RUN(tests);
}
