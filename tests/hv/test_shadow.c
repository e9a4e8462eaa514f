/* SPDX-License-Identifier: MIT */
/*
 * Shadow page tables against a naive walker.
 *
 * Random page tables in guest memory, random edits by the guest (through the real store path: traps
 * where the page is a table), random address spaces, random accesses. After each fill the answer
 * must be what a walker that keeps nothing finds at this moment, and A and D must be set. Pages are
 * shared and broken meanwhile. Small node bounds make address spaces go and come. Tables are
 * hostile by nature: loops, pointers outside memory, tables that map themselves writable.
 */
#include "rig.h"

#include "cpu/access.h"
#include "cpu/sv39.h"

enum { TABLES = 24, DATA = 40, STEPS = 60000, CHECK_EVERY = 997 };

#define PPN_BEGIN (HV_RAM_BASE >> HV_PAGE_SHIFT)

struct naive {
    unsigned cause; /* 0: it is allowed */
    uint64_t gpa;
    uint64_t leaf_gpa; /* of the leaf entry; 0: Bare */
};

/* What memory holds, by the physmap alone. */
static uint64_t peek(struct hv_vm *vm, uint64_t gpa)
{
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(gpa));
    if (page->mpn == HV_MPN_NONE)
        return 0;
    return hv_mem_load(
        hv_machine_page(&vm->world->machine, (hv_mpn){page->mpn}) + hv_page_offset(gpa), 8);
}

static bool in_memory(uint64_t gpa)
{
    return gpa >= HV_RAM_BASE && gpa < HV_RAM_BASE + (8 << 20);
}

static struct naive fault(enum hv_access access, bool page)
{
    static const unsigned page_causes[] = {12, 13, 15, 15}, access_causes[] = {1, 5, 7, 7};
    return (struct naive){.cause = page ? page_causes[access] : access_causes[access]};
}

/* Volume II, 4.3.2, written once more, and as plainly as that. */
static struct naive walk(struct hv_vm *vm, const struct hv_mmu *mmu, uint64_t va,
                         enum hv_access access)
{
    if (mmu->satp >> 60 == 0)
        return in_memory(va) ? (struct naive){.gpa = va} : fault(access, false);
    if ((int64_t)(va << 25) >> 25 != (int64_t)va)
        return fault(access, true);
    uint64_t table = (mmu->satp & ((UINT64_C(1) << 44) - 1)) << 12;
    for (int level = 2; level >= 0; level--) {
        uint64_t at = table + (va >> (12 + 9 * level) & 511) * 8;
        if (!in_memory(at))
            return fault(access, false);
        uint64_t pte = peek(vm, at), ppn = pte >> 10 & ((UINT64_C(1) << 44) - 1);
        bool r = pte & 2, w = pte & 4, x = pte & 8, u = pte & 16;
        if (!(pte & 1) || pte >> 54 || (w && !r))
            return fault(access, true);
        if (!r && !x) {
            if (pte & (16 | 64 | 128))
                return fault(access, true);
            table = ppn << 12;
            continue;
        }
        uint64_t inside = (UINT64_C(1) << (9 * level)) - 1;
        bool user_ok = mmu->priv == HV_PRIV_U ? u : !u || (mmu->sum && access != HV_ACCESS_FETCH);
        bool right = access == HV_ACCESS_FETCH  ? x
                     : access == HV_ACCESS_LOAD ? r || (mmu->mxr && x)
                                                : w;
        if ((ppn & inside) || !user_ok || !right)
            return fault(access, true);
        uint64_t gpa = ((ppn | (va >> 12 & inside)) << 12) | (va & 4095);
        return in_memory(gpa) ? (struct naive){.gpa = gpa, .leaf_gpa = at} : fault(access, false);
    }
    return fault(access, true);
}

struct test {
    struct hv_world *world;
    struct hv_vm *vm;
    uint64_t random;
    uint64_t pages, faults, watched;
};

static uint64_t pick(struct test *test, uint64_t below)
{
    return rig_random(&test->random) % below;
}

