/* SPDX-License-Identifier: MIT */
/* ESX's figure 4 (C. A. Waldspurger, OSDI 2002): what identical Linux VMs share live, beside an
 * exact count of their pages' contents. */
#include "exact.h"
#include "linux.h"

static struct linux_log logs[LINUX_VMS_MAX];

static double percent(uint64_t part, uint64_t whole)
{
    return 100.0 * (double)part / (double)whole;
}

/* ESX's figure 4: 1 to 10 identical Linux VMs, same workload, different seeds. */
static void figure_4(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 4, 7, 10};
    printf("VMs  touched  shared %%  reclaimed %%  of it zero %%  bound %%  code pages\n");
    for (unsigned i = 0; i < 5; i++) {
        struct linux_setup setup = {.vms = counts[i],
                                    .workload = "files",
                                    .rounds = 1,
                                    .sharing = true,
                                    .scan_rate = 20000};
        struct hv_figures live, settled, bound;
        struct hv_world *world = linux_boot(&setup, logs);
        linux_run(world, logs, counts[i]);
        /* 16 passes over the pages of ten VMs: those that were broken twice are shared again. */
        hv_world_run(world, 12 * HV_TICKS_PER_SECOND, NULL, NULL);
        hv_world_figures(world, &live);
        exact(world, &bound);
        assert_true(hv_world_share_now(world));
        hv_world_figures(world, &settled);
        printf("%3u %8llu %9.1f %12.1f %13.1f %8.1f %11llu\n", counts[i],
               (unsigned long long)live.touched_pages,
               percent(live.shared_pages, live.touched_pages),
               percent(live.reclaimed_pages, live.touched_pages),
               percent(live.zero_pages ? live.zero_pages - 1 : 0, live.touched_pages),
               percent(bound.reclaimed_pages, bound.touched_pages),
               (unsigned long long)live.code_shared_pages);
        assert_true((double)live.reclaimed_pages >= 0.95 * (double)bound.reclaimed_pages);
        assert_int_equal(settled.touched_pages, bound.touched_pages);
        assert_int_equal(settled.shared_pages, bound.shared_pages);
        assert_int_equal(settled.reclaimed_pages, bound.reclaimed_pages);
        assert_int_equal(settled.zero_pages, bound.zero_pages);
        assert_true(settled.code_shared_pages > 0);
        assert_null(hv_world_check(world));
        if (counts[i] == LINUX_VMS_MAX) {
            assert_true(percent(live.shared_pages, live.touched_pages) >= 67);
            assert_true(percent(live.reclaimed_pages, live.touched_pages) >= 60);
        }
        hv_world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figure_4),
    };
    if (!linux_is_built())
        return LINUX_SKIP;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
