/* SPDX-License-Identifier: MIT */
/* What a guest can make the shadow page tables cost: thousands of address spaces, one page under
 * every address, pages that look like tables and are only written. */
#include "rig.h"

#include "cpu/sv39.h"

enum { CSR_SATP = 0x180, ROOTS = 8000, NODES = 64, WARM = 10, FLAGS = 0xcf /* DA, XWRV */ };
#define SV39    (UINT64_C(8) << 60)
#define TABLES  (HV_RAM_BASE + (UINT64_C(16) << 20))
#define LEAF(a) ((a) >> 2 | FLAGS)
#define NODE(a) ((a) >> 2 | HV_PTE_V)

static struct hv_vm *vm;

static int set_up(void **state)
{
    struct hv_error error = {""};
    struct hv_world_config config = {.machine_pages = 16384 + 64, .sharing = true, .seed = 1};
    struct hv_vm_config big = {.memory_bytes = 64 << 20, .seed = 1, .shadow_nodes = NODES};
    struct hv_world *world = hv_world_new(&config, &error);
    vm = world ? hv_vm_new(world, &big, &error) : NULL;
    if (!vm)
        fail_msg("%s", error.text);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    assert_null(hv_world_check(*state));
    hv_world_free(*state);
    return 0;
}

static void put(uint64_t gpa, uint64_t word)
{
    assert_true(hv_guest_write(vm, gpa, &word, sizeof word));
}

static void use_root(uint64_t gpa)
{
    assert_true(hv_hart_csr_write(vm->hart, CSR_SATP, gpa ? SV39 | gpa >> 12 : 0));
}

/* A TLB miss; a break of sharing may come between. */
static enum hv_fill miss(uint64_t va, enum hv_access access)
{
    enum hv_fill kind = HV_FILL_STOP;
    for (unsigned tries = 0; kind == HV_FILL_STOP && tries < 4; tries++) {
        struct hv_tlb_fill fill = {.span_bits = HV_PAGE_SHIFT};
        kind = hv_full_fill(vm, va, access, &fill);
    }
    return kind;
}

/* Each maps memory where it lies, and is used once and again. */
static void thousands_of_roots(void **state)
{
    const struct hv_shadow_stats *stats = &vm->shadow.stats;
    for (unsigned i = 0; i < ROOTS; i++)
        put(TABLES + i * HV_PAGE_BYTES + 2 * 8, LEAF(HV_RAM_BASE));
    for (unsigned i = 0; i < 2 * ROOTS; i++) {
        use_root(TABLES + i % ROOTS * HV_PAGE_BYTES);
        assert_int_equal(miss(HV_RAM_BASE + i % 512 * HV_PAGE_BYTES, HV_ACCESS_STORE),
                         HV_FILL_PAGE);
        assert_true(stats->nodes <= NODES);
    }
    assert_true(stats->spaces_evicted >= 2 * ROOTS - NODES);
    uint64_t fills = stats->fills;
    for (unsigned i = 2 * ROOTS - WARM; i < 2 * ROOTS; i++) { /* the oldest went first */
        use_root(TABLES + i % ROOTS * HV_PAGE_BYTES);
        assert_int_equal(miss(HV_RAM_BASE + i % 512 * HV_PAGE_BYTES, HV_ACCESS_LOAD), HV_FILL_PAGE);
    }
    assert_int_equal(stats->fills, fills);
    assert_null(hv_world_check(*state));
}

/* Written again and again, and never walked through: no page table any more, and no traps. */
static void tables_that_are_only_written(void **state)
{
    (void)state;
    put(TABLES + 2 * 8, LEAF(HV_RAM_BASE));
    put(TABLES + HV_PAGE_BYTES + 2 * 8, LEAF(HV_RAM_BASE));
    use_root(TABLES);
    assert_int_equal(miss(HV_RAM_BASE, HV_ACCESS_LOAD), HV_FILL_PAGE);
    use_root(TABLES + HV_PAGE_BYTES);
    unsigned traps = 0;
    while (miss(TABLES, HV_ACCESS_STORE) == HV_FILL_WATCHED) {
        hv_full_wrote(vm, TABLES, 8);
        assert_true(++traps < 100);
    }
    assert_true(traps > 0);
    assert_int_equal(vm->shadow.stats.tables_flooded, 1);
}

/* Tables of level 0 from TABLES on, each full of one page; a level-1 table names them. All that a
 * remap or protection changes must stay few. */
static void one_page_under_every_address(void **state)
{
    enum { LEAVES = 32 };
    const uint64_t page = HV_RAM_BASE + 0x5000, root = HV_RAM_BASE + (8 << 20);
    struct hv_world *world = *state;
    uint64_t writable;
    put(root, NODE(root + HV_PAGE_BYTES));
    for (unsigned table = 0; table < LEAVES; table++) {
        put(root + HV_PAGE_BYTES + table * 8, NODE(TABLES + table * HV_PAGE_BYTES));
        for (unsigned slot = 0; slot < 512; slot++)
            put(TABLES + table * HV_PAGE_BYTES + slot * 8, LEAF(page));
    }
    use_root(root);
    for (unsigned i = 0; i < LEAVES * 512; i++) {
        assert_int_equal(miss(i * HV_PAGE_BYTES, HV_ACCESS_STORE), HV_FILL_PAGE);
        assert_true(hv_shadow_count(&vm->shadow, hv_ppn_of(page), &writable) <= HV_SHADOW_MAPS_MAX);
    }
    assert_true(hv_shadow_count(&vm->shadow, hv_ppn_of(page), &writable) > 0);
    assert_null(hv_world_check(world));
    assert_true(hv_shadow_write_protect(&vm->shadow, hv_ppn_of(page)));
    hv_shadow_count(&vm->shadow, hv_ppn_of(page), &writable);
    assert_int_equal(writable, 0);
}

/* Entries that come and go leave ranks higher than the list is long: it starts over, and no more.
 */
static void entries_that_come_and_go(void **state)
{
    (void)state;
    const uint64_t page = HV_RAM_BASE + 0x5000, root = HV_RAM_BASE + (8 << 20);
    uint64_t writable;
    put(root, NODE(root + HV_PAGE_BYTES));
    put(root + HV_PAGE_BYTES, NODE(TABLES));
    use_root(root);
    for (unsigned i = 0; i < 3 * HV_SHADOW_MAPS_MAX; i++) {
        put(TABLES + i % 3 * 8, LEAF(page));
        assert_int_equal(miss(i % 3 * HV_PAGE_BYTES, HV_ACCESS_LOAD), HV_FILL_PAGE);
        put(TABLES + (i + 2) % 3 * 8, 0);
        assert_in_range(hv_shadow_count(&vm->shadow, hv_ppn_of(page), &writable), 1, 2);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(thousands_of_roots),
        TEST(tables_that_are_only_written),
        TEST(one_page_under_every_address),
        TEST(entries_that_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
