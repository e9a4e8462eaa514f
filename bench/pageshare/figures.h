/* SPDX-License-Identifier: MIT */
/*
 * What sharing would save, read out of an engine that has looked at every page of a set.
 *
 * Each page is on a shared frame or alone; everything else here is counting: pages, contents, who
 * has which, and how the savings grow source by source. Definitions: README, "What the figures
 * mean".
 */
#ifndef MEASURE_FIGURES_H
#define MEASURE_FIGURES_H

#include "set.h"

struct source_figures {
    uint64_t zero_pages, distinct_pages, shared_pages, self_reclaimed_pages;
    /* Shares of the whole: a content of r copies here and R in all costs this source r/R pages.
     * They sum to the total over all sources. */
    double zero_saved_pages, self_saved_pages, inter_saved_pages;
};

struct growth_point {
    uint64_t pages, shared_pages, reclaimed_pages;
};

struct refs_count {
    uint64_t count, contents;
};

struct figures {
    size_t sources;
    struct source_figures *source;
    struct growth_point *growth; /* [i]: of the first i + 1 sources */
    uint64_t *common;            /* sources x sources: distinct non-zero contents in common */
    struct refs_count *refs;     /* ascending by count */
    size_t refs_counts;
    uint64_t pages, zero_pages, distinct_pages, shared_pages, reclaimed_pages;
    uint64_t zero_reclaimed_pages, self_reclaimed_pages, inter_reclaimed_pages;
    uint64_t self_nonzero_reclaimed_pages, inter_nonzero_reclaimed_pages;
    uint64_t false_match_pages; /* counted as distinct, though they may not be: 0 in practice */
    uint64_t metadata_bytes, analysis_bytes;
    int64_t net_reclaimed_bytes;
    bool isolated; /* isolated_reclaimed_pages was measured */
    uint64_t isolated_reclaimed_pages;
};

/* Reads the figures of `set` out of `share`. False: no memory. Release with figures_free. */
bool figures_read(struct figures *figures, const struct set *set, struct share *share);
void figures_free(struct figures *figures);

#endif
