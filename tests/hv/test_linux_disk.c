/* SPDX-License-Identifier: MIT */
/* Linux on the disk: what it reads back is what it wrote, more memory means more lookups, and it
 * can swap to it. */
#include "linux.h"

#define SUM_OF_SEQ "6fea82ed7b035940c3bf830d3c156435" /* seq 1 3500000 | md5sum */

static struct linux_guest guest;

static unsigned rounds_of(unsigned mib, unsigned seconds)
{
    struct hv_world_config config = {.machine_pages = 20000, .seed = 3};
    struct hv_error error = {""};
    struct hv_world *world = hv_world_new(&config, &error);
    assert_non_null(world);
    linux_add(world, &guest, mib, 32, "HV_WORKLOAD=reads HV_TOUCH_KIB=24576 HV_SEED=4");
    linux_run_ms(world, seconds * 1000);
    unsigned rounds = 0;
    for (const char *at = guest.log.text; (at = strstr(at, "workload reads round ")); at++)
        rounds++;
    assert_int_equal(hv_vm_state(guest.vm), HV_RUNNING_VM);
    assert_int_equal(hv_disk_at(guest.vm, 0)->failed, 0);
    assert_null(strstr(guest.log.text, "other content"));
    assert_null(hv_world_check(world));
    hv_world_free(world);
    return rounds;
}

static void memory_has_a_price(void **state)
{
    (void)state;
    unsigned small = rounds_of(20, 4), large = rounds_of(40, 4);
    print_message("lookups in 20 MiB %u, in 40 MiB %u\n", small * 256, large * 256);
    assert_true(small > 0);
    assert_true(large > 2 * small);
}

static void swaps_to_it(void **state)
{
    (void)state;
    struct hv_world_config config = {.machine_pages = 20000, .seed = 3};
    struct hv_error error = {""};
    struct hv_world *world = hv_world_new(&config, &error);
    assert_non_null(world);
    linux_add(world, &guest, 24, 32, "HV_WORKLOAD=shell");
    linux_run_ms(world, 500);
    /* more in memory than there is memory, twice read back */
    const char *fill =
        "mkswap /dev/vda >/dev/null; swapon /dev/vda; mkdir /tmp/y; "
        "mount -t tmpfs -o size=40m y /tmp/y; seq 1 3500000 >/tmp/y/x; "
        "tail -n 1 /tmp/y/x; md5sum /tmp/y/x; echo fin''ished\n";
    assert_int_equal(hv_vm_type(guest.vm, fill, strlen(fill)), strlen(fill));
    linux_until(world, &guest, "finished", 200);
    assert_non_null(strstr(guest.log.text, "3500000\r\n"));
    assert_non_null(strstr(guest.log.text, SUM_OF_SEQ));
    assert_true(hv_disk_at(guest.vm, 0)->writes > 0 && hv_disk_at(guest.vm, 0)->reads > 0);
    assert_int_equal(hv_disk_at(guest.vm, 0)->failed, 0);
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_has_a_price),
        cmocka_unit_test(swaps_to_it),
    };
    return linux_is_built() ? cmocka_run_group_tests(tests, NULL, NULL) : LINUX_SKIP;
}
