/* SPDX-License-Identifier: MIT */
/*
 * Nobody polls. In each test one thread is held inside an op until the kernel says that the other
 * one sleeps; a thread that looks again and again would never let it go on.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "random.h"
#include "test.h"
#include "vmm.h"

enum { PAGES = 64, PATIENCE_MS = 20000 };

static struct vmm *vmm;
static _Atomic pid_t waiter;  /* the thread that is to sleep; 0: not started */
static _Atomic int held_at;   /* the op in which the other thread is held; -1: none */
static _Atomic bool inside;   /* it is there */
static _Atomic bool polled;   /* it was let go without a sleeper */
static _Atomic unsigned asks; /* calls of share_break by the waiter */

static bool sleeps(pid_t thread)
{
    char path[64], line[256], *state;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    FILE *file = fopen(path, "r");
    bool read = file && fgets(line, sizeof line, file);
    if (file)
        fclose(file);
    state = read ? strrchr(line, ')') : NULL;
    return state && state[2] == 'S';
}

/* In two looks a millisecond apart: a sleep of less is none that was to be waited for. */
static void hold(struct vmm *of, enum vmm_op op)
{
    (void)of;
    if ((int)op != atomic_load(&held_at) || gettid() == atomic_load(&waiter))
        return;
    atomic_store(&held_at, -1);
    atomic_store(&inside, true);
    unsigned seen = 0;
    for (unsigned ms = 0; seen < 2 && ms < PATIENCE_MS; ms++) {
        usleep(1000);
        seen = atomic_load(&waiter) && sleeps(atomic_load(&waiter)) ? seen + 1 : 0;
    }
    if (seen < 2)
        atomic_store(&polled, true);
}

static int begin(void **state)
{
    (void)state;
    vmm = vmm_new(2, PAGES, 3 * PAGES);
    vmm_engine(vmm, NULL, 1);
    for (share_vm vm = 0; vm < 2; vm++) {
        vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < PAGES; slot++)
            assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){1 + slot, 0}));
    }
    vmm->step = hold;
    atomic_store(&waiter, 0);
    atomic_store(&inside, false);
    atomic_store(&polled, false);
    atomic_store(&asks, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm->step = NULL;
    vmm_end(vmm);
    return 0;
}

/* Runs `body` in a thread of its own as soon as this one, in `act`, is held at the op. */
static void hold_and_wait(enum vmm_op op, void (*act)(void), void *(*body)(void *))
{
    pthread_t thread;
    atomic_store(&held_at, (int)op);
    assert_int_equal(pthread_create(&thread, NULL, body, NULL), 0);
    act();
    pthread_join(thread, NULL);
    assert_true(atomic_load(&inside));
    assert_false(atomic_load(&polled));
}

static void start_waiting(void)
{
    while (!atomic_load(&inside))
        usleep(100);
    atomic_store(&waiter, gettid());
}

static void scan(void)
{
    (void)!share_scan(vmm->share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, NULL);
}

static void *store(void *ctx)
{
    (void)ctx;
    start_waiting();
    for (enum share_result result = SHARE_RETRY; result == SHARE_RETRY;) {
        atomic_fetch_add(&asks, 1);
        result = share_break(vmm->share, 1, vmm_ppn(vmm, 1, 3));
        if (result == SHARE_RETRY)
            assert_int_equal(share_wait(vmm->share, 1, vmm_ppn(vmm, 1, 3)), SHARE_OK);
    }
    return NULL;
}

static void a_break_sleeps_while_its_page_moves(void **state)
{
    (void)state;
    hold_and_wait(VMM_REMAP, scan, store);
    assert_int_equal(atomic_load(&asks), 2);
    assert_int_equal(vmm_info(vmm, 1, 3).state, SHARE_PAGE_PRIVATE);
}

static void *forget(void *ctx)
{
    (void)ctx;
    start_waiting();
    enum share_owner owner;
    assert_int_equal(share_forget(vmm->share, 1, vmm_ppn(vmm, 1, 3), &owner), SHARE_OK);
    return NULL;
}

static void a_forget_sleeps_while_its_page_is_looked_at(void **state)
{
    (void)state;
    vmm->offers_forgotten = true; /* the mapping stays: this test is not about it */
    hold_and_wait(VMM_PROTECT, scan, forget);
}

static void *remove_vm(void *ctx)
{
    (void)ctx;
    start_waiting();
    vmm_remove(vmm, 1, false);
    return NULL;
}

static void look_at_vm_1(void)
{
    enum share_outcome outcome;
    share_ppn ppn = vmm_ppn(vmm, 1, 3);
    (void)!share_offer(vmm->share, 1, &ppn, 1, &outcome);
}

