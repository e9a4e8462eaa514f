/* SPDX-License-Identifier: MIT */
/*
 * VMs in several threads, the scanner beside them.
 *
 * Each VM counts in a word of each of its pages, and checks each time that the word is what it
 * stored the last time; between rounds it reads on for a while, so that its pages, equal to each
 * other and to other VMs', are found and merged. A write that a merge or a break loses, or a page
 * that is freed while a TLB still names it, ends the VM. Half of them run on page tables of their
 * own, which lie on pages that are shared as well, and write them all the time.
 */
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <share.h>
#include <stdatomic.h>

#include "cpu/access.h"

#if defined(__SANITIZE_THREAD__) /* which is slow, and sees more in less */
enum { RUNS = 6, TIMES = 50 };
#else
enum { RUNS = 24, TIMES = 800 };
#endif
enum { VMS = 6, THREADS = 3, PAGES = 24, PTE_FLAGS = 0xcf };
#define CODE   HV_RAM_BASE
#define DATA   (HV_RAM_BASE + 0x10000)
#define TABLES (HV_RAM_BASE + 0x80000) /* level 2, 1, 0 */
#define ROOT   (UINT64_C(8) << 60 | TABLES >> HV_PAGE_SHIFT)

enum { REG_T0 = 5, REG_T1 = 6, REG_S0 = 8, REG_S1 = 9, REG_A0 = 10, REG_T3 = 28, REG_T4 = 29 };

/*
 * t0: the count; s0, s1: begin and end of the pages; a0: pages' distance; t3: an entry of a page
 * table that is written with what it is, or a word that nobody reads.
 */
static const uint32_t program[] = {
    0x00040313, /* round:  mv t1,s0 */
    0x00033383, /* page:   ld t2,0(t1) */
    0x02539a63, /*         bne t2,t0,lost */
    0x00138393, /*         addi t2,t2,1 */
    0x00733023, /*         sd t2,0(t1) */
    0x000e3383, /*         ld t2,0(t3) */
    0x007e3023, /*         sd t2,0(t3) */
    0x00a30333, /*         add t1,t1,a0 */
    0xfe9312e3, /*         bne t1,s1,page */
    0x00128293, /*         addi t0,t0,1 */
    0x000e8393, /*         mv t2,t4 */
    0x00043303, /* wait:   ld t1,0(s0) */
    0xfff38393, /*         addi t2,t2,-1 */
    0xfe039ce3, /*         bnez t2,wait */
    0xfc9ff06f, /*         j round */
    0x00800893, /* lost:   li a7,8 */
    0x00000073, /*         ecall */
};

/* Maps 2 MiB from RAM base on, page by page, to itself. */
static void map_pages(struct hv_vm *vm)
{
    uint64_t entry = (TABLES + 0x1000) >> 2 | 1;
    assert_true(hv_guest_write(vm, TABLES + 8 * (HV_RAM_BASE >> 30), &entry, 8));
    entry = (TABLES + 0x2000) >> 2 | 1;
    assert_true(hv_guest_write(vm, TABLES + 0x1000, &entry, 8));
    for (unsigned i = 0; i < 512; i++) {
        entry = (HV_RAM_BASE + i * HV_PAGE_BYTES) >> 2 | PTE_FLAGS;
        assert_true(hv_guest_write(vm, TABLES + 0x2000 + 8 * i, &entry, 8));
    }
    assert_true(hv_hart_csr_write(vm->hart, 0x180, ROOT));
}

static void set_up(struct hv_vm *vm, bool paged)
{
    static const uint8_t zero[8];
    assert_true(hv_guest_write(vm, CODE, program, sizeof program));
    for (unsigned i = 0; i < PAGES; i++)
        assert_true(hv_guest_write(vm, DATA + i * HV_PAGE_BYTES, zero, sizeof zero));
    if (paged)
        map_pages(vm);
    hv_hart_set_pc(vm->hart, CODE);
    hv_hart_set_reg(vm->hart, REG_T0, 0);
    hv_hart_set_reg(vm->hart, REG_S0, DATA);
    hv_hart_set_reg(vm->hart, REG_S1, DATA + PAGES * HV_PAGE_BYTES);
    hv_hart_set_reg(vm->hart, REG_A0, HV_PAGE_BYTES);
    /* the entry of a page that nobody uses; or a word of a data page beside the counter */
    hv_hart_set_reg(vm->hart, REG_T3, paged ? TABLES + 0x2000 + 8 * 511 : DATA + 8);
    hv_hart_set_reg(vm->hart, REG_T4, 30000);
}

