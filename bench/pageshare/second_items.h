/* SPDX-License-Identifier: MIT */
/*
 * The second look's work items: records of a sequential source, or some that lie together of
 * others.
 */
#ifndef MEASURE_SECOND_ITEMS_H
#define MEASURE_SECOND_ITEMS_H

#include "groups.h"

struct second_item {
    uint64_t begin, end; /* records */
    size_t source;       /* of the first one */
};

struct second_items {
    struct second_item *item; /* owned */
    uint64_t count, room;
};

/* Of records sorted by page. False: no memory. */
bool second_items_init(struct second_items *items, const struct set *set,
                       const struct records *records);
void second_items_fini(struct second_items *items);

/* The source of a page that is not in one before `source`. */
static inline size_t second_items_source(const struct set *set, size_t source, uint64_t page)
{
    if (page - set->source[source].first < set->source[source].info->data_pages)
        return source;
    return set_source_of(set, page);
}

#endif
