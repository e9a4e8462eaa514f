/* SPDX-License-Identifier: MIT */
/*
 * Counting what the engine found: one walk over all pages, source by source.
 *
 * Per frame the walk keeps how many pages are on it so far, and how many of them in the source at
 * hand; when a source ends, its frames are noted as (frame, copies) pairs. The matrix and the
 * shares come from those pairs.
 */
#include "figures.h"
#include <stdlib.h>
#include <string.h>

#define INFOS 1024u
#define FEW   64u /* copies */

struct holding { /* a source has `copies` of a frame */
    share_frame frame;
    uint32_t copies;
};

struct tally {            /* of a frame */
    uint32_t copies;      /* pages so far */
    uint32_t copies_here; /* pages in the source at hand */
};

struct walk {
    struct figures *figures;
    struct share *share;
    size_t frames_end;
    struct tally *tally;     /* by frame */
    struct holding *holding; /* of all sources, one after the other */
    size_t holdings;
    size_t *holdings_begin; /* by source; [sources]: the end */
    share_frame zero_frame;
    uint64_t alone; /* contents that occur once */
};

/* -------------------------------------------------------------------------------- the walk -- */

/* Is the next page shared, is its frame new: nobody can foretell, a processor neither, so what
 * depends on it is arithmetic and not a branch. */

static void count_framed(struct walk *walk, size_t s, const struct share_page_info *info,
                         struct growth_point *growth)
{
    struct source_figures *source = &walk->figures->source[s];
    struct tally *tally = &walk->tally[info->frame];
    uint32_t before = tally->copies++;
    growth->shared_pages += (uint64_t)(before != 0) + (before == 1);
    growth->reclaimed_pages += before != 0;
    source->shared_pages += info->refs > 1;
    if (info->zero) {
        source->zero_pages++;
        walk->zero_frame = info->frame;
    }
    walk->holding[walk->holdings].frame = info->frame;
    walk->holdings += tally->copies_here++ == 0;
}

/* Finds those of some pages that are shared; how many. */
static size_t find_framed(const struct share_page_info *infos, size_t count, uint16_t *framed)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        framed[found] = (uint16_t)i;
        found += infos[i].state == SHARE_PAGE_SHARED;
    }
    return found;
}

/* Ends a source: its copies of each of its frames are known. */
static void close_source(struct walk *walk, size_t s, uint64_t alone)
{
    struct source_figures *source = &walk->figures->source[s];
    size_t begin = walk->holdings_begin[s];
    for (size_t h = begin; h < walk->holdings; h++) {
        struct holding *holding = &walk->holding[h];
        struct tally *tally = &walk->tally[holding->frame];
        holding->copies = tally->copies_here;
        tally->copies_here = 0;
        source->self_reclaimed_pages += holding->copies - 1;
    }
    source->distinct_pages = alone + (walk->holdings - begin);
    walk->holdings_begin[s + 1] = walk->holdings;
    walk->alone += alone;
}

static void walk_source(struct walk *walk, const struct set_source *source, size_t s)
{
    struct share_page_info infos[INFOS];
    uint16_t framed[INFOS];
    struct growth_point *growth = &walk->figures->growth[s];
    uint64_t alone = 0;
    if (s)
        *growth = growth[-1];
    growth->pages += source->pages;
    for (uint64_t at = 0; at < source->pages; at += INFOS) {
        uint64_t left = source->pages - at;
        size_t count = left < INFOS ? (size_t)left : INFOS;
        (void)share_page_info(walk->share, source->vm, (share_ppn){at}, count, infos);
        size_t found = find_framed(infos, count, framed);
        for (size_t i = 0; i < found; i++)
            count_framed(walk, s, &infos[framed[i]], growth);
        for (size_t i = 0; i < count; i++)
            walk->figures->false_match_pages += infos[i].state == SHARE_PAGE_NO_MATCH;
        alone += count - found;
    }
    close_source(walk, s, alone);
}

/* ------------------------------------------------------------------- from holdings to figures --
 */

