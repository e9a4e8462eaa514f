/* SPDX-License-Identifier: MIT */
/*
 * Explores every interleaving of two or three threads over real code.
 *
 * Threads are coroutines that give up control at every step (explore_step, explore_pause). From
 * each state each thread that can run is run by one step, depth first; a state is reached again by
 * starting over and repeating the choices. Two paths into the same state (the same bytes in the
 * shared arena, the same stacks and registers) have the same future, so it is explored once, and
 * its interleavings are counted from then on without running them. All shared memory must lie in
 * the arena.
 *
 * A thread that pauses waits for another: it cannot run until one has moved. If nobody can go on,
 * that is a deadlock. Two threads that make each other try again may go round in a circle for ever
 * if the scheduler hates them; such paths are left at the first state that comes again, and are not
 * counted.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stddef.h>
#include <stdint.h>

#define EXPLORE_THREADS 3u
#define EXPLORE_ALL     UINT32_MAX

struct explore_case {
    const char *name;
    unsigned threads;
    uint32_t preemptions_max; /* switches away from a thread that could go on; EXPLORE_ALL: any */
    void (*run)(unsigned thread);
    void (*check)(void);     /* in each state */
    void (*check_end)(void); /* when all threads have ended */
};

struct explore_report {
    uint64_t interleavings; /* paths to an end; all of them explored */
    uint64_t states;
    uint64_t steps; /* steps run, repetitions included */
};

/* The arena's first nbytes are the initial state. */
extern unsigned char explore_arena[];
extern const size_t explore_arena_nbytes;

/* Ends the program at a failure, with the case and the path to it. */
struct explore_report explore(const struct explore_case *test, size_t nbytes);

/* In a thread: another may run now. Outside: nothing. */
void explore_step(void);
void explore_pause(void);

#endif
