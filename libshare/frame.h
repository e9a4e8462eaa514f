/* SPDX-License-Identifier: MIT */
/*
 * Shared frames: one machine page, how many guest pages map it, and whose group it is of. 12 bytes.
 *
 * A reference is held by each page whose word names the frame, and for a moment by a merge that
 * compares against it. This file alone changes counts. Legal sequences of one:
 *
 *     0 -> n > 0        make: the number is its maker's alone
 *     n > 0 -> n + 1    get
 *     n > 0 -> n - 1    put
 *
 * A frame may be read by who has a reference, or keeps it from being retired: by the lock of the
 * partition or group in which it is found, or by the pool's lock while a page's word names it.
 *
 * Between retire and make the count is 0, so a get finds nothing. A count that a put has brought to
 * 0 is final: the thread that did so unlinks the frame from table or group, frees its machine page
 * if nobody maps it, and retires the frame.
 */
#ifndef SHARE_FRAME_H
#define SHARE_FRAME_H

#include "pool.h"
#include "share.h"

struct share_frame_object {
    _Atomic uint32_t mpn_low; /* the pool's link while free */
    _Atomic uint32_t rest;    /* from bit 0: MPN bits 39..32, group (16 bits), flags */
    _Atomic uint32_t refs;
};

enum share_frame_flags {
    SHARE_FRAME_ZERO = 1,
    /* Neither in the table nor a group's zero frame: declared by the caller, and not indexed yet,
     * or another frame of the same content stands there. index.c */
    SHARE_FRAME_OUTSIDE = 2,
    SHARE_FRAME_KEEP = 4 /* of a store that nobody may write: never made private in place */
};

struct share_frames {
    struct share_pool pool;
    _Atomic uint64_t single;  /* frames with exactly one reference */
    _Atomic uint64_t zero;    /* zero frames */
    _Atomic uint64_t outside; /* frames outside */
};

struct share_frame_view {
    share_mpn mpn;
    share_group group;
    bool zero, outside, keep;
    uint32_t refs;
};

void share_frames_init(struct share_frames *frames, struct share_mem *mem);
void share_frames_fini(struct share_frames *frames);

/* The list above. */
bool share_refs_may_become(uint32_t from, uint32_t to);

/* Could a frame with references be so? Its MPN and group are in range. For its holders. */
bool share_frame_is_valid(const struct share_frames *frames, share_frame frame);

/* A frame that is to be made, with `refs` references, out of a number that was taken from the pool.
 */
struct share_frame_plan {
    share_frame frame;
    share_mpn mpn;
    uint32_t refs;
};

/* Makes frames of one group. `flags`: enum share_frame_flags. */
void share_frames_make(struct share_frames *frames, const struct share_frame_plan *plans,
                       size_t count, share_group group, unsigned flags);

static inline void share_frame_make(struct share_frames *frames, share_frame frame, share_mpn mpn,
                                    share_group group, unsigned flags, uint32_t refs)
{
    share_frames_make(frames, &(struct share_frame_plan){frame, mpn, refs}, 1, group, flags);
}

/* It enters table or group, or leaves it to another one. The caller holds a reference. */
void share_frame_set_flags(struct share_frames *frames, share_frame frame, unsigned set,
                           unsigned clear);

/* One reference more, unless there is none left, or 2^32 - 1. */
bool share_frame_get(struct share_frames *frames, share_frame frame);

/* One reference less; true if it was the last. */
bool share_frame_put(struct share_frames *frames, share_frame frame);

/* Takes the last reference; false, and nothing done, if there are others. */
bool share_frame_put_if_last(struct share_frames *frames, share_frame frame);

/* The number of a frame without references, and found nowhere, may be used again. */
void share_frame_retire(struct share_frames *frames, share_frame frame);

/* Fetches a frame: it is about to be asked for a reference. */
void share_frame_prefetch(const struct share_frames *frames, share_frame frame);

/* What it is. Exact while the caller holds a reference. */
struct share_frame_view share_frame_view(const struct share_frames *frames, share_frame frame);

#endif
