/* SPDX-License-Identifier: MIT */
/*
 * The second look: pages whose hash others have, too, are read again and compared, byte for byte.
 *
 * Pages are read in order of place. Each is compared with its group's partner, which is read again
 * in place, or lies on the shelf if it cannot be (shelf.h).
 *
 * Where memory does not hold all that is looked at, partners are what must stay in the page cache
 * until the last page of their group was compared. So groups are looked at in rounds, each of no
 * more partners than half of the memory that is available holds; each page is read in one round,
 * and given up as soon as it was compared.
 */
#ifndef MEASURE_SECOND_LOOK_H
#define MEASURE_SECOND_LOOK_H

#include "crew.h"
#include "false_match.h"
#include "page_hash.h"
#include "progress.h"

struct second_look {
    const struct page_key *key;
    struct records *records;
    struct progress *progress; /* or NULL */
    uint64_t pages;            /* of the set: see set_number */
    unsigned rounds;           /* 1 or more */
    bool roomy;                /* memory holds the whole set */
};

/* Compares all groups; `matches` become those that are none. Leaves the records in order of page.
 * False: crew->error says why; or matches->flooded. */
bool second_look(struct crew *crew, const struct second_look *how, struct false_matches *matches);

#endif
