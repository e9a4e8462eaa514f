/* SPDX-License-Identifier: MIT */
/* Real Linux guests boot, compute the same with sharing on and off, run the same twice, and give
 * everything back when they end. */
#include "linux.h"

static const char *checksums(const struct linux_log *log)
{
    const char *at = strstr(log->text, "init: workload");
    assert_non_null(at);
    return at;
}

static struct linux_log logs_on[LINUX_VMS_MAX], logs_off[LINUX_VMS_MAX];

static void same_results_with_sharing_on_and_off(void **state)
{
    (void)state;
    static const char *const workloads[] = {"idle", "files", "compute", "touch", "forks"};
    for (unsigned w = 0; w < 5; w++) {
        struct linux_setup setup = {.vms = 2, .workload = workloads[w], .rounds = w == 1 ? 1 : 2};
        struct hv_world *off = linux_boot(&setup, logs_off);
        linux_run(off, logs_off, 2);
        setup.sharing = true;
        setup.scan_rate = 2000000; /* every page many times a second */
        setup.scattered = true;
        setup.shadow_nodes = w % 2 ? 24 : 0; /* also with too little room for the S-PT */
        struct hv_world *on = linux_boot(&setup, logs_on);
        linux_run(on, logs_on, 2);
        for (unsigned i = 0; i < 2; i++)
            assert_string_equal(checksums(&logs_on[i]), checksums(&logs_off[i]));
        assert_null(hv_world_check(on));
        for (unsigned i = 0; i < 2 && setup.shadow_nodes; i++) {
            const struct hv_shadow_stats *stats = &hv_world_vm(on, i)->shadow.stats;
            assert_true(stats->nodes <= setup.shadow_nodes && stats->spaces_evicted > 0);
        }
        hv_world_free(on);
        hv_world_free(off);
    }
}

static void same_results_in_threads(void **state)
{
    (void)state;
    static const char *const workloads[] = {"files", "compute", "forks"};
    for (unsigned w = 0; w < 3; w++) {
        struct linux_setup setup = {.vms = 4, .workload = workloads[w], .rounds = 1};
        struct hv_world *alone = linux_boot(&setup, logs_off);
        linux_run(alone, logs_off, 4);
        setup.sharing = true;
        setup.scan_rate = 1000000;
        setup.threads = 3;
        struct hv_world *together = linux_boot(&setup, logs_on);
        linux_run(together, logs_on, 4);
        for (unsigned i = 0; i < 4; i++)
            assert_string_equal(checksums(&logs_on[i]), checksums(&logs_off[i]));
        assert_null(hv_world_check(together));
        hv_world_free(together);
        hv_world_free(alone);
    }
}

static void same_seed_same_figures(void **state)
{
    (void)state;
    struct hv_figures first, second;
    for (unsigned round = 0; round < 2; round++) {
        struct linux_setup setup = {
            .vms = 3, .workload = "forks", .rounds = 2, .sharing = true, .scan_rate = 100000};
        struct hv_world *world = linux_boot(&setup, logs_on);
        linux_run(world, logs_on, 3);
        hv_world_figures(world, round ? &second : &first);
        hv_world_free(world);
    }
    assert_memory_equal(&first, &second, sizeof first);
}

/* A guest that waits costs next to nothing: it is not run until its interrupt comes. */
static void idle_guests_stand_still(void **state)
{
    (void)state;
    struct linux_setup setup = {.vms = 2, .workload = "idle", .rounds = 1};
    struct hv_figures before, after;
    struct hv_world *world = linux_boot(&setup, logs_on);
    linux_run(world, logs_on, 2);
    hv_world_figures(world, &before);
    hv_world_run(world, 10 * HV_TICKS_PER_SECOND, NULL, NULL);
    hv_world_figures(world, &after);
    assert_in_range(after.instructions - before.instructions, 1,
                    2 * 10 * HV_TICKS_PER_SECOND / 1000);
    hv_world_free(world);
}

/* One finds no init, one is no kernel at all: both fail, and the others compute what they do alone.
 */
static void others_outlive_a_panic(void **state)
{
    (void)state;
    struct hv_error error = {""};
    struct linux_setup setup = {.vms = 2, .workload = "files", .rounds = 1};
    struct hv_world *alone = linux_boot(&setup, logs_off);
    linux_run(alone, logs_off, 2);
    for (unsigned threads = 0; threads < 3; threads += 2) {
        setup = (struct linux_setup){.vms = 3,
                                     .workload = "files",
                                     .rounds = 1,
                                     .sharing = true,
                                     .scan_rate = 1000000,
                                     .threads = threads,
                                     .panicking = 1};
        struct hv_world *world = linux_boot(&setup, logs_on);
        struct hv_vm_config nothing = {.memory_bytes = 8 << 20, .seed = 1};
        assert_non_null(hv_vm_new(world, &nothing, &error));
        linux_run(world, logs_on, 2);
        for (unsigned i = 0; i < 2; i++)
            assert_string_equal(checksums(&logs_on[i]), checksums(&logs_off[i]));
        for (unsigned i = 2; i < 4; i++)
            assert_int_equal(hv_vm_state(hv_world_vm(world, i)), HV_FAILED);
        assert_string_equal(hv_vm_reason(hv_world_vm(world, 2)), "the guest's kernel panicked");
        hv_vm_exit(hv_world_vm(world, 2));
        assert_null(hv_world_check(world));
        hv_world_free(world);
    }
    hv_world_free(alone);
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *stream = fopen("/proc/self/statm", "r");
    assert_non_null(stream);
    assert_int_equal(fscanf(stream, "%llu %llu", &size, &resident), 2);
    fclose(stream);
    return resident * 4096;
}

static void exit_gives_everything_back(void **state)
{
    (void)state;
    struct linux_setup setup = {
        .vms = 3, .workload = "touch", .rounds = 1, .sharing = true, .scan_rate = 100000};
    struct hv_world *world = linux_boot(&setup, logs_on);
    linux_run(world, logs_on, 3);
    hv_vm_exit(hv_world_vm(world, 1));
    assert_null(hv_world_check(world));
    hv_world_run(world, HV_TICKS_PER_SECOND, NULL, NULL); /* the others go on */
    uint64_t before = resident_bytes(), used = hv_machine_used(&world->commons.machine);
    hv_vm_exit(hv_world_vm(world, 0));
    hv_vm_exit(hv_world_vm(world, 2));
    assert_int_equal(hv_machine_used(&world->commons.machine), 0);
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(before - resident_bytes() >= used * HV_PAGE_BYTES * 9 / 10);
#endif
    (void)before, (void)used;
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_results_with_sharing_on_and_off),
        cmocka_unit_test(same_results_in_threads),
        cmocka_unit_test(same_seed_same_figures),
        cmocka_unit_test(idle_guests_stand_still),
        cmocka_unit_test(others_outlive_a_panic),
        cmocka_unit_test(exit_gives_everything_back),
    };
    if (!linux_is_built())
        return LINUX_SKIP;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
