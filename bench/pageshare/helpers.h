/* SPDX-License-Identifier: MIT */
/* Threads that work beside the one that starts them. */
#ifndef MEASURE_HELPERS_H
#define MEASURE_HELPERS_H

#include <pthread.h>
#include <sched.h>
#include <stddef.h>

struct helpers {
    pthread_t *thread; /* owned */
    unsigned count;
};

/* Starts `wanted` threads of work(ctx), or fewer if the system refuses. */
void helpers_start(struct helpers *helpers, unsigned wanted, void *(*work)(void *), void *ctx);

/* The n-th processor behind `from`, of those allowed, in a circle. For this file's functions, and
 * tests. */
size_t helpers_processor(size_t from, unsigned n, const cpu_set_t *allowed);

/* Waits until all have ended. */
void helpers_join(struct helpers *helpers);

#endif
