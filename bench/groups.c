/* SPDX-License-Identifier: MIT */
/*
 * What do groups cost?
 *
 * `groups/cold_pass`: a first pass over the same pages, as 16 VMs of one group (the base) and of a
 * group each: as many hash secrets, and no VM's pages are asked for another's. Every page that can
 * be shared has its copy in its own VM, so both sides do the same merges.
 * `groups/regroup`: a live VM whose every content occurs twice, all shared, moves to another group:
 * all its sharing is broken, a page in two is copied. Per page of the VM.
 */
#include "live.h"
#include "suite.h"

#define VMS        16u
#define PASSES_MAX 4u

static struct {
    const struct suite *suite;
    struct pages *pages; /* made at first use */
} set;

static uint64_t pages_count(void)
{
    return UINT64_C(1) << (set.suite->quick ? 15 : 17);
}

/* VM i has the i-th part of the set. */
static bool add_vms(struct share *share, bool apart)
{
    uint64_t part = set.pages->count / VMS;
    bool ok = true;
    for (share_vm i = 0; i < VMS && ok; i++) {
        share_group group = 0;
        share_vm vm;
        ok = (!apart || share_group_add(share, true, &group) == SHARE_OK) &&
             share_vm_add(share, group, (share_ppn){i * part}, (share_ppn){(i + 1) * part}, NULL,
                          &vm) == SHARE_OK &&
             share_vm_start(share, vm) == SHARE_OK && vm == i;
    }
    return ok;
}

static double cold_pass(bool apart)
{
    struct share_stats stats;
    struct share *share = pages_engine_empty(set.pages, set.suite->alloc, 0);
    uint64_t part = set.pages->count / VMS;
    bool ok = add_vms(share, apart);
    double start = bench_start();
    for (share_vm vm = 0; vm < VMS && ok; vm++)
        ok = pages_offer_vm(share, vm, vm * part, (vm + 1) * part);
    double seconds = bench_stop(start, set.pages->count);
    share_stats(share, &stats);
    share_free(share);
    return ok && stats.reclaimed_pages == set.pages->copies ? seconds : -1;
}

static double pass_together(void *ctx)
{
    (void)ctx;
    if (!set.pages)
        set.pages = pages_new_blocks(pages_count(), VMS, 50, 9);
    return cold_pass(false);
}

static double pass_apart(void *ctx)
{
    (void)ctx;
    return cold_pass(true);
}

/* There and back, with everything shared anew before each move. */
static bool regroup(struct live *live, uint64_t copies, share_group group)
{
    if (share_now(live->share, PASSES_MAX, NULL) != SHARE_OK || live_reclaimed(live) != copies)
        return false;
    double start = bench_start();
    bool ok = share_vm_regroup(live->share, 0, group) == SHARE_OK;
    bench_stop(start, live->count);
    return ok && live_reclaimed(live) == 0 && hv_machine_used(&live->machine) == live->count;
}

static void run_regroup(struct bench *bench, void *ctx)
{
    (void)ctx;
    struct pages *pages = pages_new(pages_count() / 2, 50, 10);
    struct live *live = live_new(pages, set.suite->alloc);
    uint64_t copies = pages->copies, sum = live_hash(live);
    share_group there = 0, here = 0;
    bool ok = share_group_add(live->share, true, &there) == SHARE_OK;
    while (ok && bench_next(bench)) {
        share_group target = here == 0 ? there : 0;
        ok = regroup(live, copies, target);
        here = target;
    }
    if (!ok || live_hash(live) != sum)
        bench_fail(bench, "sharing was not broken, or memory has changed");
    live_free(live);
    pages_free(pages);
}

void suite_groups(const struct suite *suite)
{
    const struct bench_side apart = {"16_groups", pass_apart};
    set.suite = suite;
    bench_pair("groups/cold_pass", (struct bench_side){"one_group", pass_together}, &apart, 1, NULL,
               suite->quick ? 5 : 15);
    bench_register_laps("groups/regroup", run_regroup, NULL, NULL, 0);
}