/* Each source's part of the savings. */
static void split_savings(struct walk *walk)
{
    for (size_t s = 0; s < walk->figures->sources; s++) {
        struct source_figures *source = &walk->figures->source[s];
        for (size_t h = walk->holdings_begin[s]; h < walk->holdings_begin[s + 1]; h++) {
            const struct holding *holding = &walk->holding[h];
            double part = (double)holding->copies / walk->tally[holding->frame].copies;
            if (holding->frame == walk->zero_frame) {
                source->zero_saved_pages = holding->copies - part;
            } else {
                source->self_saved_pages += holding->copies - 1;
                source->inter_saved_pages += 1 - part;
            }
        }
    }
}

/* For each frame, all pairs of sources that hold it. `copies_here` becomes each frame's place in a
 * list of holders; the list is filled source by source. */
static bool fill_common(struct walk *walk)
{
    struct figures *figures = walk->figures;
    size_t *first = calloc(walk->frames_end + 1, sizeof *first);
    uint32_t *holders = malloc((walk->holdings + 1) * sizeof *holders);
    if (!first || !holders) {
        free(first);
        free(holders);
        return false;
    }
    figures->analysis_bytes +=
        (walk->frames_end + 1) * sizeof *first + (walk->holdings + 1) * sizeof *holders;
    for (size_t h = 0; h < walk->holdings; h++)
        first[walk->holding[h].frame + 1]++;
    for (size_t f = 0; f < walk->frames_end; f++)
        first[f + 1] += first[f];
    for (size_t s = 0; s < figures->sources; s++)
        for (size_t h = walk->holdings_begin[s]; h < walk->holdings_begin[s + 1]; h++) {
            share_frame frame = walk->holding[h].frame;
            uint32_t *place = &walk->tally[frame].copies_here;
            uint32_t *list = &holders[first[frame]];
            list[(*place)++] = (uint32_t)s;
            for (uint32_t i = 0; frame != walk->zero_frame && i < *place; i++)
                figures->common[list[i] * figures->sources + s]++;
        }
    free(first);
    free(holders);
    return true;
}

/* The upper half of the matrix is filled; contents that occur once lie on the diagonal. */
static void finish_common(struct walk *walk)
{
    struct figures *figures = walk->figures;
    size_t n = figures->sources;
    for (size_t i = 0; i < n; i++) {
        const struct source_figures *source = &figures->source[i];
        figures->common[i * n + i] = source->distinct_pages - (source->zero_pages != 0);
        for (size_t j = 0; j < i; j++)
            figures->common[i * n + j] = figures->common[j * n + i];
    }
}

static int by_count(const void *a, const void *b)
{
    const struct refs_count *x = a, *y = b;
    return x->count < y->count ? -1 : x->count > y->count;
}

/* Sorts counts and adds up equal ones; how many are left. */
static size_t add_equal_counts(struct refs_count *refs, size_t count)
{
    size_t kept = 0;
    qsort(refs, count, sizeof *refs, by_count);
    for (size_t i = 0; i < count; i++) {
        if (kept && refs[i].count == refs[kept - 1].count)
            refs[kept - 1].contents += refs[i].contents;
        else
            refs[kept++] = refs[i];
    }
    return kept;
}

/* Nearly all contents occur a few times: those are counted, only the others sorted. */
static bool fill_refs(struct walk *walk)
{
    struct figures *figures = walk->figures;
    uint64_t contents[FEW] = {0};
    size_t many = 0, count = 0;
    contents[1] = walk->alone;
    for (size_t f = 1; f < walk->frames_end; f++) {
        if (walk->tally[f].copies < FEW)
            contents[walk->tally[f].copies]++;
        else
            many++;
    }
    struct refs_count *refs = calloc(FEW + many, sizeof *refs);
    if (!refs)
        return false;
    figures->analysis_bytes += (FEW + many) * sizeof *refs;
    for (uint32_t few = 1; few < FEW; few++)
        if (contents[few])
            refs[count++] = (struct refs_count){few, contents[few]};
    size_t first = count;
    for (size_t f = 1; f < walk->frames_end; f++)
        if (walk->tally[f].copies >= FEW)
            refs[count++] = (struct refs_count){walk->tally[f].copies, 1};
    figures->refs_counts = first + add_equal_counts(refs + first, count - first);
    figures->refs = refs;
    return true;
}

