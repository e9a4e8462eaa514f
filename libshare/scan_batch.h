/* SPDX-License-Identifier: MIT */
/*
 * Batches of pages for the scanner: chosen in order (scan_order.c), at random (scan_random.c) or
 * because the caller told that they changed (scan_dirty.c), looked at by scan.c, accounted in their
 * pass (scan_pass.c).
 */
#ifndef SHARE_SCAN_BATCH_H
#define SHARE_SCAN_BATCH_H

#include "engine.h"

/* Most of a shared memory is skipped: enough for a run of others. */
#define SHARE_BATCH_PAGES 512u

struct share_batch {
    share_vm vm;
    size_t count, room;
    bool pass_ended; /* no pages: this pass is over */
    bool refused;    /* no pages: memory was refused */
    uint64_t pass;
    share_ppn ppns[SHARE_BATCH_PAGES];
};

/* Books a batch as under way. Scan lock held. */
void share_batch_start(struct share_scanner *scanner, struct share_batch *batch);

/* A batch has been looked at, and found this. */
void share_batch_account(struct share_scanner *scanner, const struct share_pass *batch);

/* Scan lock held, and dropped meanwhile: sleeps until another batch has been accounted. */
void share_batch_wait(struct share_scanner *scanner);

/* Did the last whole pass look at every page and find nothing new? */
bool share_pass_found_nothing(struct share_scanner *scanner);

/* The pass is over, and the next one begins. Scan lock held, nothing in flight. */
void share_pass_end(struct share_scanner *scanner);

/* The pass begins once more from the first page. */
void share_pass_restart(struct share_scanner *scanner);

/* Fill an empty batch with up to `room` pages of one VM and book it; or end the pass. They wait for
 * batches of other threads that may not have been accounted yet. */
void share_take_sequential(struct share *share, struct share_batch *batch);
/* False: memory was refused. */
bool share_take_random(struct share *share, struct share_batch *batch);

/* Moves dirty pages of one VM into an empty batch and books it; leaves it empty if there are none.
 */
void share_take_dirty(struct share *share, struct share_batch *batch);

/* Dirty pages that nobody could look at this time stay dirty; true if there are any. */
bool share_mark_again(struct share *share, const struct share_batch *batch,
                      const enum share_outcome *outcomes);

#endif
