/* SPDX-License-Identifier: MIT */
/*
 * A scanner asked ops about a VM whose number share_vm_add had not returned yet: the caller could
 * not know whose it was. A VM is added, then started, and its owner comes with its number.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "test.h"
#include "vmm.h"

enum { VMS = 200, PAGES = 16 };

struct owner {
    _Atomic bool known;
    share_vm number;
};

static struct share *engine;
static struct owner owners[VMS];
static _Atomic bool stop;
static _Atomic unsigned unknown, looked;

static void look(struct share_vm_ref vm)
{
    const struct owner *owner = vm.owner;
    atomic_fetch_add(&looked, 1);
    if (!atomic_load(&owner->known) || owner->number != vm.number)
        atomic_fetch_add(&unknown, 1);
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)ctx;
    look(vm);
    mpn->n = vm.number * PAGES + ppn.n;
    return true;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)ctx;
    look(vm);
    *found = from;
    return from.n < PAGES;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    static const char page[SHARE_PAGE_SIZE] = "equal";
    (void)ctx, (void)mpn;
    return page;
}

static void *scan(void *ctx)
{
    while (!atomic_load(&stop))
        if (share_scan(engine, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, 64, NULL) != SHARE_OK)
            break;
    return ctx;
}

static void test(void **state)
{
    struct share_ops ops = {
        .struct_size = sizeof ops, .resolve = resolve, .next_present = next_present, .peek = peek};
    struct share_config config = {
        .struct_size = sizeof config, .ops = &ops, .flags = SHARE_IMMUTABLE};
    pthread_t thread;
    (void)state;
    assert_int_equal(share_new(&config, &engine), SHARE_OK);
    assert_int_equal(pthread_create(&thread, NULL, scan, NULL), 0);
    for (unsigned i = 0; i < VMS; i++) {
        share_vm vm;
        assert_int_equal(
            share_vm_add(engine, 0, (share_ppn){0}, (share_ppn){PAGES}, &owners[i], &vm), SHARE_OK);
        usleep(100);
        owners[i].number = vm;
        atomic_store(&owners[i].known, true);
        assert_int_equal(share_vm_start(engine, vm), SHARE_OK);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(share_now(engine, 4, NULL), SHARE_OK);
    assert_int_equal(atomic_load(&unknown), 0);
    assert_true(atomic_load(&looked) >= VMS * PAGES);
    assert_int_equal(share_vm_start(engine, VMS), SHARE_GONE);
    share_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