static void fill_total(struct figures *figures, struct share *share)
{
    uint64_t zero_selves = 0;
    struct share_stats stats;
    share_stats(share, &stats);
    for (size_t s = 0; s < figures->sources; s++) {
        const struct source_figures *source = &figures->source[s];
        figures->zero_pages += source->zero_pages;
        figures->self_reclaimed_pages += source->self_reclaimed_pages;
        zero_selves += source->zero_pages ? source->zero_pages - 1 : 0;
    }
    figures->shared_pages = stats.shared_pages;
    figures->reclaimed_pages = stats.reclaimed_pages;
    figures->distinct_pages = figures->pages - figures->reclaimed_pages;
    figures->inter_reclaimed_pages = figures->reclaimed_pages - figures->self_reclaimed_pages;
    figures->zero_reclaimed_pages = figures->zero_pages ? figures->zero_pages - 1 : 0;
    figures->self_nonzero_reclaimed_pages = figures->self_reclaimed_pages - zero_selves;
    figures->inter_nonzero_reclaimed_pages = figures->reclaimed_pages -
                                             figures->zero_reclaimed_pages -
                                             figures->self_nonzero_reclaimed_pages;
    figures->metadata_bytes = stats.metadata_peak_bytes;
    figures->net_reclaimed_bytes =
        (int64_t)(figures->reclaimed_pages * SHARE_PAGE_SIZE) - (int64_t)figures->metadata_bytes;
}

/* ------------------------------------------------------------------------------- in and out -- */

static bool walk_init(struct walk *walk, const struct set *set)
{
    struct share_stats stats;
    share_stats(walk->share, &stats);
    walk->frames_end = stats.frame_end;
    walk->tally = calloc(walk->frames_end, sizeof *walk->tally);
    walk->holding = malloc((stats.framed_pages + 1) * sizeof *walk->holding);
    walk->holdings_begin = calloc(set->sources + 1, sizeof *walk->holdings_begin);
    walk->figures->analysis_bytes =
        set_bytes(set) + walk->frames_end * sizeof *walk->tally +
        (stats.framed_pages + 1) * sizeof *walk->holding +
        set->sources * (set->sources * sizeof *walk->figures->common +
                        sizeof(struct source_figures) + sizeof(struct growth_point));
    return walk->tally && walk->holding && walk->holdings_begin;
}

static void walk_fini(struct walk *walk)
{
    free(walk->tally);
    free(walk->holding);
    free(walk->holdings_begin);
}

static bool figures_alloc(struct figures *figures, const struct set *set)
{
    *figures = (struct figures){.sources = set->sources, .pages = set->pages};
    figures->source = calloc(set->sources + 1, sizeof *figures->source);
    figures->growth = calloc(set->sources + 1, sizeof *figures->growth);
    figures->common = calloc(set->sources * set->sources + 1, sizeof *figures->common);
    return figures->source && figures->growth && figures->common;
}

bool figures_read(struct figures *figures, const struct set *set, struct share *share)
{
    struct walk walk = {.figures = figures, .share = share};
    bool ok = figures_alloc(figures, set) && walk_init(&walk, set);
    if (ok) {
        for (size_t s = 0; s < set->sources; s++)
            walk_source(&walk, &set->source[s], s);
        split_savings(&walk);
        ok = fill_common(&walk) && fill_refs(&walk);
        finish_common(&walk);
        fill_total(figures, share);
    }
    walk_fini(&walk);
    if (!ok)
        figures_free(figures);
    return ok;
}

void figures_free(struct figures *figures)
{
    free(figures->source);
    free(figures->growth);
    free(figures->common);
    free(figures->refs);
    *figures = (struct figures){0};
}
