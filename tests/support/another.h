/* SPDX-License-Identifier: MIT */
/* A call of another thread that must not return yet. */
#ifndef ANOTHER_H
#define ANOTHER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct another {
    pthread_t thread;
    _Atomic bool has_returned; /* the call says so */
    bool returned_too_early;
};

/* Starts the thread, whose argument is `another`, and gives its call time to return. */
void another_start(struct another *another, void *(*body)(void *));

/* Waits for its end. False: the call had returned too early. */
bool another_ends(struct another *another);

#endif