/* A guest store of 8 bytes without translation, as the hart does it. */
static void guest_store(struct test *test, uint64_t gpa, uint64_t value)
{
    struct hv_vm *vm = test->vm;
    uint64_t satp = hv_hart_mmu(vm->hart).satp;
    struct hv_tlb_fill fill = {.span_bits = 12};
    assert_true(hv_hart_csr_write(vm->hart, 0x180, 0));
    enum hv_fill kind = hv_fault_fill(vm, gpa, HV_ACCESS_STORE, &fill);
    assert_true(kind == HV_FILL_PAGE || kind == HV_FILL_WATCHED);
    hv_mem_store((uint8_t *)fill.page + hv_page_offset(gpa), 8, value);
    if (kind == HV_FILL_WATCHED) {
        test->watched++;
        hv_fault_wrote(vm, gpa, 8);
    }
    assert_true(hv_hart_csr_write(vm->hart, 0x180, satp));
}

/* Tables are roots (0..3), of the middle (4..11) or of leaves (12..23), if they are what they seem.
 */
static uint64_t table_ppn(struct test *test)
{
    return PPN_BEGIN + 16 + pick(test, TABLES);
}

static uint64_t table_of_level(struct test *test, unsigned level)
{
    static const unsigned first[] = {12, 4, 0}, count[] = {12, 8, 4};
    return PPN_BEGIN + 16 + first[level] + pick(test, count[level]);
}

static uint64_t wild_pte(struct test *test)
{
    uint64_t flags = rig_random(&test->random) & 0xff;
    switch (pick(test, 6)) {
    case 0:
        return 0;
    case 1:
        return rig_random(&test->random); /* anything */
    case 2:                               /* a superpage */
        return (PPN_BEGIN & ~UINT64_C(511)) << 10 | flags | 1;
    case 3: /* a table, as data */
        return table_ppn(test) << 10 | flags | 1;
    case 4: /* a table, at any level */
        return table_ppn(test) << 10 | 1;
    default:
        return (UINT64_C(1) << 40) << 10 | flags | 1; /* nowhere */
    }
}

/* What an orderly guest writes into a table of this level. */
static uint64_t tame_pte(struct test *test, unsigned level)
{
    static const uint8_t flags[] = {HV_PTE_R, HV_PTE_R | HV_PTE_W, HV_PTE_R | HV_PTE_X, HV_PTE_X,
                                    HV_PTE_R | HV_PTE_W | HV_PTE_X};
    uint64_t data = PPN_BEGIN + 100 + pick(test, DATA);
    if (level > 0)
        return table_of_level(test, level - 1) << 10 | 1;
    uint64_t marks = rig_random(&test->random) & (HV_PTE_A | HV_PTE_D | HV_PTE_U);
    return data << 10 | flags[pick(test, 5)] | marks | 1;
}

/* Few distinct indexes at each level, so that walks meet edits. */
static uint64_t random_va(struct test *test)
{
    uint64_t va = 0;
    if (pick(test, 8) == 0) /* where superpages and Bare lie */
        return HV_RAM_BASE + pick(test, 2048) * 4096 + pick(test, 512) * 8;
    for (unsigned level = 0; level < 3; level++)
        va |= pick(test, 4) << (12 + 9 * level);
    return va | pick(test, 512) * 8;
}

static void edit(struct test *test)
{
    unsigned level = (unsigned)pick(test, 3);
    uint64_t slot = pick(test, 16) ? pick(test, 4) : pick(test, 512);
    bool wild = pick(test, 8) == 0;
    uint64_t ppn = wild ? table_ppn(test) : table_of_level(test, level);
    guest_store(test, ppn << 12 | slot * 8, wild ? wild_pte(test) : tame_pte(test, level));
}

static void switch_space(struct test *test)
{
    uint64_t satp = UINT64_C(8) << 60 | (PPN_BEGIN + 16 + pick(test, 4));
    switch (pick(test, 12)) {
    case 0:
        satp = 0;
        break;
    case 1:
        satp = UINT64_C(8) << 60 | table_ppn(test);
        break;
    case 2:
        satp = UINT64_C(8) << 60 | (rig_random(&test->random) & 0xffffffffff);
        break;
    }
    assert_true(hv_hart_csr_write(test->vm->hart, 0x180, satp));
}

static struct hv_mmu random_mode(struct test *test)
{
    uint64_t bits = rig_random(&test->random);
    assert_true(hv_hart_csr_write(test->vm->hart, 0x100, (bits & 3) << 18));
    return hv_hart_mmu(test->vm->hart);
}

