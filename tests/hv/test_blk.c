/* SPDX-License-Identifier: MIT */
/* The disk: against a model of its sectors; when requests end; requests that are none. HV_TEST_SEED
 * repeats a run. */
#include "driver.h"
#include "rig.h"

enum { IN = 0, OUT = 1, FLUSH = 4, ID = 8, SECTORS = 512, SECTOR = 512, STEPS = 3000 };
#define HEADER (HV_RAM_BASE + 0x40000)
#define STATUS (HV_RAM_BASE + 0x41000)
#define DATA   (HV_RAM_BASE + 0x48000)

static struct hv_world *world;
static struct hv_vm *vm;
static struct driver driver;

static int set_up(void **state)
{
    (void)state;
    struct hv_error error = {""};
    struct hv_vm_config config = {.memory_bytes = 8 << 20,
                                  .disk_bytes = {SECTORS * SECTOR, 2 * SECTORS * SECTOR}};
    world = rig_world(true, 1);
    vm = hv_vm_new(world, &config, &error);
    if (!vm)
        fail_msg("%s", error.text);
    driver_start(&driver, vm, &hv_virtio_blk, 1u << 2 | 1u << 9, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hv_world_free(world);
    return 0;
}

static void put_header(uint32_t type, uint64_t sector)
{
    uint8_t bytes[16] = {0}, status = 0xee;
    memcpy(bytes, &type, 4);
    memcpy(bytes + 8, &sector, 8);
    assert_true(hv_guest_write(vm, HEADER, bytes, sizeof bytes));
    assert_true(hv_guest_write(vm, STATUS, &status, 1));
}

/* Offers a request of data in two parts (each may be empty) and rings. */
static void submit(uint32_t type, uint64_t sector, uint32_t first, uint32_t second)
{
    struct driver_buffer buffers[4] = {{HEADER, 16, false}};
    unsigned count = 1;
    put_header(type, sector);
    if (first)
        buffers[count++] = (struct driver_buffer){DATA, first, type != OUT};
    if (second)
        buffers[count++] = (struct driver_buffer){DATA + first, second, type != OUT};
    buffers[count++] = (struct driver_buffer){STATUS, 1, true};
    driver_offer(&driver, 0, buffers, count);
    driver_kick(&driver, 0);
}

static uint8_t finish(void)
{
    uint8_t status;
    uint16_t before = driver_done(&driver, 0);
    assert_true(hv_devices_next(vm) < UINT64_MAX);
    (void)hv_devices_turn(vm, hv_devices_next(vm) - 1);
    assert_int_equal(driver_done(&driver, 0), before); /* not before its time */
    (void)hv_devices_turn(vm, hv_devices_next(vm));
    assert_int_equal(driver_done(&driver, 0), (uint16_t)(before + 1));
    assert_true(hv_guest_read(vm, STATUS, &status, 1));
    return status;
}

static void against_a_model(void **state)
{
    (void)state;
    static uint8_t disk[SECTORS * SECTOR], bytes[SECTORS * SECTOR];
    uint64_t random = rig_seed();
    print_message("HV_TEST_SEED=%llu\n", (unsigned long long)random);
    memset(disk, 0, sizeof disk);
    assert_int_equal(driver_load(&driver, 0x008), 2);
    assert_int_equal(driver_load(&driver, 0x100), SECTORS);
    for (unsigned n = 0; n < STEPS; n++) {
        uint64_t sector = random_next(&random) % SECTORS;
        uint32_t sectors = 1 + (uint32_t)(random_next(&random) % 32);
        uint32_t first = (uint32_t)(random_next(&random) % (sectors + 1)) * SECTOR;
        uint32_t nbytes = sectors * SECTOR;
        bool out = random_next(&random) % 2, fits = sector + sectors <= SECTORS;
        for (unsigned i = 0; out && i < nbytes; i++)
            bytes[i] = (uint8_t)(random_next(&random) % 5);
        assert_true(!out || hv_guest_write(vm, DATA, bytes, nbytes));
        submit(out ? OUT : IN, sector, first, nbytes - first);
        assert_int_equal(finish(), fits ? 0 : 1);
        if (!fits)
            continue;
        if (out)
            memcpy(disk + sector * SECTOR, bytes, nbytes);
        assert_true(hv_guest_read(vm, DATA, bytes, nbytes));
        assert_memory_equal(bytes, disk + sector * SECTOR, nbytes);
    }
    assert_null(hv_world_check(world));
}

/* One after another: each takes its latency and its pages' time. */
static void time_passes(void **state)
{
    (void)state;
    submit(IN, 0, 4096, 0); /* touches all pages */
    assert_int_equal(finish(), 0);
    uint64_t start = hv_disk_at(vm, 0)->done[0].ticks + HV_TICKS_PER_SECOND;
    vm->skipped += start - hv_vm_ticks(vm);
    submit(IN, 0, 4096, 0);
    assert_int_equal(hv_devices_next(vm) - start - HV_CHARGE_MMIO,
                     HV_LATENCY_DISK + HV_LATENCY_DISK_PAGE);
    uint64_t one = hv_devices_next(vm);
    submit(FLUSH, 0, 0, 0);
    assert_int_equal(hv_devices_next(vm), one);
    (void)hv_devices_turn(vm, one);
    assert_int_equal(hv_devices_next(vm), one + HV_LATENCY_DISK);
    assert_int_equal(finish(), 0);
    assert_int_equal(hv_devices_next(vm), UINT64_MAX);
}

static void requests_that_are_none(void **state)
{
    (void)state;
    static const struct {
        uint32_t type, nbytes;
        uint64_t sector;
        uint8_t status;
    } rows[] = {{99, 512, 0, 2},
                {IN, 100, 0, 1},
                {IN, 512, UINT64_MAX, 1},
                {IN, 512, SECTORS, 1},
                {OUT, 1024, SECTORS - 1, 1},
                {ID, 19, 0, 1},
                {ID, 20, 0, 0},
                {IN, 5 << 20, 0, 1}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        submit(rows[i].type, rows[i].sector, rows[i].nbytes, 0);
        assert_int_equal(finish(), rows[i].status);
    }
    const struct driver_buffer chains[][2] = {
        {{HEADER, 15, false}, {STATUS, 1, true}},  /* a short header */
        {{HEADER, 16, true}, {STATUS, 1, true}},   /* that the device would write */
        {{HEADER, 16, false}, {STATUS, 1, false}}, /* a status that it may not */
        {{HEADER, 16, false}, {STATUS, 2, true}}};
    for (unsigned i = 0; i < sizeof chains / sizeof *chains; i++) {
        driver_start(&driver, vm, &hv_virtio_blk, 0, 1);
        driver_offer(&driver, 0, chains[i], 2);
        driver_kick(&driver, 0);
        assert_true(driver_load(&driver, 0x070) & DRIVER_NEEDS_RESET);
        assert_int_equal(hv_devices_next(vm), UINT64_MAX);
    }
    driver_start(&driver, vm, &hv_virtio_blk, 0, 1);
    submit(IN, 0, 512, 0);
    driver_store(&driver, 0x070, 0);
    assert_int_equal(hv_devices_next(vm), UINT64_MAX); /* a reset forgets it */
}

/* What is written to one is not on the other; each has its size, its clock and its interrupt. */
static void two_disks(void **state)
{
    (void)state;
    static const char words[2][SECTOR] = {"first", "second"};
    struct driver disk[2] = {driver};
    char found[SECTOR];
    driver_start_slot(&disk[1], vm, driver.slot + 1, 0, 1);
    for (unsigned i = 0; i < 2; i++) {
        driver = disk[i];
        assert_int_equal(driver_load(&driver, 0x100), (i + 1) * SECTORS);
        driver_store(&driver, 0x070, 0); /* both drivers have their rings in one place: in turn */
        driver_start_slot(&driver, vm, disk[i].slot, 0, 1);
        assert_true(hv_guest_write(vm, DATA, words[i], SECTOR));
        submit(OUT, 7, SECTOR, 0);
        assert_int_equal(finish(), 0);
        assert_int_equal(driver_load(&driver, 0x060), 1);
        assert_int_equal(hv_disk_at(vm, i)->writes, 1);
        assert_int_equal(hv_disk_at(vm, !i)->writes, i);
        disk[i] = driver;
    }
    for (unsigned i = 0; i < 2; i++) {
        driver_start_slot(&driver, vm, disk[i].slot, 0, 1);
        submit(IN, 7, SECTOR, 0);
        assert_int_equal(finish(), 0);
        assert_true(hv_guest_read(vm, DATA, found, SECTOR));
        assert_string_equal(found, words[i]);
    }
    assert_null(hv_disk_at(vm, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(against_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_disks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