static struct hv_world *new_world(unsigned threads)
{
    struct hv_error error = {""};
    struct hv_world_config config = {.machine_pages = VMS * 2048 + 64,
                                     .sharing = true,
                                     .scan_rate = 2000000,
                                     .slice_ticks = 500000,
                                     .threads = threads,
                                     .seed = 1};
    struct hv_world *world = hv_world_new(&config, &error);
    if (!world)
        fail_msg("%s", error.text);
    for (unsigned i = 0; i < VMS; i++)
        set_up(rig_vm(world, 0), i % 2);
    return world;
}

static void no_write_is_lost(void **state)
{
    (void)state;
    struct hv_figures figures = {.shared_pages = 0};
    uint64_t shared = 0;
    struct hv_world *world = new_world(THREADS);
    for (unsigned run = 0; run < RUNS; run++) {
        hv_world_run(world, 2000000, NULL, NULL);
        for (unsigned i = 0; i < VMS; i++) {
            struct hv_vm *vm = hv_world_vm(world, i);
            if (vm->state != HV_RUNNING_VM)
                fail_msg("run %u, VM %u: %s", run, i, hv_vm_reason(vm));
        }
        const char *wrong = run % 8 ? NULL : hv_world_check(world);
        if (wrong)
            fail_msg("run %u: %s", run, wrong);
        hv_world_figures(world, &figures);
        shared += figures.shared_pages;
    }
    printf("%llu breaks, %llu pages shared on average, %llu writes of page tables\n",
           (unsigned long long)figures.cow_breaks, (unsigned long long)shared / RUNS,
           (unsigned long long)figures.pt_write_traps);
    assert_true(figures.cow_breaks > 100 && shared / RUNS > VMS);
    assert_true(figures.pt_write_traps > 100);
    for (unsigned i = 0; i < VMS; i++) /* they come as far as in one thread: time is virtual */
        assert_true(hv_hart_reg(hv_world_vm(world, i)->hart, REG_T0) > 3 * RUNS);
    for (unsigned i = 0; i < VMS; i++)
        hv_vm_exit(hv_world_vm(world, i));
    assert_int_equal(hv_machine_used(&world->commons.machine), 0);
    hv_world_free(world);
}

static void one_thread_is_the_same_every_time(void **state)
{
    (void)state;
    struct hv_figures figures[2];
    for (unsigned i = 0; i < 2; i++) {
        struct hv_world *world = new_world(0);
        hv_world_run(world, 20000000, NULL, NULL);
        hv_world_figures(world, &figures[i]);
        hv_world_free(world);
    }
    assert_memory_equal(&figures[0], &figures[1], sizeof figures[0]);
}

/* A thousand instructions without a branch, each second one a store: the longest time for which a
 * hart does not look up. */
static void set_up_storing(struct hv_vm *vm)
{
    enum { STORES = 500 };
    uint32_t code[2 * STORES + 1];
    for (unsigned i = 0; i < STORES; i++) {
        code[2 * i] = 0x00553023;     /* sd   t0, 0(a0) */
        code[2 * i + 1] = 0x00128293; /* addi t0, t0, 1 */
    }
    code[2 * STORES] = 0x860ff06f; /* j -4000 */
    assert_true(hv_guest_write(vm, CODE, code, sizeof code));
    hv_hart_set_pc(vm->hart, CODE);
    hv_hart_set_reg(vm->hart, REG_A0, DATA);
}

struct runner {
    struct hv_world *world;
    _Atomic bool stop;
};

static bool shall_stop(void *ctx)
{
    return ((struct runner *)ctx)->stop;
}

