/* SPDX-License-Identifier: MIT */
#include "another.h"
#include "must.h"
#include <unistd.h>

void another_start(struct another *another, void *(*body)(void *))
{
    atomic_store(&another->has_returned, false);
    MUST(pthread_create(&another->thread, NULL, body, another) == 0);
    usleep(50000);
    another->returned_too_early = atomic_load(&another->has_returned);
}

bool another_ends(struct another *another)
{
    pthread_join(another->thread, NULL);
    return !another->returned_too_early;
}
