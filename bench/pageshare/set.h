/* SPDX-License-Identifier: MIT */
/*
 * The set of sources that is measured, and the numbers of its pages.
 *
 * A page with bytes is a source and an index. Records hold both packed in one word, which needs
 * nothing but the number of sources. Once all sources are complete, pages are numbered over the
 * whole set, source by source.
 */
#ifndef MEASURE_SET_H
#define MEASURE_SET_H

#include "source.h"

#define SET_PAGES_MAX                                                          \
    (UINT64_C(1) << 39) /* 2 PiB: numbers of pages fit where records hold them \
                         */

struct set_source {
    char *name;
    struct ds_source *source;
    const struct ds_info *info;
    uint64_t first;      /* page with bytes, over the whole set; see set_number */
    uint64_t first_item; /* of the first look's work */
    uint64_t zero_pages; /* found by the first look, and those that the source knew of */
};

struct set_failure {
    char *name;
    struct ds_error error;
};

struct set {
    bool keep_going; /* what fails at its end is to be known before the others are measured: a
                        packed source is read to its end when it is opened */
    struct set_source *source;
    size_t sources, source_room;
    struct set_failure *failure;
    size_t failures, failure_room;
    unsigned index_bits; /* of a packed place */
    struct seen *seen;   /* files that are sources already */
};

/* Opens `argument` ("name=source" or "source") into the set. On failure, notes it in set->failure
 * and returns false. */
bool set_open(struct set *set, const char *argument, const struct ds_options *options);

void set_free(struct set *set);

/* After the last source was opened. */
void set_finish(struct set *set);

/* Pages that are there: with bytes, or known to be zero. */
uint64_t set_source_pages(const struct set_source *source);

/* Reads a sequential source to its end, so that its counts and extents are known. */
bool set_complete(const struct set_source *source, struct ds_error *error);

/* Pages with bytes, of sources that know; *more: there are others. */
uint64_t set_known_pages(const struct set *set, bool *more);

/* All sources are complete: numbers their pages with bytes. Returns how many there are. */
uint64_t set_number(struct set *set);

/* The source that a numbered page belongs to. O(log sources). */
size_t set_source_of(const struct set *set, uint64_t page);

/* Packed places. */
static inline uint64_t set_pack(const struct set *set, size_t source, uint64_t index)
{
    return (uint64_t)source << set->index_bits | index;
}

static inline size_t set_packed_source(const struct set *set, uint64_t place)
{
    return (size_t)(place >> set->index_bits);
}

static inline uint64_t set_packed_index(const struct set *set, uint64_t place)
{
    return place & ((UINT64_C(1) << set->index_bits) - 1);
}

#endif
