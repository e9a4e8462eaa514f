/* SPDX-License-Identifier: MIT */
/* Working sets: the estimator against closed forms, the sample and the census of a guest that
 * touches a known number of pages, what sampling costs, and that it loses nothing. */
#include <math.h>

#include "residence/estimate.h"
#include "rig.h"

enum { REG_T0 = 5, REG_A0 = 10, PAGES = 2048, FIRST = 16 };
#define PERIOD  (HV_TICKS_PER_SECOND / 50)
#define PAGE(i) (HV_RAM_BASE + (uint64_t)(FIRST + (i)) * HV_PAGE_BYTES)

static void up_fast_and_down_slowly(void **state)
{
    (void)state;
    struct hv_estimate estimate = {0};
    assert_true(hv_estimate_active(&estimate, 0) == 0);
    hv_estimate_period(&estimate, 0.1);
    assert_true(fabs(hv_estimate_active(&estimate, 0) - 0.1) <
                1e-12); /* the first is all there is */
    /* 0.1 -> 0.9: within the period half of the way, after n periods 1 - 1/2^n of it */
    assert_true(fabs(hv_estimate_active(&estimate, 0.9) - 0.5) < 1e-12);
    for (unsigned n = 1; n < 8; n++) {
        hv_estimate_period(&estimate, 0.9);
        assert_true(fabs(hv_estimate_active(&estimate, 0) - (0.9 - 0.8 * pow(0.5, n))) < 1e-12);
    }
    for (unsigned n = 0; n < 100; n++)
        hv_estimate_period(&estimate, 0.9);
    /* 0.9 -> 0: the slow average holds it, (7/8)^n */
    for (unsigned n = 1; n < 20; n++) {
        hv_estimate_period(&estimate, 0);
        assert_true(fabs(hv_estimate_active(&estimate, 0) - 0.9 * pow(0.875, n)) < 1e-3);
    }
}

/* An average of gain g leaves g / (2 - g) of a sample's variance: the header's derivation. */
static void gains_smooth_as_derived(void **state)
{
    (void)state;
    enum { PERIODS = 200000 };
    uint64_t random = rig_seed();
    struct hv_estimate estimate = {0};
    double fast = 0, slow = 0;
    for (unsigned n = 0; n < PERIODS; n++) {
        double noise = (double)(random_next(&random) >> 11) * 0x1p-53 - 0.5; /* variance 1/12 */
        hv_estimate_period(&estimate, 0.5 + noise);
        fast += pow(estimate.fast - 0.5, 2) / PERIODS;
        slow += pow(estimate.slow - 0.5, 2) / PERIODS;
    }
    assert_true(fabs(fast * 12 - 1.0 / 3) < 0.01);
    assert_true(fabs(slow * 12 - 1.0 / 15) < 0.01);
}

/* A VM whose guest stores into its first `count` pages again and again. */
static struct hv_vm *toucher(struct hv_world *world, unsigned count)
{
    static const uint32_t loop[] = {
        0x00553023, /* again: sd t0,0(a0) */
        0x00c50533, /* add a0,a0,a2: the next page */
        0xfeb56ce3, /* bltu a0,a1,again */
        0x00068513, /* mv a0,a3: from the start */
        0xff1ff06f, /* j again */
    };
    struct hv_vm *vm = rig_vm(world, 0);
    assert_true(hv_guest_write(vm, HV_RAM_BASE, loop, sizeof loop));
    hv_hart_set_reg(vm->hart, REG_A0, PAGE(0));
    hv_hart_set_reg(vm->hart, 11, PAGE(count));
    hv_hart_set_reg(vm->hart, 12, HV_PAGE_BYTES);
    hv_hart_set_reg(vm->hart, 13, PAGE(0));
    hv_hart_set_pc(vm->hart, HV_RAM_BASE);
    return vm;
}

static void finds_what_is_touched(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 100, 700, 1500, PAGES - FIRST};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct hv_world *world = rig_world(false, 1);
        struct hv_vm *vm = toucher(world, counts[i]);
        struct hv_active active;
        double truth = (counts[i] + 1.0) / PAGES; /* and the page of the code */
        double sum = 0, sigma = sqrt(truth * (1 - truth) / HV_SAMPLE_PAGES);
        hv_vm_sample(vm, PERIOD, true);
        hv_world_run(world, PERIOD * 7 / 2, NULL, NULL);
        for (unsigned n = 0; n < 40; n++) {
            hv_world_run(world, PERIOD, NULL, NULL);
            hv_vm_active(vm, &active);
            assert_true(fabs(active.truth - truth) < 1e-9);
            sum += active.last / 40;
        }
        assert_true(fabs(sum - truth) <= 3 * sigma / sqrt(40) + 1e-9);
        assert_null(hv_world_check(world));
        hv_world_free(world);
    }
}

/* All that a VM holds besides its balloon is what a fraction is of. */
static void the_balloon_is_not_idle_memory(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = toucher(world, 500);
    struct hv_active active;
    for (uint64_t n = PAGES - 1000; n < PAGES; n++)
        assert_true(hv_page_depart(vm, (hv_ppn){vm->map.begin.n + n}, HV_DEPART_BALLOON));
    hv_vm_sample(vm, PERIOD, true);
    hv_world_run(world, PERIOD * 5 / 2, NULL, NULL);
    hv_vm_active(vm, &active);
    assert_true(fabs(active.truth - 501.0 / (PAGES - 1000)) < 1e-9);
    hv_world_free(world);
}

static void stopped_time_is_no_vm_time(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = toucher(world, 500);
    struct hv_active before, after;
    hv_vm_sample(vm, PERIOD, false);
    hv_world_run(world, PERIOD * 10, NULL, NULL);
    hv_vm_active(vm, &before);
    hv_vm_stop(vm);
    hv_world_run(world, PERIOD * 10, NULL, NULL);
    hv_vm_active(vm, &after);
    assert_int_equal(after.periods, before.periods);
    assert_true(after.current == before.current);
    hv_vm_resume(vm);
    hv_world_run(world, PERIOD * 10, NULL, NULL);
    hv_vm_active(vm, &after);
    assert_int_equal(after.periods, before.periods + 10);
    hv_world_free(world);
}

/* Per second a guest that does nothing but miss the TLB pays less than 1 % of its instructions. A
 * census costs it nothing. */
static void costs_less_than_a_hundredth(void **state)
{
    (void)state;
    uint64_t done[2];
    struct hv_active active;
    for (unsigned census = 0; census < 2; census++) {
        struct hv_world *world = rig_world(false, 1);
        struct hv_vm *vm = toucher(world, 1000);
        hv_vm_sample(vm, HV_TICKS_PER_SECOND, census);
        hv_world_run(world, 3 * HV_TICKS_PER_SECOND, NULL, NULL);
        struct hv_figures figures;
        hv_vm_figures(vm, &figures);
        hv_vm_active(vm, &active);
        done[census] = figures.instructions;
        assert_true(active.cost_ticks >= 100 * HV_CHARGE_SAMPLE_PAGE);
        assert_true(active.cost_ticks < figures.instructions / 100);
        hv_world_free(world);
    }
    assert_true(fabs((double)done[1] - (double)done[0]) < 0.002 * (double)done[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_fast_and_down_slowly),
        cmocka_unit_test(gains_smooth_as_derived),
        cmocka_unit_test(finds_what_is_touched),
        cmocka_unit_test(the_balloon_is_not_idle_memory),
        cmocka_unit_test(stopped_time_is_no_vm_time),
        cmocka_unit_test(costs_less_than_a_hundredth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