static void a_removal_sleeps_while_calls_are_under_way(void **state)
{
    (void)state;
    hold_and_wait(VMM_RESOLVE, look_at_vm_1, remove_vm);
}

static void *check(void *ctx)
{
    (void)ctx;
    start_waiting();
    struct share_check_report report;
    assert_int_equal(share_check(vmm->share, &report), SHARE_OK);
    return NULL;
}

static void a_check_sleeps_while_calls_are_under_way(void **state)
{
    (void)state;
    hold_and_wait(VMM_RESOLVE, look_at_vm_1, check);
}

static void check_here(void)
{
    struct share_check_report report;
    assert_int_equal(share_check(vmm->share, &report), SHARE_OK);
}

static void *look(void *ctx)
{
    (void)ctx;
    start_waiting();
    look_at_vm_1();
    return NULL;
}

static void calls_sleep_while_a_check_is_under_way(void **state)
{
    (void)state;
    scan();
    hold_and_wait(VMM_RESOLVE, check_here, look);
}

static void *scan_too(void *ctx)
{
    (void)ctx;
    start_waiting();
    scan();
    return NULL;
}

static void a_scanner_sleeps_while_others_end_the_pass(void **state)
{
    (void)state;
    hold_and_wait(VMM_REMAP, scan, scan_too);
}

/* Machine pages that nobody maps, so that there are as many as guest pages. */
static int64_t taken[3 * PAGES];
static unsigned taken_count;

static void take_all(void)
{
    for (taken_count = 0; (taken[taken_count] = vmm_take(vmm)) >= 0;)
        taken_count++;
}

static void give_back(void)
{
    while (taken_count)
        vmm_give_back(vmm, (uint32_t)taken[--taken_count]);
}

/* Every machine page is in use until the merge that is under way frees what it replaced. */
static void a_break_without_memory_sleeps_while_some_is_on_its_way(void **state)
{
    (void)state;
    take_all();
    hold_and_wait(VMM_REMAP, scan, store);
    assert_int_equal(vmm_info(vmm, 1, 3).state, SHARE_PAGE_PRIVATE);
    give_back();
}

static void *store_to_the_partner(void *ctx)
{
    (void)ctx;
    start_waiting();
    assert_int_equal(vmm_store(vmm, 0, 3, 0, 7), SHARE_OK);
    return NULL;
}

/* The partner of a promotion is on its frame before the other page is. */
static void a_partner_without_memory_sleeps_while_some_is_on_its_way(void **state)
{
    (void)state;
    take_all();
    hold_and_wait(VMM_REMAP, scan, store_to_the_partner);
    give_back();
}

/* And truly without memory a break says so at once. */
static void without_memory_a_break_says_so(void **state)
{
    (void)state;
    scan();
    take_all();
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 3)), SHARE_NOMEM);
    give_back();
}

/* As many machine pages as guest pages, two scanners, two writers: no store is ever refused. */
static _Atomic bool stop;
static _Atomic unsigned refused;

static void *scan_on(void *ctx)
{
    (void)ctx;
    while (!atomic_load(&stop))
        scan();
    return NULL;
}

static void *store_on(void *ctx)
{
    share_vm vm = (share_vm)(uintptr_t)ctx;
    uint64_t random = vm + 1;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned slot = random_to(&random, PAGES);
        if (vmm_store(vmm, vm, slot, 0, 1 + random_to(&random, 3)) != SHARE_OK)
            atomic_fetch_add(&refused, 1);
    }
    return NULL;
}

static void no_store_is_refused_with_as_many_machine_pages(void **state)
{
    pthread_t thread[4];
    (void)state;
    vmm->step = NULL;
    take_all();
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, i < 2 ? store_on : scan_on, (void *)i),
                         0);
    for (unsigned i = 0; i < 4; i++) {
        if (i == 2)
            atomic_store(&stop, true);
        pthread_join(thread[i], NULL);
    }
    give_back();
    assert_int_equal(atomic_load(&refused), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_break_sleeps_while_its_page_moves),
        TEST(a_forget_sleeps_while_its_page_is_looked_at),
        TEST(a_removal_sleeps_while_calls_are_under_way),
        TEST(a_check_sleeps_while_calls_are_under_way),
        TEST(calls_sleep_while_a_check_is_under_way),
        TEST(a_scanner_sleeps_while_others_end_the_pass),
        TEST(a_break_without_memory_sleeps_while_some_is_on_its_way),
        TEST(a_partner_without_memory_sleeps_while_some_is_on_its_way),
        TEST(without_memory_a_break_says_so),
        TEST(no_store_is_refused_with_as_many_machine_pages),
    };
    return RUN(tests);
}
