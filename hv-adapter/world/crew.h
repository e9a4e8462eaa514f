/* SPDX-License-Identifier: MIT */
/*
 * The threads that run VMs at the same time.
 *
 * A turn is as in a world with one thread: every VM runs until its clock has reached the turn's
 * end. The crew's threads take VMs until none is left; whoever began the turn scans meanwhile. So
 * time stays virtual, what waits costs nothing, and between turns nobody runs: figures, commands
 * and policies need no care.
 */
#ifndef HV_CREW_H
#define HV_CREW_H

#include <stdint.h>

struct hv_crew;
struct hv_world;

/* NULL if the threads cannot be started. The world is borrowed. */
struct hv_crew *hv_crew_new(struct hv_world *world, unsigned threads);
/* Between turns. NULL is allowed. */
void hv_crew_free(struct hv_crew *crew);

/* Lets the threads run every VM for so many ticks, up to world->ticks. */
void hv_crew_begin_turn(struct hv_crew *crew, uint64_t ticks);
/* Waits until they have; their processor time in nanoseconds. */
uint64_t hv_crew_end_turn(struct hv_crew *crew);

#endif