static void *run_world(void *ctx)
{
    struct runner *runner = ctx;
    hv_world_run(runner->world, UINT64_MAX / 4, shall_stop, runner);
    return NULL;
}

static uint64_t word_at(struct hv_vm *vm, hv_mpn mpn)
{
    return hv_mem_load(hv_machine_page(vm->machine, mpn), 8);
}

/* No store reaches the page once the op has returned: its word stays what it is. */
static void assert_still(struct hv_vm *vm, hv_mpn mpn)
{
    uint64_t word = word_at(vm, mpn);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(word_at(vm, mpn), word);
}

static void wait_for_stores(struct hv_vm *vm, hv_mpn mpn)
{
    uint64_t word = word_at(vm, mpn);
    while (word_at(vm, mpn) == word)
        sched_yield();
}

static struct share_vm_ref ref_of(struct hv_vm *vm)
{
    return (struct share_vm_ref){vm->share, vm};
}

static hv_mpn mpn_now(struct hv_vm *vm)
{
    share_mpn mpn = {0};
    assert_true(
        hv_share_ops.resolve(vm->commons, ref_of(vm), (share_ppn){DATA >> HV_PAGE_SHIFT}, &mpn));
    return (hv_mpn){mpn.n};
}

static void protect_once(struct hv_vm *vm)
{
    hv_mpn mpn = mpn_now(vm);
    struct share_protect page = {.vm = ref_of(vm), .ppn = {DATA >> HV_PAGE_SHIFT}, .mpn = {mpn.n}};
    wait_for_stores(vm, mpn);
    hv_share_ops.protect(vm->commons, &page, 1);
    assert_int_equal(page.answer, SHARE_ANSWER_OK);
    assert_still(vm, mpn);
    hv_share_ops.unprotect(vm->commons, &page, 1);
}

static void remap_once(struct hv_vm *vm)
{
    hv_mpn from = mpn_now(vm);
    share_mpn to;
    void *bytes;
    wait_for_stores(vm, from);
    assert_true(hv_share_ops.alloc(vm->commons, ref_of(vm), &to, &bytes));
    struct share_remap page = {.vm = ref_of(vm),
                               .ppn = {DATA >> HV_PAGE_SHIFT},
                               .from = {from.n},
                               .to = to,
                               .writable = true};
    hv_share_ops.remap(vm->commons, &page, 1);
    assert_int_equal(page.answer, SHARE_ANSWER_OK);
    assert_still(vm, from);
    hv_share_ops.free(vm->commons, &(share_mpn){from.n}, 1, SHARE_FREE_OWN);
}

static void while_it_stores(void (*once)(struct hv_vm *vm))
{
    pthread_t thread;
    struct runner runner = {.world = rig_world(true, 1)};
    struct hv_vm *vm = rig_vm(runner.world, 0);
    uint64_t zero = 0;
    set_up_storing(vm);
    assert_true(hv_guest_write(vm, DATA, &zero, sizeof zero));
    assert_int_equal(pthread_create(&thread, NULL, run_world, &runner), 0);
    for (unsigned i = 0; i < TIMES; i++)
        once(vm);
    runner.stop = true;
    pthread_join(thread, NULL);
    assert_int_equal(vm->state, HV_RUNNING_VM);
    assert_null(hv_world_check(runner.world));
    hv_world_free(runner.world);
}

static void protect_waits_for_stores(void **state)
{
    (void)state;
    while_it_stores(protect_once);
}

static void remap_waits_for_stores(void **state)
{
    (void)state;
    while_it_stores(remap_once);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void threads_come_and_go(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads < 20; threads += 6) {
        struct hv_world *world = new_world(threads);
        hv_world_run(world, 1000000, at_once, NULL);
        assert_int_equal(hv_world_ticks(world), 0);
        hv_world_run(world, 1000, NULL, NULL);
        assert_int_equal(hv_world_ticks(world), 1000);
        hv_world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_write_is_lost),
        cmocka_unit_test(protect_waits_for_stores),
        cmocka_unit_test(remap_waits_for_stores),
        cmocka_unit_test(one_thread_is_the_same_every_time),
        cmocka_unit_test(threads_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
