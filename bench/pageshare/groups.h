/* SPDX-License-Identifier: MIT */
/*
 * Groups: pages of equal hash, two or more. Until the second look has compared them they are
 * candidates for one content.
 *
 * A group is known by one of its pages, which all others are compared with: the partner. It is the
 * first one that can be read at any time, or else the first one. The records of a group lie
 * together, its pages ascending.
 */
#ifndef MEASURE_GROUPS_H
#define MEASURE_GROUPS_H

#include "records.h"
#include "set.h"

#define GROUPS_CHECK_BITS 24u /* of the hash, in each of a record's words */
#define GROUPS_CHECK_MASK ((UINT64_C(1) << GROUPS_CHECK_BITS) - 1)

enum { GROUP_PARTNER, GROUP_PAGE }; /* words of a record */

static inline uint64_t groups_page(uint64_t word)
{
    return word >> GROUPS_CHECK_BITS;
}

/* What is kept of the hash. */
static inline uint64_t groups_check(const uint64_t *record)
{
    return (record[GROUP_PAGE] & GROUPS_CHECK_MASK) << GROUPS_CHECK_BITS |
           (record[GROUP_PARTNER] & GROUPS_CHECK_MASK);
}

static inline uint64_t groups_check_of(uint64_t hash)
{
    return hash & (GROUPS_CHECK_MASK << GROUPS_CHECK_BITS | GROUPS_CHECK_MASK);
}

static inline bool groups_is_partner(const uint64_t *record)
{
    return groups_page(record[GROUP_PARTNER]) == groups_page(record[GROUP_PAGE]);
}

/* The end of the group that begins at record i. */
static inline uint64_t groups_end(const struct records *records, uint64_t i)
{
    uint64_t partner = groups_page(records->word[2 * i + GROUP_PARTNER]), end = i + 1;
    while (end < records->count && groups_page(records->word[2 * end + GROUP_PARTNER]) == partner)
        end++;
    return end;
}

/* Makes groups of records sorted by hash and place, and drops all others, which alone[source]
 * counts. The set is numbered. Returns how many groups there are. */
uint64_t groups_form(struct records *records, const struct set *set, uint64_t *alone);

/* Of records sorted by page, that of a page which has one. */
uint64_t *groups_find(const struct records *records, uint64_t page);

#endif
