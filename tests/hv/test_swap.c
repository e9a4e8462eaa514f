/* SPDX-License-Identifier: MIT */
/* Paging by the VMM: content survives, machine memory is free meanwhile, sharing goes first, slots
 * are used again, a host without room changes nothing. (With balloon, breaks and exits: the model
 * in test_balloon.) */
#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- faults of the file, each for real */

/* A world whose paging file has this name and size. */
static struct hv_world *world_with_file(const char *path, uint64_t pages)
{
    struct hv_error error = {""};
    struct hv_world_config config = {.machine_pages = 2048 + 64,
                                     .seed = 1,
                                     .swap_file = path,
                                     .swap_bytes = pages * HV_PAGE_BYTES};
    struct hv_world *world = hv_world_new(&config, &error);
    assert_non_null(world);
    return world;
}

static const char *fault_of(struct hv_world *world)
{
    static struct hv_swap_state state;
    hv_swap_look(&world->commons.swap, &state);
    return state.fault;
}

/* Pages go out as long as they can; all of them are still whole. How many went. */
static unsigned page_out_all(struct hv_vm *vm)
{
    unsigned out = 0;
    for (unsigned i = 0; i < PAGES; i++)
        put(vm, i, i + 7);
    for (unsigned i = 0; i < PAGES; i++)
        out += hv_paging_take(vm, PPN(i)) == HV_PAGING_OUT;
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(get(vm, i), i + 7);
    assert_int_equal(vm->paged.pages, out);
    return out;
}

static void a_full_file_says_so(void **state)
{
    (void)state;
    struct hv_world *world = world_with_file("swap_small", 10);
    struct hv_vm *vm = rig_vm(world, 0);
    assert_int_equal(page_out_all(vm), 10);
    assert_string_equal(fault_of(world), "the paging file is full: 10 pages");
    put(vm, 0, 1); /* comes back, and makes room */
    assert_int_equal(hv_paging_take(vm, PPN(100)), HV_PAGING_OUT);
    assert_string_equal(fault_of(world), "");
    hv_world_free(world);
    assert_int_equal(access("swap_small", F_OK), -1); /* it goes with the world */
}

static void a_file_that_is_there_is_left_alone(void **state)
{
    (void)state;
    FILE *file = fopen("swap_mine", "w");
    assert_non_null(file);
    fclose(file);
    struct hv_world *world = world_with_file("swap_mine", 0);
    struct hv_vm *vm = rig_vm(world, 0);
    assert_int_equal(page_out_all(vm), 0);
    assert_string_equal(fault_of(world), "the paging file cannot be made: swap_mine: File exists");
    hv_world_free(world);
    assert_int_equal(unlink("swap_mine"), 0);
}

/* Somebody changes a byte of the file: only the VM whose page it is comes to an end. */
static void a_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct hv_world *world = world_with_file("swap_flipped", 0);
    struct hv_vm *vm = rig_vm(world, 0);
    uint8_t byte;
    assert_int_equal(page_out_all(vm), PAGES);
    struct stat st;
    assert_int_equal(stat("swap_flipped", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = open("swap_flipped", O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, 5 * HV_PAGE_BYTES + 999), 1);
    byte ^= 16;
    assert_int_equal(pwrite(fd, &byte, 1, 5 * HV_PAGE_BYTES + 999), 1);
    uint64_t word;
    assert_false(hv_guest_read(vm, GPA(5) + 8, &word, sizeof word));
    assert_int_equal(get(vm, 6), 6 + 7);
    assert_false(hv_guest_write(vm, GPA(5) + 8, &word, sizeof word));
    assert_int_equal(hv_vm_state(vm), HV_FAILED);
    assert_string_equal(hv_vm_reason(vm),
                        "the paging file: at offset 0x5000 are not the bytes "
                        "that were written there");
    /* Two pages' bytes at each other's place are not taken for each other either. */
    char page[HV_PAGE_BYTES];
    assert_int_equal(pread(fd, page, sizeof page, 8 * HV_PAGE_BYTES), sizeof page);
    assert_int_equal(pwrite(fd, page, sizeof page, 9 * HV_PAGE_BYTES), sizeof page);
    assert_false(hv_guest_read(vm, GPA(9) + 8, &word, sizeof word));
    assert_int_equal(ftruncate(fd, 20 * HV_PAGE_BYTES), 0);
    assert_false(hv_guest_read(vm, GPA(30) + 8, &word, sizeof word));
    close(fd);
    hv_world_free(world);
}

/* ulimit -f, within a page: the write is short first, and refused then. */
static void a_limit_on_file_sizes_ends_nobody(void **state)
{
    (void)state;
    struct rlimit old, few;
    struct hv_world *world = world_with_file("swap_limited", 0);
    struct hv_vm *vm = rig_vm(world, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    few = (struct rlimit){10 * HV_PAGE_BYTES + 100, old.rlim_max};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    unsigned out = page_out_all(vm);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, before);
    assert_int_equal(out, 10);
    assert_string_equal(fault_of(world),
                        "the paging file: cannot write at offset 0xa000: File too large");
    hv_world_free(world);
}

/* A small file system of its own, if we may have one. */
static void a_full_disk_says_so(void **state)
{
    (void)state;
    char dir[] = "swap_disk_XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    if (mount("none", dir, "tmpfs", 0, "size=80k") != 0) {
        rmdir(dir);
        skip();
    }
    snprintf(path, sizeof path, "%s/swap", dir);
    struct hv_world *world = world_with_file(path, 0);
    struct hv_vm *vm = rig_vm(world, 0);
    unsigned out = page_out_all(vm);
    const char *fault = fault_of(world);
    assert_non_null(strstr(fault, "cannot write at offset"));
    assert_non_null(strstr(fault, "No space left on device"));
    assert_true(out >= 10 && out <= 20);
    hv_world_free(world);
    assert_int_equal(umount(dir), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_and_in),
        cmocka_unit_test(sharing_goes_first),
        cmocka_unit_test(random_pages_go),
        cmocka_unit_test(a_dump_has_what_is_out),
        cmocka_unit_test(no_room_changes_nothing),
        cmocka_unit_test(a_full_file_says_so),
        cmocka_unit_test(a_file_that_is_there_is_left_alone),
        cmocka_unit_test(a_flipped_bit_is_seen),
        cmocka_unit_test(a_limit_on_file_sizes_ends_nobody),
        cmocka_unit_test(a_full_disk_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
