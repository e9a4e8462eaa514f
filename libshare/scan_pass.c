/* SPDX-License-Identifier: MIT */
/*
 * Passes: what the one that goes on has found, when it ends, and whether sharing has settled.
 *
 * A pass ends when the cursor has gone over all VMs and every batch of the pass is accounted.
 */
#include "invariant.h"
#include "scan_batch.h"

#define PPM 1000000u

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
    scanner->last = scanner->now;
    scanner->now = (struct share_pass){0};
    scanner->passes++;
    scanner->vm = 0;
    scanner->ppn = (share_ppn){0};
    scanner->version++;
}

void share_batch_account(struct share_scanner *scanner, const struct share_scan_report *batch)
{
    share_lock_take(&scanner->lock);
    scanner->now.looked += batch->looked_pages;
    scanner->now.merged += batch->merged_pages;
    scanner->now.changed += batch->changed_pages;
    share_assert(scanner->inflight > 0);
    scanner->inflight--;
    share_lock_drop(&scanner->lock);
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

bool share_settled(struct share *share)
{
    struct share_scanner *scanner = &share->scanner;
    share_lock_take(&scanner->lock);
    const struct share_pass *last = &scanner->last;
    bool settled = scanner->passes &&
                   (last->merged + last->changed) * PPM <= last->looked * share->settled_ppm;
    share_lock_drop(&scanner->lock);
    return settled && !atomic_load(&scanner->dirty_pages);
}