static void check_page(struct test *test, const struct hv_mmu *mmu, uint64_t va,
                       enum hv_access access, const struct naive *want,
                       const struct hv_tlb_fill *fill)
{
    struct hv_vm *vm = test->vm;
    hv_mpn mpn = {hv_physmap_at(&vm->map, hv_ppn_of(want->gpa))->mpn};
    assert_ptr_equal(fill->page, hv_machine_page(&vm->world->machine, mpn));
    if (want->leaf_gpa) {
        uint64_t pte = peek(vm, want->leaf_gpa);
        assert_true(pte & HV_PTE_A);
        if (access >= HV_ACCESS_STORE || (fill->allow & HV_ALLOW_WRITE))
            assert_true(pte & HV_PTE_D);
    }
    for (unsigned i = 0; i < 3; i++) { /* nothing is allowed that the guest does not */
        static const enum hv_access kinds[] = {HV_ACCESS_LOAD, HV_ACCESS_STORE, HV_ACCESS_FETCH};
        if (fill->allow >> i & 1)
            assert_int_equal(walk(vm, mmu, va, kinds[i]).cause, 0);
    }
    if (fill->allow & HV_ALLOW_WRITE)
        assert_int_equal(hv_physmap_at(&vm->map, hv_ppn_of(want->gpa))->reasons, 0);
}

static void access_one(struct test *test)
{
    struct hv_mmu mmu = random_mode(test);
    uint64_t va = random_va(test);
    enum hv_access access = (enum hv_access)pick(test, 4);
    struct hv_tlb_fill fill = {.span_bits = 12};
    struct naive want = walk(test->vm, &mmu, va, access);
    enum hv_fill kind = hv_fault_fill(test->vm, va, access, &fill);
    if (want.cause) {
        test->faults++;
        if (kind != HV_FILL_MMIO) { /* a device lies there */
            assert_int_equal(kind, HV_FILL_FAULT);
            assert_int_equal(fill.cause, want.cause);
        }
        return;
    }
    test->pages++;
    assert_true(kind == HV_FILL_PAGE || (kind == HV_FILL_WATCHED && access >= HV_ACCESS_STORE));
    if (kind == HV_FILL_WATCHED) /* nothing was written: the same as the hart's failed sc */
        assert_true(hv_physmap_at(&test->vm->map, hv_ppn_of(want.gpa))->reasons & HV_REASON_TABLE);
    else
        check_page(test, &mmu, va, access, &want, &fill);
}

static void share_some(struct test *test)
{
    share_ppn ppn = {PPN_BEGIN + 16 + pick(test, 130)};
    assert_int_equal(share_offer(test->world->share, test->vm->share, &ppn, 1, NULL), SHARE_OK);
}

static void run(uint32_t nodes, bool sharing)
{
    struct test test = {.world = rig_world(sharing, 1), .random = rig_seed()};
    test.vm = rig_vm(test.world, nodes);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t what = pick(&test, 100);
        if (what < 30)
            edit(&test);
        else if (what < 36)
            switch_space(&test);
        else if (what < 42 && sharing)
            share_some(&test);
        else
            access_one(&test);
        if (step % CHECK_EVERY == 0) {
            const char *wrong = hv_world_check(test.world);
            if (wrong)
                fail_msg("step %u: %s", step, wrong);
        }
        assert_int_equal(test.vm->state, HV_RUNNING_VM);
    }
    printf("seed %llu: %llu pages, %llu faults, %llu trapped writes, %llu evictions\n",
           (unsigned long long)rig_seed(), (unsigned long long)test.pages,
           (unsigned long long)test.faults, (unsigned long long)test.watched,
           (unsigned long long)test.vm->shadow.stats.spaces_evicted);
    assert_true(test.pages > STEPS / 10 && test.watched > STEPS / 100);
    hv_vm_exit(test.vm);
    assert_int_equal(hv_machine_used(&test.world->machine), 0);
    hv_world_free(test.world);
}

static void agrees_with_a_naive_walker(void **state)
{
    (void)state;
    run(512, false);
}

static void agrees_while_pages_are_shared(void **state)
{
    (void)state;
    run(512, true);
}

static void agrees_with_few_nodes(void **state)
{
    (void)state;
    run(HV_SHADOW_NODES_MIN, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_walker),
        cmocka_unit_test(agrees_while_pages_are_shared),
        cmocka_unit_test(agrees_with_few_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
