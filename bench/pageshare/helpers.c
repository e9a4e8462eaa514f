/* SPDX-License-Identifier: MIT */
/* Starting threads apart from each other. */
#include "helpers.h"
#include <stdlib.h>

size_t helpers_processor(size_t from, unsigned n, const cpu_set_t *allowed)
{
    size_t cpu = from;
    for (unsigned left = n; left; left--)
        do
            cpu = (cpu + 1) % CPU_SETSIZE;
        while (!CPU_ISSET(cpu, allowed));
    return cpu;
}

/* Puts a new thread on the n-th processor behind this one, from where it may go anywhere. A kernel
 * may start it beside its maker, and take some milliseconds to see that another processor idles. */
static void put_apart(pthread_t thread, unsigned n)
{
    cpu_set_t allowed, one;
    int here = sched_getcpu();
    if (here < 0 || pthread_getaffinity_np(thread, sizeof allowed, &allowed) != 0)
        return;
    CPU_ZERO(&one);
    CPU_SET(helpers_processor((size_t)here, n, &allowed), &one);
    pthread_setaffinity_np(thread, sizeof one, &one);
    pthread_setaffinity_np(thread, sizeof allowed, &allowed);
}

void helpers_start(struct helpers *helpers, unsigned wanted, void *(*work)(void *), void *ctx)
{
    *helpers = (struct helpers){.thread = calloc(wanted + 1, sizeof *helpers->thread)};
    while (helpers->thread && helpers->count < wanted &&
           pthread_create(&helpers->thread[helpers->count], NULL, work, ctx) == 0) {
        put_apart(helpers->thread[helpers->count], helpers->count + 1);
        helpers->count++;
    }
}

void helpers_join(struct helpers *helpers)
{
    for (unsigned i = 0; i < helpers->count; i++)
        pthread_join(helpers->thread[i], NULL);
    free(helpers->thread);
    *helpers = (struct helpers){0};
}
