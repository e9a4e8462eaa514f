/* SPDX-License-Identifier: MIT */
/*
 * Passes: what the one that goes on has found, when it ends, and whether sharing has settled.
 *
 * A pass ends when the cursor has gone over all VMs and every batch of the pass is accounted.
 */
#include "invariant.h"
#include "scan_batch.h"

#define PPM 1000000u

static void add_pass(struct share_pass *sum, const struct share_pass *part)
{
    sum->looked += part->looked;
    sum->merged += part->merged;
    sum->changed += part->changed;
    sum->busy += part->busy;
    sum->failed += part->failed;
    sum->quiet += part->quiet;
    sum->volatiles += part->volatiles;
}

void share_batch_start(struct share_scanner *scanner, struct share_batch *batch)
{
    share_assert(share_lock_is_held(&scanner->lock));
    share_assert(batch->count && batch->count <= batch->room);
    batch->pass = scanner->passes;
    scanner->inflight++;
}

void share_pass_end(struct share_scanner *scanner)
{
    share_assert(share_lock_is_held(&scanner->lock) && !scanner->inflight);
    scanner->last[scanner->passes % SHARE_PASSES_KEPT] = scanner->now;
    scanner->now = (struct share_pass){0};
    scanner->passes++;
    scanner->vm = 0;
    scanner->ppn = (share_ppn){0};
    scanner->version++;
}

void share_batch_account(struct share_scanner *scanner, const struct share_pass *batch)
{
    share_lock_take(&scanner->lock);
    add_pass(&scanner->now, batch);
    share_assert(scanner->inflight > 0);
    scanner->inflight--;
    atomic_fetch_add(&scanner->accounted, 1);
    bool wake = scanner->sleepers > 0;
    share_lock_drop(&scanner->lock);
    if (wake)
        share_wake_all(&scanner->accounted);
}

void share_batch_wait(struct share_scanner *scanner)
{
    share_assert(share_lock_is_held(&scanner->lock));
    uint32_t seen = atomic_load(&scanner->accounted);
    scanner->sleepers++;
    share_lock_drop(&scanner->lock);
    share_sleep(&scanner->accounted, seen);
    share_lock_take(&scanner->lock);
    scanner->sleepers--;
}

void share_pass_restart(struct share_scanner *scanner)
{
    share_lock_take(&scanner->lock);
    scanner->vm = 0;
    scanner->ppn = (share_ppn){0};
    scanner->now = (struct share_pass){0};
    scanner->version++;
    share_lock_drop(&scanner->lock);
}

/* The i-th whole pass from the last one back. Scan lock held. */
static const struct share_pass *pass_back(const struct share_scanner *scanner, uint64_t i)
{
    return &scanner->last[(scanner->passes - 1 - i) % SHARE_PASSES_KEPT];
}

bool share_pass_found_nothing(struct share_scanner *scanner)
{
    share_lock_take(&scanner->lock);
    const struct share_pass *last = pass_back(scanner, 0);
    bool nothing = scanner->passes && !last->merged && !last->changed && !last->busy &&
                   !last->failed && !last->quiet && !last->volatiles;
    share_lock_drop(&scanner->lock);
    return nothing;
}

/* The passes that together have looked at every page that is not volatile; false: there are not so
 * many yet. Scan lock held. */
static bool whole_look(const struct share_scanner *scanner, struct share_pass *sum)
{
    *sum = (struct share_pass){0};
    for (uint64_t i = 0; i < SHARE_PASSES_KEPT && i < scanner->passes; i++) {
        const struct share_pass *pass = pass_back(scanner, i);
        add_pass(sum, pass);
        if (!pass->quiet)
            return true;
    }
    return scanner->passes >= SHARE_PASSES_KEPT;
}

bool share_settled(struct share *share)
{
    struct share_scanner *scanner = &share->scanner;
    struct share_pass sum;
    share_lock_take(&scanner->lock);
    bool whole = whole_look(scanner, &sum);
    share_lock_drop(&scanner->lock);
    uint64_t news = sum.merged + sum.changed + sum.busy, looked = sum.looked - sum.quiet;
    return whole && !sum.failed && news * PPM <= looked * share->settled_ppm &&
           !atomic_load(&scanner->dirty_pages);
}
