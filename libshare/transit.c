/* SPDX-License-Identifier: MIT */
/* Waiting for machine pages that are on their way. */
#include "transit.h"

void share_transit_wait(struct share_transit *transit)
{
    uint32_t arrived = atomic_load(&transit->arrived), first = atomic_load(&transit->ended);
    uint32_t calls = atomic_load(&transit->calls);
    if (!calls)
        return;
    atomic_fetch_add(&transit->sleepers, 1);
    for (;;) {
        uint32_t ended = atomic_load(&transit->ended); /* first: the last call changes it */
        if (!atomic_load(&transit->calls) || ended - first >= calls ||
            atomic_load(&transit->arrived) != arrived)
            break;
        share_sleep(&transit->ended, ended);
    }
    atomic_fetch_sub(&transit->sleepers, 1);
}
