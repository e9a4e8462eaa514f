/* SPDX-License-Identifier: MIT */
/*
 * Policies against closed forms worked out by hand, and what must hold for every input.
 *
 * The random inputs are also solved by a second method, which fixes bounds one after another
 * instead of bisecting: both must agree within a page. HV_TEST_SEED repeats a run.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/random.h"
#include "overcommit/policy/policy.h"

enum { VMS = 12, INPUTS = 4000 };
#define MIB UINT64_C(256) /* pages */

static uint64_t state;

static uint64_t draw(uint64_t below)
{
    return random_next(&state) % below;
}

static void targets_of(const char *name, const struct hv_policy_input *input, uint64_t *targets)
{
    const struct hv_policy *policy = hv_policy_find(name);
    assert_non_null(policy);
    assert_int_equal(hv_policy_check(input), HV_POLICY_GOOD);
    policy->targets(input, targets);
}

/* Within one page. */
static void near(uint64_t found, double expected)
{
    if (fabs((double)found - expected) > 1)
        fail_msg("%llu pages, expected %.3f", (unsigned long long)found, expected);
}

/* ESX's figure 7: two VMs of 256 MB, equal shares, 360 MB for both, VM 0 idle, VM 1 not. */
static void figure_7(void **unused)
{
    static const struct {
        double tax, idle, busy; /* MB */
    } rows[] = {
        {0.0, 180, 180},  /* equal shares */
        {0.5, 120, 240},  /* k = 2: P0 * 2 = P1 */
        {0.75, 104, 256}, /* k = 4 asks for 72 and 288: the busy VM's max binds */
    };
    const struct hv_policy_vm vms[] = {
        {.max_pages = 256 * MIB, .shares = 1000, .pages = 180 * MIB, .active = 0},
        {.max_pages = 256 * MIB, .shares = 1000, .pages = 180 * MIB, .active = 1}};
    uint64_t targets[2];
    (void)unused;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct hv_policy_input input = {
            .vms = vms, .count = 2, .available_pages = 360 * MIB, .tax = rows[i].tax};
        targets_of("idle-tax", &input, targets);
        near(targets[0], rows[i].idle * MIB);
        near(targets[1], rows[i].busy * MIB);
    }
}

/* f = 1/4 and 3/4 at a tax of 1/2 (k = 2): prices 7/4 and 5/4, shares 7 and 10: rates 4 and 8. */
static void price_of_an_average_page(void **unused)
{
    const struct hv_policy_vm vms[] = {{.max_pages = 9000, .shares = 7, .active = 0.25},
                                       {.max_pages = 9000, .shares = 10, .active = 0.75}};
    const struct hv_policy_input input = {
        .vms = vms, .count = 2, .available_pages = 9000, .tax = HV_TAX_TAUGHT};
    uint64_t targets[2];
    (void)unused;
    targets_of("idle-tax", &input, targets);
    near(targets[0], 3000);
    near(targets[1], 6000);
}

/* Shares 1:2:3 of 1200; then the floor of the first and the ceiling of the last bind. */
static void shares_and_bounds(void **unused)
{
    struct hv_policy_vm vms[] = {{.max_pages = 1000, .shares = 1},
                                 {.max_pages = 1000, .shares = 2},
                                 {.max_pages = 1000, .shares = 3}};
    const struct hv_policy_input input = {.vms = vms, .count = 3, .available_pages = 1200};
    uint64_t targets[3];
    (void)unused;
    targets_of("shares", &input, targets);
    near(targets[0], 200), near(targets[1], 400), near(targets[2], 600);
    vms[0].min_pages = 300;
    vms[2].max_pages = 350;
    targets_of("shares", &input, targets);
    near(targets[0], 300), near(targets[1], 550), near(targets[2], 350);
}

/* Needs of 500 and 250 (a quarter of slack), shares 1:3. With 1150: 400 are left, 100 and 300. With
 * 450, floors 100 and 50: (400 + 200) is needed above them, 300 is there: half of each. */
