/* SPDX-License-Identifier: MIT */
/*
 * The observer heard of a break before it heard that the page was on a frame. And a refused remap
 * left its partner protected on a frame of one reference, of which nobody told the observer.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "test.h"
#include "vmm.h"

enum { PAGES = 128, ENOUGH = 20 * PAGES, NOBODY = PAGES }; /* pages that joined a frame */

static _Atomic unsigned frame_of[PAGES];
static _Atomic unsigned early, joined, left;
static _Atomic unsigned asked;  /* the page that the other thread is to break, or nobody */
static _Atomic bool stop, both; /* to end; two threads are at work */

static bool merged(const struct share_event *event)
{
    return event->outcome == SHARE_PROMOTED || event->outcome == SHARE_JOINED ||
           event->outcome == SHARE_ZERO;
}

/* While the observer is being told, the other thread breaks that very page: the break must wait for
 * its turn, or the observer hears of it first. */
static void let_it_be_broken(share_ppn ppn)
{
    atomic_store(&asked, (unsigned)ppn.n);
    while (atomic_load(&asked) != NOBODY && atomic_load(&both))
        sched_yield();
}

static void hear(void *ctx, const struct share_event *event)
{
    (void)ctx;
    bool joins =
        event->kind == SHARE_EVENT_PARTNER || (event->kind == SHARE_EVENT_OFFER && merged(event));
    if (joins) {
        let_it_be_broken(event->ppn);
        atomic_fetch_add(&joined, 1);
        if (atomic_exchange(&frame_of[event->ppn.n], event->frame))
            atomic_fetch_add(&early, 1);
    } else if (event->kind != SHARE_EVENT_OFFER) {
        atomic_fetch_add(&left, 1);
        if (atomic_exchange(&frame_of[event->ppn.n], 0) != event->frame)
            atomic_fetch_add(&early, 1);
    }
}

static struct vmm *new_vmm(void)
{
    static const struct share_observer observer = {sizeof observer, hear, NULL};
    struct vmm *vmm = vmm_new(1, PAGES, 2 * PAGES);
    struct share_config config = {
        .struct_size = sizeof config, .ops = &vmm_ops, .ops_ctx = vmm, .observer = &observer};
    assert_int_equal(share_new(&config, &vmm->share), SHARE_OK);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned i = 0; i < PAGES; i++)
        atomic_store(&frame_of[i], 0);
    return vmm;
}

static void *scan(void *ctx)
{
    struct vmm *vmm = ctx;
    while (!atomic_load(&stop))
        (void)!share_scan(vmm->share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, NULL);
    return NULL;
}

static void beside_breaks(void **state)
{
    struct vmm *vmm = new_vmm();
    pthread_t thread;
    unsigned before = 0;
    (void)state;
    atomic_store(&asked, NOBODY);
    atomic_store(&both, true);
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1, 0}));
    assert_int_equal(pthread_create(&thread, NULL, scan, vmm), 0);
    while (atomic_load(&joined) < ENOUGH) {
        unsigned slot = atomic_load(&asked);
        if (slot == NOBODY) {
            sched_yield();
            continue;
        }
        (void)!share_break(vmm->share, 0, vmm_ppn(vmm, 0, slot));
        atomic_store(&asked, NOBODY);
        (void)!share_break(vmm->share, 0, vmm_ppn(vmm, 0, before));
        before = slot;
    }
    atomic_store(&both, false);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&early), 0);
    assert_true(atomic_load(&left) >= ENOUGH - PAGES);
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_int_equal(atomic_load(&frame_of[slot]), vmm_info(vmm, 0, slot).frame);
    vmm_end(vmm);
}

static void a_refused_remap_leaves_nobody_on_a_frame(void **state)
{
    struct vmm *vmm = new_vmm();
    (void)state;
    for (unsigned slot = 0; slot < 2; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_BUSY;
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_BUSY);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_OK;
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_int_equal(atomic_load(&frame_of[slot]), 0);
        assert_int_not_equal(vmm_info(vmm, 0, slot).state, SHARE_PAGE_SHARED);
        assert_int_equal(vmm_page(vmm, 0, slot)->reasons, 0);
    }
    vmm_end(vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(beside_breaks),
                                       cmocka_unit_test(a_refused_remap_leaves_nobody_on_a_frame)};
    return RUN(tests);
}
