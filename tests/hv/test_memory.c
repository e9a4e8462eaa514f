/* SPDX-License-Identifier: MIT */
/* Machine memory and the physmap: pages are clean, given back, scattered; sparse maps are walked.
 */
#include "rig.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory/machine.h"
#include "memory/physmap.h"

static bool is_resident(const struct hv_machine *machine, uint64_t mpn)
{
    unsigned char resident;
    assert_int_equal(mincore(hv_machine_page(machine, (hv_mpn){mpn}), HV_PAGE_BYTES, &resident), 0);
    return resident & 1;
}

/* All of 200 pages, three times over; freed in an order that leaves neighbours and gaps. */
static void use_all(struct hv_machine *machine)
{
    hv_mpn mpns[200];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 200; i++) {
            hv_mpn *mpn = &mpns[i * 63 % 200];
            assert_true(hv_machine_alloc(machine, mpn));
            uint8_t *page = hv_machine_page(machine, *mpn);
            assert_int_equal(page[0] | page[4095], 0);
            memset(page, 0xaa, HV_PAGE_BYTES);
        }
        hv_mpn none;
        assert_false(hv_machine_alloc(machine, &none));
        assert_int_equal(hv_machine_used(machine), 200);
        hv_machine_release(machine, mpns, 200);
        assert_int_equal(hv_machine_used(machine), 0);
        hv_machine_trim(machine);
    }
}

static void pages_are_clean_and_go_back(void **state)
{
    (void)state;
    struct hv_machine machine;
    assert_true(hv_machine_init(&machine, 200, false));
    use_all(&machine);
    for (unsigned mpn = 0; mpn < 200; mpn++)
        assert_false(is_resident(&machine, mpn));
    hv_machine_fini(&machine);
}

/* To kernels before 6.13, or none at all, pages go back range by range. */
static void older_kernels_get_pages_back(void **state)
{
    (void)state;
    struct hv_machine machine;
    assert_true(hv_machine_init(&machine, 200, false));
    if (machine.self >= 0)
        close(machine.self);
    machine.self = -1;
    use_all(&machine);
    for (unsigned mpn = 0; mpn < 200; mpn++)
        assert_false(is_resident(&machine, mpn));
    hv_machine_fini(&machine);
}

/* The host takes no locked page, but all others; locked ones are clean all the same. */
static void locked_pages_are_clean(void **state)
{
    (void)state;
    struct hv_machine machine;
    assert_true(hv_machine_init(&machine, 200, false));
    /* Not mlock, which is nothing to the sanitizers. */
    assert_int_equal(syscall(SYS_mlock, hv_machine_page(&machine, (hv_mpn){100}), HV_PAGE_BYTES),
                     0);
    use_all(&machine);
    for (unsigned mpn = 0; mpn < 200; mpn++)
        if (mpn < 99 || mpn > 101) /* neighbours go, or stay, with the range they are in */
            assert_false(is_resident(&machine, mpn));
    assert_true(is_resident(&machine, 100));
    hv_machine_fini(&machine);
}

static void scattered_pages_are_never_neighbours(void **state)
{
    (void)state;
    struct hv_machine machine;
    hv_mpn before, now;
    assert_true(hv_machine_init(&machine, 1000, true));
    assert_true(hv_machine_alloc(&machine, &before));
    for (unsigned i = 1; i < 1000; i++, before = now) {
        assert_true(hv_machine_alloc(&machine, &now));
        assert_true(now.n > before.n + 1 || before.n > now.n + 1);
    }
    hv_machine_fini(&machine);
}

static void next_present_agrees_with_a_scan(void **state)
{
    (void)state;
    enum { PAGES = 20000 };
    struct hv_physmap map;
    uint64_t random = rig_seed();
    assert_true(hv_physmap_init(&map, (hv_ppn){77}, PAGES));
    for (unsigned i = 0; i < 60; i++) {
        hv_ppn ppn = {77 + random_next(&random) % PAGES};
        if (hv_physmap_at(&map, ppn)->mpn == HV_MPN_NONE)
            hv_physmap_set(&map, ppn, (hv_mpn){i});
        else
            hv_physmap_clear(&map, ppn);
    }
    for (uint64_t from = 0; from < PAGES + 200; from++) {
        hv_ppn found = {0}, want = {from < 77 ? 77 : from};
        while (want.n < map.end.n && hv_physmap_at(&map, want)->mpn == HV_MPN_NONE)
            want.n++;
        bool any = hv_physmap_next(&map, (hv_ppn){from}, &found);
        assert_int_equal(any, want.n < map.end.n);
        if (any)
            assert_int_equal(found.n, want.n);
    }
    assert_null(hv_physmap_at(&map, (hv_ppn){76}));
    assert_null(hv_physmap_at(&map, map.end));
    hv_physmap_fini(&map);
}

