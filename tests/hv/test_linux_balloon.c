/* SPDX-License-Identifier: MIT */
/* The balloon with Linux's own driver: it gives what is asked, takes it back, computes the same
 * meanwhile; reports free pages; says how its memory is. */
#include "linux.h"

enum { MIB = 64 };
#define PAGES(mib) ((uint64_t)(mib)*256)

static struct hv_world *world_of(uint64_t pages, bool sharing)
{
    struct hv_world_config config = {
        .machine_pages = pages, .sharing = sharing, .scan_rate = 100000, .seed = 3};
    struct hv_error error = {""};
    struct hv_world *world = hv_world_new(&config, &error);
    if (!world)
        fail_msg("%s", error.text);
    return world;
}

static struct hv_figures figures_of(struct hv_vm *vm)
{
    struct hv_figures figures;
    hv_vm_figures(vm, &figures);
    return figures;
}

static struct linux_guest plain, squeezed;

/* Up, further up and down again under a workload and the scanner. */
static void computes_the_same_in_a_balloon(void **state)
{
    (void)state;
    static const unsigned targets[] = {16, 40, 8, 30, 0};
    const char *words = "HV_WORKLOAD=files HV_SEED=5 HV_ROUNDS=2";
    struct hv_world *one = world_of(PAGES(MIB), false), *two = world_of(PAGES(MIB), true);
    linux_add(one, &plain, MIB, 0, words);
    linux_until(one, &plain, "done checksum", 100);
    linux_add(two, &squeezed, MIB, 0, words);
    linux_until(two, &squeezed, "init: workload", 5);
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++) {
        assert_true(hv_vm_balloon_set(squeezed.vm, PAGES(targets[i])));
        linux_run_ms(two, 1000);
        assert_int_equal(figures_of(squeezed.vm).balloon_pages, PAGES(targets[i]));
        const char *wrong = hv_world_check(two);
        if (wrong)
            fail_msg("%s", wrong);
    }
    linux_until(two, &squeezed, "done checksum", 100);
    assert_string_equal(strstr(squeezed.log.text, "init: workload"),
                        strstr(plain.log.text, "init: workload"));
    assert_int_equal(figures_of(squeezed.vm).balloon_touches, 0); /* Linux deflates first */
    hv_world_free(one);
    hv_world_free(two);
}

/* What the guest had in use goes back to the host; the guest tells of its memory. */
static void memory_falls(void **state)
{
    (void)state;
    struct hv_guest_stats stats;
    struct hv_world *world = world_of(PAGES(MIB), false);
    linux_add(world, &plain, MIB, 0, "HV_WORKLOAD=shell");
    linux_run_ms(world, 500);
    const char *fill = "dd if=/dev/zero of=/tmp/x bs=1024k count=26; rm /tmp/x; echo fil''led\n";
    assert_int_equal(hv_vm_type(plain.vm, fill, strlen(fill)), strlen(fill));
    linux_until(world, &plain, "filled", 60);
    uint64_t before = hv_machine_used(&world->commons.machine);
    assert_true(before > PAGES(26));
    assert_true(hv_vm_balloon_set(plain.vm, PAGES(44)));
    linux_run_ms(world, 3000);
    uint64_t after = hv_machine_used(&world->commons.machine);
    assert_int_equal(figures_of(plain.vm).balloon_pages, PAGES(44));
    assert_true(after < PAGES(MIB - 44));
    hv_vm_balloon_ask(plain.vm);
    linux_run_ms(world, 100);
    hv_vm_guest_stats(plain.vm, &stats);
    assert_true(stats.known);
    assert_in_range(stats.total_bytes >> 20, MIB - 6, MIB);
    assert_in_range(stats.free_bytes >> 20, 1, MIB - 44); /* the balloon is not free */
    hv_world_free(world);
}

/* Free page reporting: after touching and freeing, what is free goes back by itself. */
static void free_pages_are_reported(void **state)
{
    (void)state;
    struct hv_world *world = world_of(PAGES(MIB), true);
    linux_add(world, &plain, MIB, 0, "HV_WORKLOAD=shell");
    linux_run_ms(world, 500);
    const char *fill =
        "echo 5 >/sys/module/page_reporting/parameters/page_reporting_order; "
        "dd if=/dev/zero of=/tmp/x bs=1024k count=30; rm /tmp/x; echo fil''led\n";
    assert_int_equal(hv_vm_type(plain.vm, fill, strlen(fill)), strlen(fill));
    linux_until(world, &plain, "filled", 60);
    linux_run_ms(world, 10000);
    struct hv_figures figures = figures_of(plain.vm);
    assert_true(figures.reported_pages > PAGES(20));
    assert_true(figures.touched_pages < PAGES(12));
    assert_int_equal(figures.balloon_pages, 0);
    const char *wrong = hv_world_check(world);
    if (wrong)
        fail_msg("%s", wrong);
    hv_world_free(world);
}

/* Deflate on OOM: who needs memory gets it out of the balloon before anybody is killed. */
static void gives_back_before_it_kills(void **state)
{
    (void)state;
    struct hv_world *world = world_of(PAGES(MIB), false);
    linux_add(world, &plain, MIB, 0, "HV_WORKLOAD=shell");
    linux_run_ms(world, 500);
    assert_true(hv_vm_balloon_set(plain.vm, PAGES(48)));
    linux_run_ms(world, 3000);
    assert_int_equal(figures_of(plain.vm).balloon_pages, PAGES(48));
    const char *fill =
        "dd if=/dev/zero of=/tmp/x bs=1024k count=24; wc -c </tmp/x; echo fil''led\n";
    assert_int_equal(hv_vm_type(plain.vm, fill, strlen(fill)), strlen(fill));
    linux_until(world, &plain, "filled", 60);
    assert_non_null(strstr(plain.log.text, "25165824"));
    assert_null(strstr(plain.log.text, "Killed process"));
    struct hv_figures figures = figures_of(plain.vm);
    assert_true(figures.balloon_pages < PAGES(MIB - 24));
    assert_int_equal(figures.balloon_target_pages, PAGES(48));
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computes_the_same_in_a_balloon),
        cmocka_unit_test(memory_falls),
        cmocka_unit_test(free_pages_are_reported),
        cmocka_unit_test(gives_back_before_it_kills),
    };
    return linux_is_built() ? cmocka_run_group_tests(tests, NULL, NULL) : LINUX_SKIP;
}