static void working_sets(void **unused)
{
    const struct hv_policy_vm vms[] = {
        {.min_pages = 100, .max_pages = 1000, .shares = 1, .pages = 800, .active = 0.5},
        {.min_pages = 50, .max_pages = 1000, .shares = 3, .pages = 400, .active = 0.5}};
    struct hv_policy_input input = {
        .vms = vms, .count = 2, .available_pages = 1150, .slack = HV_SLACK_DEFAULT};
    uint64_t targets[2];
    (void)unused;
    targets_of("working-set", &input, targets);
    near(targets[0], 600), near(targets[1], 550);
    input.available_pages = 450;
    targets_of("working-set", &input, targets);
    near(targets[0], 300), near(targets[1], 150);
}

static void what_is_refused(void **unused)
{
    struct hv_policy_vm vm = {.min_pages = 10, .max_pages = 20, .shares = 1, .active = 0.5};
    struct hv_policy_input input = {.vms = &vm, .count = 1, .available_pages = 15, .tax = 1};
    (void)unused;
    assert_int_equal(hv_policy_check(&input), HV_POLICY_TAX_WHOLE);
    assert_non_null(strstr(hv_policy_fault_text(HV_POLICY_TAX_WHOLE), "sudden rise"));
    input.tax = 0.999;
    assert_int_equal(hv_policy_check(&input), HV_POLICY_GOOD);
    input.tax = -0.1;
    assert_int_equal(hv_policy_check(&input), HV_POLICY_TAX);
    input.tax = NAN;
    assert_int_equal(hv_policy_check(&input), HV_POLICY_TAX);
    input.tax = 0;
    input.slack = -1;
    assert_int_equal(hv_policy_check(&input), HV_POLICY_SLACK);
    input.slack = 0;
    input.available_pages = 9;
    assert_int_equal(hv_policy_check(&input), HV_POLICY_SHORT);
    input.available_pages = 15;
    vm.shares = 0;
    assert_int_equal(hv_policy_check(&input), HV_POLICY_VM);
    vm = (struct hv_policy_vm){.min_pages = 21, .max_pages = 20, .shares = 1};
    assert_int_equal(hv_policy_check(&input), HV_POLICY_VM);
    assert_null(hv_policy_find("greed"));
}

struct drawn {
    struct hv_policy_vm vms[VMS];
    struct hv_policy_input input;
    uint64_t floors, ceilings;
};

static void draw_input(struct drawn *drawn)
{
    *drawn = (struct drawn){.floors = 0};
    unsigned count = 1 + (unsigned)draw(VMS);
    for (unsigned i = 0; i < count; i++) {
        struct hv_policy_vm *vm = &drawn->vms[i];
        vm->max_pages = 1 + draw(100000);
        vm->min_pages = draw(3) ? draw(vm->max_pages + 1) / 3 : 0;
        vm->pages = draw(vm->max_pages + 1);
        vm->shares = 1 + draw(draw(2) ? 4 : 2000);
        vm->active = draw(4) ? (double)draw(101) / 100 : (double)draw(2);
        drawn->floors += vm->min_pages;
        drawn->ceilings += vm->max_pages;
    }
    drawn->input = (struct hv_policy_input){
        .vms = drawn->vms,
        .count = count,
        .available_pages = drawn->floors + draw(drawn->ceilings + drawn->ceilings / 8 + 1),
        .tax = (double)draw(100) / 100,
        .slack = (double)draw(50) / 100};
}

static void bounds_hold(const struct drawn *drawn, const uint64_t *targets)
{
    const struct hv_policy_input *input = &drawn->input;
    uint64_t sum = 0, most = drawn->ceilings;
    for (unsigned i = 0; i < input->count; i++) {
        assert_in_range(targets[i], input->vms[i].min_pages, input->vms[i].max_pages);
        sum += targets[i];
    }
    if (most > input->available_pages)
        most = input->available_pages;
    assert_true(sum <= most);
    assert_true(most - sum < input->count);
}

static void order_is_irrelevant(const struct hv_policy *policy, const struct drawn *drawn,
                                const uint64_t *targets)
{
    struct hv_policy_vm turned[VMS];
    struct hv_policy_input input = drawn->input;
    uint64_t again[VMS];
    unsigned by = (unsigned)draw(input.count);
    for (unsigned i = 0; i < input.count; i++)
        turned[i] = drawn->vms[(i + by) % input.count];
    input.vms = turned;
    policy->targets(&input, again);
    for (unsigned i = 0; i < input.count; i++)
        assert_int_equal(again[i], targets[(i + by) % input.count]);
}