static void the_door_checks_addresses(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, 1);
    struct hv_vm *vm = rig_vm(world, 0);
    uint64_t end = HV_RAM_BASE + (8 << 20);
    uint8_t bytes[64], back[64];
    memset(bytes, 7, sizeof bytes);
    assert_false(hv_guest_write(vm, HV_RAM_BASE - 1, bytes, 1));
    assert_false(hv_guest_write(vm, end - 63, bytes, 64));
    assert_false(hv_guest_read(vm, UINT64_MAX - 8, bytes, 64));
    assert_int_equal(vm->map.present_pages, 0);
    assert_true(hv_guest_write(vm, HV_RAM_BASE + 4090, bytes, 64)); /* across a page */
    assert_int_equal(vm->map.present_pages, 2);
    assert_true(hv_guest_read(vm, HV_RAM_BASE + 4090, back, 64));
    assert_memory_equal(bytes, back, 64);
    assert_true(hv_guest_read(vm, end - 64, back, 64)); /* never touched: zero, and stays so */
    assert_int_equal(back[0] | back[63], 0);
    assert_int_equal(vm->map.present_pages, 2);
    hv_world_free(world);
}

/* A page that the VMM is writing is neither protected nor moved, nor does it leave. */
static void pinned_pages_stay(void **state)
{
    (void)state;
    struct hv_world *world = rig_world(true, 2);
    struct hv_vm *vms[] = {rig_vm(world, 0), rig_vm(world, 0)};
    hv_ppn ppn = {HV_RAM_BASE >> HV_PAGE_SHIFT};
    share_ppn offered = {ppn.n};
    enum share_outcome outcome;
    const uint64_t word = 77;
    for (unsigned i = 0; i < 2; i++)
        assert_true(hv_guest_write(vms[i], HV_RAM_BASE, &word, sizeof word));
    struct hv_physmap_entry *page = hv_physmap_at(&vms[1]->map, ppn);
    page->pins = 1; /* as in the middle of a write */
    assert_int_equal(share_offer(world->commons.share, vms[0]->share, &offered, 1, &outcome),
                     SHARE_OK);
    assert_int_equal(outcome, SHARE_HINTED);
    assert_int_equal(share_offer(world->commons.share, vms[1]->share, &offered, 1, &outcome),
                     SHARE_OK);
    assert_int_equal(outcome, SHARE_BUSY);
    assert_int_equal(page->reasons & HV_REASON_SHARING, 0);
    assert_int_equal(hv_paging_take(vms[1], ppn), HV_PAGING_NOTHING);
    assert_int_equal(world->commons.swap.free_count,
                     world->commons.swap.next); /* no slot is lost */
    page->pins = 0;
    assert_int_equal(share_offer(world->commons.share, vms[1]->share, &offered, 1, &outcome),
                     SHARE_OK);
    assert_int_equal(outcome, SHARE_PROMOTED);
    assert_null(hv_world_check(world));
    hv_world_free(world);
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>

/* An access to a page that is nobody's: the address sanitizer sees it. */
static void free_pages_are_out_of_bounds(void **state)
{
    (void)state;
    struct hv_machine machine;
    hv_mpn mpn;
    assert_true(hv_machine_init(&machine, 4, false));
    assert_true(__asan_address_is_poisoned(machine.base + HV_PAGE_BYTES));
    assert_true(hv_machine_alloc(&machine, &mpn));
    const uint8_t *page = hv_machine_page(&machine, mpn);
    assert_null(__asan_region_is_poisoned((void *)(uintptr_t)page, HV_PAGE_BYTES));
    assert_true(__asan_address_is_poisoned(page + HV_PAGE_BYTES));
    hv_machine_release(&machine, &mpn, 1);
    assert_true(__asan_address_is_poisoned(page));
    hv_machine_trim(&machine);
    assert_true(__asan_address_is_poisoned(page));
    hv_machine_fini(&machine);
    assert_false(__asan_address_is_poisoned(page));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_clean_and_go_back),
        cmocka_unit_test(older_kernels_get_pages_back),
        cmocka_unit_test(locked_pages_are_clean),
        cmocka_unit_test(scattered_pages_are_never_neighbours),
        cmocka_unit_test(next_present_agrees_with_a_scan),
        cmocka_unit_test(the_door_checks_addresses),
        cmocka_unit_test(pinned_pages_stay),
#if defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(free_pages_are_out_of_bounds),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
