/* SPDX-License-Identifier: MIT */
/*
 * The threads that do a step of the work together, each with looks of its own that it keeps from
 * step to step: what a look has mapped stays mapped.
 *
 * A source is opened again when it is looked at, so at most CREW_LOOKS descriptors and mappings are
 * held at a time, however many sources there are.
 */
#ifndef MEASURE_CREW_H
#define MEASURE_CREW_H

#include "set.h"
#include <pthread.h>
#include <stdatomic.h>

#define CREW_LOOKS                                                                            \
    1024            /* open ones of all workers at most; fewer if few descriptors are allowed \
                     */
#define CREW_WAYS 4 /* a source's look is in one of so many places */

/* A thread reads pages, and beside them the pages that they are compared with. */
enum eye { EYE_PAGES, EYE_PARTNERS, EYES };

struct open_look {
    struct ds_look *look; /* NULL: free */
    size_t source;
    uint64_t used; /* when: the one that was not used for longest goes first */
};

struct worker {
    struct crew *crew;
    unsigned number;               /* 0: the thread that runs the crew */
    struct open_look *looks[EYES]; /* crew->sets * crew->ways of each */
    uint64_t now;
    uint64_t closed; /* looks: what they gave is gone */
};

struct crew {
    struct set *set;
    struct worker *worker; /* owned */
    unsigned workers;
    unsigned sets, ways; /* a worker may keep sets * ways looks of each eye */
    atomic_bool failed;  /* everybody stops soon */
    struct ds_error error;
    pthread_mutex_t mutex; /* of `error` */
};

/* False: no memory. crew_fini in any case; if it was true, after crew_close_all. */
bool crew_init(struct crew *crew, struct set *set, unsigned workers);
void crew_close_all(struct crew *crew);
void crew_fini(struct crew *crew);

/* Every worker does its part of `work`, those that the system gives us threads for. The caller is
 * worker 0. */
void crew_run(struct crew *crew, void (*work)(struct worker *worker, void *ctx), void *ctx);

/* The first failure stays: the error, or a line of one's own. */
void crew_fail(struct crew *crew, const struct ds_error *error);
void crew_fail_with(struct crew *crew, const char *text);
/* A page that must be there is not. */
void crew_fail_gone(struct crew *crew, size_t source, uint64_t index);

/* A look of this worker's, kept open until others need the room; NULL after crew_fail. */
struct ds_look *crew_look(struct worker *worker, enum eye eye, size_t source);

/* Reads a run by such a look, of no pages behind the last one. False after crew_fail. */
bool crew_read(struct worker *worker, enum eye eye, size_t source, uint64_t index, size_t pages,
               struct ds_run *run);

/* The bytes of a page that was there before; NULL after crew_fail. */
const uint8_t *crew_page(struct worker *worker, enum eye eye, size_t source, uint64_t index);

/* Closes a look: that of a sequential source, which is to be read from its front again. */
void crew_close(struct worker *worker, enum eye eye, size_t source);

/* Lets all looks of an eye give back what they have mapped. */
void crew_idle(struct worker *worker, enum eye eye);

#endif
