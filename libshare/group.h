/* SPDX-License-Identifier: MIT */
/*
 * Groups: who may share with whom. Each has its own hash secret and its own zero frame.
 */
#ifndef SHARE_GROUP_H
#define SHARE_GROUP_H

#include "engine.h"

/* Group 0, made with the engine. False if memory is refused. */
bool share_groups_init(struct share *share);

/* A reference on the group's zero frame; if it has none, makes one of `mpn`, with one reference,
 * from a frame reserved by the caller, and says so in *made. 0: the frame can take no more
 * references. */
share_frame share_group_zero_get(struct share *share, share_group group, share_mpn mpn, bool *made);

/* A frame outside, on which the caller holds a reference, turned out to be all zero. The group's
 * zero frame, which may be another one, with a reference more; or this one from now on. *instead:
 * the one that it was so far, with a reference for the caller to drop; 0: there was none. */
share_frame share_group_zero_offer(struct share *share, share_group group, share_frame frame,
                                   share_frame *instead);

/* A frame has lost its last reference: the group forgets it if it was its zero frame. */
void share_group_zero_unlink(struct share *share, share_group group, share_frame frame);

#endif
