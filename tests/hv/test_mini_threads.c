/* SPDX-License-Identifier: MIT */
/* Our own guest kernel in several threads, the scanner beside them: hypercalls, breaks and faults
 * of one VM while others' pages and its own are merged. Results are those of one thread. */
#include "mini.h"

static void same_results_in_threads(void **state)
{
    (void)state;
    for (unsigned para = 0; para < 2; para++) {
        char first[4096], text[4096];
        for (unsigned threads = 0; threads <= 3; threads += 3) {
            struct mini_setup setup = {.vms = 4,
                                       .workload = "forks",
                                       .rounds = 1,
                                       .para = para,
                                       .sharing = true,
                                       .scan_rate = 500000,
                                       .threads = threads};
            struct hv_figures figures;
            struct hv_world *world = mini_boot(&setup);
            mini_run(world);
            mini_results(world, threads ? text : first, sizeof text);
            const char *wrong = hv_world_check(world);
            if (wrong)
                fail_msg("%s", wrong);
            hv_world_figures(world, &figures);
            assert_true(figures.cow_breaks > 100);
            for (unsigned i = 0; i < setup.vms; i++)
                hv_vm_exit(hv_world_vm(world, i));
            assert_int_equal(hv_machine_used(&world->commons.machine), 0);
            hv_world_free(world);
        }
        assert_string_equal(text, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_results_in_threads)};
    return mini_is_built() ? cmocka_run_group_tests(tests, NULL, NULL) : MINI_SKIP;
}
