/* SPDX-License-Identifier: MIT */
/*
 * What sharing would save: everything here is counting groups of pages, those that are alone, and
 * zero pages. Definitions: the man page.
 */
#ifndef MEASURE_FIGURES_H
#define MEASURE_FIGURES_H

#include "groups.h"
#include "holders.h"
#include "refs.h"

#define FIGURES_MATRIX_SOURCES 64u /* with more sources there is no matrix: it is their square */
#define FIGURES_PAGE_METADATA  16u /* bytes: what libshare's engine holds for a page at most */

struct source_figures {
    uint64_t zero_pages, distinct_pages, shared_pages, self_reclaimed_pages;
    /* Shares of the whole: a content of r copies here and R in all costs this source r/R pages.
     * They sum to the total over all sources. */
    double zero_saved_pages, self_saved_pages, inter_saved_pages;
};

struct growth_point {
    uint64_t pages, shared_pages, reclaimed_pages;
};

struct figures {
    size_t sources;
    struct source_figures *source;
    struct growth_point *growth; /* [i]: of the first i + 1 sources */
    uint64_t *common;        /* sources x sources: distinct non-zero contents in common; or NULL */
    struct refs_count *refs; /* ascending by count */
    size_t refs_counts;
    struct holders holders;
    uint64_t pages, zero_pages, distinct_pages, shared_pages, reclaimed_pages;
    uint64_t zero_reclaimed_pages, self_reclaimed_pages, inter_reclaimed_pages;
    uint64_t self_nonzero_reclaimed_pages, inter_nonzero_reclaimed_pages;
    uint64_t false_match_pages; /* equal hash, other bytes: 0 in practice */
    uint64_t metadata_bytes, analysis_bytes;
    int64_t net_reclaimed_bytes;
    bool isolated; /* isolated_reclaimed_pages is asked for */
    uint64_t isolated_reclaimed_pages;
    bool estimated;         /* contents were told apart by their hashes alone */
    double collision_bound; /* then: the probability that a hash took two contents for one */
};

/* Counts the groups of a set that is numbered, and alone[source] pages beside them. False: no
 * memory. Release with figures_free. */
bool figures_count(struct figures *figures, const struct set *set, const struct records *records,
                   const uint64_t *alone);
void figures_free(struct figures *figures);

#endif
