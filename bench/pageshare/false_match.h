/* SPDX-License-Identifier: MIT */
/*
 * False matches: pages of equal hash and other bytes than their group's page. There are none in
 * practice, but for pages that were made to meet; so a few are held with their bytes and told apart
 * at the end, each compared with each, and many mean that another key is needed.
 */
#ifndef MEASURE_FALSE_MATCH_H
#define MEASURE_FALSE_MATCH_H

#include "crew.h"
#include "groups.h"

#define FALSE_MATCHES_MAX 1000u /* more are a flood: 4 MiB of pages, half a million compares */

struct false_match {
    uint64_t page, partner;
    uint64_t group; /* once they were told apart: the first one of its content */
    uint8_t *bytes; /* owned */
};

struct false_matches {
    struct false_match *match; /* owned */
    size_t count;
    bool flooded; /* more than FALSE_MATCHES_MAX */
    pthread_mutex_t mutex;
};

void false_matches_init(struct false_matches *matches);
void false_matches_fini(struct false_matches *matches);

/* Notes a page. False: a flood, or no memory (after crew_fail). Any thread. */
bool false_matches_add(struct false_matches *matches, struct crew *crew, uint64_t page,
                       uint64_t partner, const uint8_t *bytes);

/* Gives each content among them a group of its own, in records sorted by page; pages of the set:
 * numbers above name the new groups. */
void false_matches_settle(struct false_matches *matches, struct records *records, uint64_t pages);

#endif