/* More shares never mean less memory. */
static void shares_are_worth_something(const struct hv_policy *policy, const struct drawn *drawn,
                                       const uint64_t *targets)
{
    struct drawn richer = *drawn;
    uint64_t again[VMS];
    unsigned who = (unsigned)draw(drawn->input.count);
    richer.vms[who].shares += 1 + draw(richer.vms[who].shares);
    richer.input.vms = richer.vms;
    policy->targets(&richer.input, again);
    assert_true(again[who] >= targets[who]);
    for (unsigned i = 0; i < drawn->input.count; i++)
        if (i != who)
            assert_true(again[i] <= targets[i] + drawn->input.count);
}

static void properties(void **unused)
{
    (void)unused;
    for (unsigned n = 0; n < INPUTS; n++) {
        struct drawn drawn;
        uint64_t targets[VMS];
        draw_input(&drawn);
        assert_int_equal(hv_policy_check(&drawn.input), HV_POLICY_GOOD);
        for (const struct hv_policy *const *policy = hv_policies; *policy; policy++) {
            (*policy)->targets(&drawn.input, targets);
            bounds_hold(&drawn, targets);
            order_is_irrelevant(*policy, &drawn, targets);
            shares_are_worth_something(*policy, &drawn, targets);
        }
    }
}

/* Hands `rest` out in proportion to rate; who would leave [low, high] is fixed there: those first
 * whose side is the further off, until nobody leaves. */
static void fix_bounds(unsigned count, double available, const double *rate, const double *low,
                       const double *high, double *out)
{
    bool fixed[VMS] = {false};
    for (unsigned round = 0; round <= count; round++) {
        double rest = available, rates = 0, below = 0, above = 0;
        for (unsigned i = 0; i < count; i++)
            fixed[i] ? (rest -= out[i]) : (rates += rate[i]);
        for (unsigned i = 0; i < count; i++) {
            if (fixed[i])
                continue;
            out[i] = rest * rate[i] / rates;
            below += out[i] < low[i] ? low[i] - out[i] : 0;
            above += out[i] > high[i] ? out[i] - high[i] : 0;
        }
        if (below <= 0 && above <= 0)
            return;
        for (unsigned i = 0; i < count; i++) {
            if (fixed[i])
                continue;
            bool low_side = below >= above && out[i] < low[i];
            bool high_side = above >= below && out[i] > high[i];
            fixed[i] = low_side || high_side;
            out[i] = low_side ? low[i] : high_side ? high[i] : out[i];
        }
    }
}

static void a_second_method_agrees(void **unused)
{
    (void)unused;
    for (unsigned n = 0; n < INPUTS; n++) {
        struct drawn drawn;
        uint64_t targets[VMS], pure[VMS];
        double rate[VMS], low[VMS], high[VMS], expected[VMS];
        draw_input(&drawn);
        if (drawn.input.available_pages >= drawn.ceilings)
            drawn.input.available_pages = drawn.ceilings;
        for (unsigned i = 0; i < drawn.input.count; i++) {
            const struct hv_policy_vm *vm = &drawn.vms[i];
            double k = 1 / (1 - drawn.input.tax);
            rate[i] = (double)vm->shares / (vm->active + k * (1 - vm->active));
            low[i] = (double)vm->min_pages;
            high[i] = (double)vm->max_pages;
        }
        fix_bounds(drawn.input.count, (double)drawn.input.available_pages, rate, low, high,
                   expected);
        targets_of("idle-tax", &drawn.input, targets);
        for (unsigned i = 0; i < drawn.input.count; i++)
            near(targets[i], expected[i]);
        drawn.input.tax = HV_TAX_NONE;
        targets_of("idle-tax", &drawn.input, targets);
        targets_of("shares", &drawn.input, pure);
        assert_memory_equal(targets, pure, drawn.input.count * sizeof *targets);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figure_7),
        cmocka_unit_test(price_of_an_average_page),
        cmocka_unit_test(shares_and_bounds),
        cmocka_unit_test(working_sets),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(properties),
        cmocka_unit_test(a_second_method_agrees),
    };
    const char *given = getenv("HV_TEST_SEED");
    state = given ? strtoull(given, NULL, 0) : 1;
    print_message("HV_TEST_SEED=%llu\n", (unsigned long long)state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
