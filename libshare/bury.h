/* SPDX-License-Identifier: MIT */
/*
 * References that a call drops, and the frames that end with them.
 *
 * The last reference goes, the frame leaves the table, its machine page is freed, and its handle
 * may be used again: in this order. What one call frees goes to ops->free together.
 */
#ifndef SHARE_BURY_H
#define SHARE_BURY_H

#include "engine.h"

#define SHARE_BURIAL_ROOM 32u

/* The frames that a call ends. Nobody else finds them any more. */
struct share_burial {
    struct share *share;
    bool in_transit; /* the call is counted as one that will free memory (transit.h) */
    bool dropped;    /* a reference, since the last flush */
    unsigned count;
    enum share_free_kind kind; /* of them all */
    share_mpn mpn[SHARE_BURIAL_ROOM];
    share_frame frame[SHARE_BURIAL_ROOM];
};

void share_burial_init(struct share_burial *burial, struct share *share);

/* The call has pages that are on their way from frames: others may wait for what it frees. */
void share_burial_expect(struct share_burial *burial);

/* Drops one reference that the caller holds and no mapping stands for any more. */
void share_burial_drop(struct share_burial *burial, share_frame frame);

/* Frees what was dropped so far. */
void share_burial_flush(struct share_burial *burial);

/* Frees the rest; nothing more is to be expected. */
void share_burial_end(struct share_burial *burial);

/* Drops one reference at once. */
void share_frame_leave(struct share *share, share_frame frame);

/* Takes a frame without references out of table or group, where it is found by its content: the
 * page is still protected, so the hash is what it was. */
void share_frame_unlink(struct share *share, share_frame frame);

#endif
