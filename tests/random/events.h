/* SPDX-License-Identifier: MIT */
/* Counts each frame's references by what the engine tells. */
#ifndef EVENTS_H
#define EVENTS_H

#include <share.h>

extern const struct share_observer events_observer;

/* With all else at rest: are they those that its pages say? */
void events_must_agree(share_vm vm, share_ppn ppn);

uint64_t events_count(enum share_event_kind kind);

#endif
