/* SPDX-License-Identifier: MIT */
/*
 * The first look: every page with bytes is read once, and hashed as it is read.
 *
 * Zero pages are counted, all others leave a record. Threads take work items off one counter: 1024
 * pages of a source that gives any page at any time, or the whole of a sequential one.
 */
#ifndef MEASURE_FIRST_LOOK_H
#define MEASURE_FIRST_LOOK_H

#include "crew.h"
#include "page_hash.h"
#include "progress.h"
#include "records.h"

struct first_look {
    const struct page_key *key;
    struct records *records;
    struct progress *progress; /* or NULL */
    bool roomy;                /* what is mapped can stay: there is memory for all of it */
};

/* Fills the records, whose width says which halves of the hashes they hold, and each source's
 * zero_pages. False: crew->error says why. */
bool first_look(struct crew *crew, const struct first_look *how);

#endif
