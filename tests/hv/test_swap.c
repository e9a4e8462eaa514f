/* SPDX-License-Identifier: MIT */
/* Paging by the VMM: content survives, machine memory is free meanwhile, sharing goes first, slots
 * are used again, a host without room changes nothing. (With balloon, breaks and exits: the model
 * in test_balloon.) */
#include "rig.h"

#include <sys/stat.h>

enum { PAGES = 256 };
static uint64_t choice = 1; /* state of the choice of pages */

#define PPN(i) ((hv_ppn){(HV_RAM_BASE >> HV_PAGE_SHIFT) + (i)})
#define GPA(i) (HV_RAM_BASE + (uint64_t)(i)*HV_PAGE_BYTES)

static void put(struct hv_vm *vm, unsigned i, uint64_t word)
{
    assert_true(hv_guest_write(vm, GPA(i) + 8, &word, sizeof word));
}

static uint64_t get(struct hv_vm *vm, unsigned i)
{
    uint64_t word;
    assert_true(hv_guest_read(vm, GPA(i) + 8, &word, sizeof word));
    return word;
}

static void out_and_in(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    struct hv_figures figures;
    uint64_t pte;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PAGES; i++)
            put(vm, i, i + 1000 * round);
        for (unsigned i = 0; i < PAGES; i++)
            assert_int_equal(hv_paging_take(vm, PPN(i)), HV_PAGING_OUT);
        assert_int_equal(hv_machine_used(&world->commons.machine), 0);
        assert_int_equal(hv_paging_take(vm, PPN(3)), HV_PAGING_NOTHING);         /* is out */
        assert_int_equal(hv_paging_take(vm, PPN(PAGES + 1)), HV_PAGING_NOTHING); /* never touched */
        for (unsigned i = 0; i < PAGES; i++)
            assert_int_equal(get(vm, i), i + 1000 * round); /* looking brings nothing back */
        assert_int_equal(hv_machine_used(&world->commons.machine), 0);
        uint64_t before = hv_vm_ticks(vm);
        put(vm, 5, 7);
        assert_true(hv_vm_ticks(vm) - before >= HV_LATENCY_DISK);
        pthread_mutex_lock(&vm->lock);
        assert_true(hv_guest_read_pte(vm, GPA(6) + 8, &pte)); /* walks need the page itself */
        pthread_mutex_unlock(&vm->lock);
        assert_int_equal(pte, 6 + 1000 * round);
        hv_vm_figures(vm, &figures);
        assert_int_equal(figures.swapped_pages, PAGES - 2);
        assert_int_equal(figures.swapped_in - figures.swapped_out + figures.swapped_pages, 0);
        assert_null(hv_world_check(world));
        for (unsigned i = 0; i < PAGES; i++)
            put(vm, i, 0);
    }
    assert_int_equal(world->commons.swap.next, PAGES); /* slots are used again */
    hv_world_free(world);
}

static void sharing_goes_first(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, 2);
    struct hv_vm *one = rig_vm(world, 0), *two = rig_vm(world, 0);
    put(one, 1, 42);
    put(two, 1, 42);
    put(two, 2, 43);
    assert_true(hv_world_share_now(world));
    assert_int_equal(hv_paging_take(one, PPN(1)),
                     HV_PAGING_NOTHING); /* on a frame: nothing to gain */
    put(one, 3, 43);
    assert_int_equal(hv_paging_take(one, PPN(3)), HV_PAGING_SHARED);
    assert_int_equal(one->paged.out, 0);
    assert_int_equal(get(one, 3), 43);
    assert_null(hv_world_check(world));
    hv_world_free(world);
}

static void random_pages_go(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    for (unsigned i = 0; i < PAGES; i++)
        put(vm, i, i);
    assert_int_equal(hv_paging_reclaim(vm, &choice, 40), 40);
    assert_int_equal(hv_machine_used(&world->commons.machine), PAGES - 40);
    assert_true(hv_paging_reclaim(vm, &choice, 100000) > 150); /* as many as random tries find */
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(get(vm, i), i);
    hv_vm_exit(vm);
    assert_int_equal(vm->paged.pages, 0);
    assert_int_equal(world->commons.swap.free_count, world->commons.swap.next);
    hv_world_free(world);
}

static void a_dump_has_what_is_out(void **state)
{
    (void)state;
    const char *path = "swap_dump.elf";
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    struct hv_error error;
    struct stat before, after;
    for (unsigned i = 0; i < PAGES; i++)
        put(vm, i, i);
    assert_true(hv_vm_dump(vm, path, &error));
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(hv_paging_reclaim(vm, &choice, 100), 100);
    assert_true(hv_vm_dump(vm, path, &error));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    remove(path);
    hv_world_free(world);
}

static void no_room_changes_nothing(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    const char *dir = getenv("TMPDIR");
    char *old = dir ? strdup(dir) : NULL;
    put(vm, 1, 11);
    setenv("TMPDIR", "/nowhere", 1);
    assert_int_equal(hv_paging_take(vm, PPN(1)), HV_PAGING_NOTHING);
    assert_int_equal(hv_paging_reclaim(vm, &choice, 1), 0);
    assert_int_equal(hv_machine_used(&world->commons.machine), 1);
    assert_int_equal(get(vm, 1), 11);
    old ? setenv("TMPDIR", old, 1) : unsetenv("TMPDIR");
    free(old);
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_and_in),
        cmocka_unit_test(sharing_goes_first),
        cmocka_unit_test(random_pages_go),
        cmocka_unit_test(a_dump_has_what_is_out),
        cmocka_unit_test(no_room_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
