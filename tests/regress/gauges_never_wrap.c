/* SPDX-License-Identifier: MIT */
/*
 * share_stats takes one counter after the other: beside a scanner some gauges were 2^64 less a few.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "test.h"
#include "vmm.h"

enum { PAGES = 256, ROUNDS = 500 };

static _Atomic bool done;

static void *merge_and_break(void *ctx)
{
    struct vmm *vmm = ctx;
    for (unsigned round = 0; round < ROUNDS; round++) {
        (void)!share_scan(vmm->share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, PAGES, NULL);
        for (unsigned slot = 0; slot < PAGES; slot++)
            (void)!share_break(vmm->share, 0, vmm_ppn(vmm, 0, slot));
        share_ppn ppn = vmm_ppn(vmm, 0, 0);
        (void)!share_dirty(vmm->share, 0, &ppn, 1);
    }
    atomic_store(&done, true);
    return NULL;
}

static void test(void **state)
{
    struct vmm *vmm = vmm_new(1, PAGES, 2 * PAGES);
    pthread_t thread;
    (void)state;
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot / 2, 0}));
    assert_int_equal(pthread_create(&thread, NULL, merge_and_break, vmm), 0);
    while (!atomic_load(&done)) {
        struct share_stats stats;
        share_stats(vmm->share, &stats);
        assert_in_range(stats.framed_pages, 0, PAGES);
        assert_in_range(stats.code_pages, 0, PAGES);
        assert_in_range(stats.dirty_pages, 0, PAGES);
        assert_in_range(stats.shared_pages, 0, PAGES);
        assert_in_range(stats.reclaimed_pages, 0, PAGES);
        assert_in_range(stats.hints, 0, 2 * PAGES);
    }
    pthread_join(thread, NULL);
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
