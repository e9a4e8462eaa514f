/* SPDX-License-Identifier: MIT */
/*
 * One walk over all groups. Each is a list of sources with their numbers of copies, and adds to
 * every figure. See figures.h.
 *
 * Growth is first counted as what each source adds to those before it, and summed at the end.
 */
#include "figures.h"
#include <stdlib.h>
#include <string.h>

struct count {
    struct figures *figures;
    const struct set *set;
    const struct records *records;
    struct refs refs;
    struct holders_table *table;
    uint32_t *source; /* that hold the group at hand, ascending */
    uint64_t *copies; /* of its pages there */
    size_t holders;
};

/* ------------------------------------------------------------------------------- one content -- */

static void find_holders(struct count *count, uint64_t first, uint64_t end)
{
    const struct set *set = count->set;
    uint64_t next = 0; /* page: the first one behind the source at hand */
    count->holders = 0;
    for (uint64_t i = first; i < end; i++) {
        uint64_t page = groups_page(count->records->word[2 * i + GROUP_PAGE]);
        if (page >= next) {
            size_t s = set_source_of(set, page);
            next = s + 1 < set->sources ? set->source[s + 1].first : UINT64_MAX;
            count->source[count->holders] = (uint32_t)s;
            count->copies[count->holders++] = 0;
        }
        count->copies[count->holders - 1]++;
    }
}

/* Pages that are shared if there are so many of a content. */
static uint64_t shared_of(uint64_t copies)
{
    return copies > 1 ? copies : 0;
}

/* Of the content at hand, with `pages` in all, what each of its holders has of it. */
static void count_holders(struct count *count, uint64_t pages)
{
    uint64_t before = 0;
    for (size_t i = 0; i < count->holders; i++) {
        size_t s = count->source[i];
        uint64_t copies = count->copies[i];
        struct source_figures *source = &count->figures->source[s];
        struct growth_point *growth = &count->figures->growth[s];
        source->distinct_pages++;
        source->self_reclaimed_pages += copies - 1;
        source->shared_pages += pages > 1 ? copies : 0;
        growth->shared_pages += shared_of(before + copies) - shared_of(before);
        growth->reclaimed_pages += before ? copies : copies - 1;
        before += copies;
    }
}

static void count_group(struct count *count, uint64_t first, uint64_t end)
{
    struct figures *figures = count->figures;
    const uint64_t pages = end - first;
    find_holders(count, first, end);
    count_holders(count, pages);
    refs_add(&count->refs, pages, 1);
    if (pages > 1) /* a false match may have left a group of one */
        holders_add(count->table, first, pages, count->source, count->holders);
    for (size_t i = 0; i < count->holders; i++) {
        struct source_figures *source = &figures->source[count->source[i]];
        source->self_saved_pages += (double)(count->copies[i] - 1);
        source->inter_saved_pages += 1 - (double)count->copies[i] / (double)pages;
    }
    for (size_t i = 0; figures->common && i < count->holders; i++)
        for (size_t j = 0; j <= i; j++)
            figures->common[count->source[j] * figures->sources + count->source[i]]++;
}

/* The zero content, which has no group. */
static void count_zeros(struct count *count)
{
    uint64_t pages = 0;
    count->holders = 0;
    for (size_t s = 0; s < count->set->sources; s++) {
        uint64_t copies = count->set->source[s].zero_pages;
        count->figures->source[s].zero_pages = copies;
        pages += copies;
        if (!copies)
            continue;
        count->source[count->holders] = (uint32_t)s;
        count->copies[count->holders++] = copies;
    }
    count->figures->zero_pages = pages;
    if (!pages)
        return;
    count_holders(count, pages);
    refs_add(&count->refs, pages, 1);
    for (size_t i = 0; i < count->holders; i++)
        count->figures->source[count->source[i]].zero_saved_pages =
            (double)count->copies[i] - (double)count->copies[i] / (double)pages;
}

/* Contents that occur once. */
static void count_alone(struct count *count, const uint64_t *alone)
{
    uint64_t all = 0;
    for (size_t s = 0; s < count->set->sources; s++) {
        count->figures->source[s].distinct_pages += alone[s];
        all += alone[s];
    }
    if (all)
        refs_add(&count->refs, 1, all);
}

/* --------------------------------------------------------------------------------- totals -- */

/* The upper half of the matrix is filled but for contents that occur once. */
static void finish_common(struct figures *figures)
{
    size_t n = figures->sources;
    for (size_t i = 0; figures->common && i < n; i++) {
        const struct source_figures *source = &figures->source[i];
        figures->common[i * n + i] = source->distinct_pages - (source->zero_pages != 0);
        for (size_t j = 0; j < i; j++)
            figures->common[i * n + j] = figures->common[j * n + i];
    }
}

static void sum_growth(struct figures *figures, const struct set *set)
{
    for (size_t s = 0; s < figures->sources; s++) {
        struct growth_point *growth = &figures->growth[s];
        growth->pages = set_source_pages(&set->source[s]);
        if (s == 0)
            continue;
        growth->pages += growth[-1].pages;
        growth->shared_pages += growth[-1].shared_pages;
        growth->reclaimed_pages += growth[-1].reclaimed_pages;
    }
}

static void fill_total(struct figures *figures)
{
    uint64_t zero_selves = 0;
    for (size_t s = 0; s < figures->sources; s++) {
        const struct source_figures *source = &figures->source[s];
        figures->distinct_pages += source->distinct_pages;
        figures->shared_pages += source->shared_pages;
        figures->self_reclaimed_pages += source->self_reclaimed_pages;
        zero_selves += source->zero_pages ? source->zero_pages - 1 : 0;
    }
    if (figures->sources) {
        const struct growth_point *whole = &figures->growth[figures->sources - 1];
        figures->pages = whole->pages;
        figures->reclaimed_pages = whole->reclaimed_pages;
    }
    figures->distinct_pages = figures->pages - figures->reclaimed_pages;
    figures->inter_reclaimed_pages = figures->reclaimed_pages - figures->self_reclaimed_pages;
    figures->zero_reclaimed_pages = figures->zero_pages ? figures->zero_pages - 1 : 0;
    figures->self_nonzero_reclaimed_pages = figures->self_reclaimed_pages - zero_selves;
    figures->inter_nonzero_reclaimed_pages = figures->reclaimed_pages -
                                             figures->zero_reclaimed_pages -
                                             figures->self_nonzero_reclaimed_pages;
    figures->isolated_reclaimed_pages = figures->self_reclaimed_pages;
    figures->metadata_bytes = figures->pages * FIGURES_PAGE_METADATA;
    figures->net_reclaimed_bytes =
        (int64_t)(figures->reclaimed_pages * DS_PAGE_SIZE) - (int64_t)figures->metadata_bytes;
}

/* ------------------------------------------------------------------------------- in and out -- */

static bool count_init(struct count *count)
{
    struct figures *figures = count->figures;
    size_t sources = count->set->sources;
    *figures = (struct figures){.sources = sources};
    figures->source = calloc(sources + 1, sizeof *figures->source);
    figures->growth = calloc(sources + 1, sizeof *figures->growth);
    if (sources <= FIGURES_MATRIX_SOURCES)
        figures->common = calloc(sources * sources + 1, sizeof *figures->common);
    count->source = malloc((sources + 1) * sizeof *count->source);
    count->copies = malloc((sources + 1) * sizeof *count->copies);
    count->table = holders_table_new(count->set, count->records, HOLDERS_NBYTES);
    return figures->source && figures->growth && count->source && count->copies && count->table &&
           (figures->common || sources > FIGURES_MATRIX_SOURCES);
}

static void count_fini(struct count *count)
{
    free(count->source);
    free(count->copies);
    holders_table_free(count->table);
    refs_fini(&count->refs);
}

/* What was held to count all this: records are added by whoever holds them. */
static uint64_t analysis_nbytes(const struct count *count)
{
    const struct figures *figures = count->figures;
    uint64_t nbytes =
        holders_table_nbytes(count->table) + figures->refs_counts * sizeof *figures->refs;
    nbytes += figures->sources *
              (sizeof(struct set_source) + sizeof *figures->source + sizeof *figures->growth +
               sizeof *count->source + sizeof *count->copies);
    return nbytes +
           (figures->common ? figures->sources * figures->sources * sizeof *figures->common : 0);
}

bool figures_count(struct figures *figures, const struct set *set, const struct records *records,
                   const uint64_t *alone)
{
    struct count count = {.figures = figures, .set = set, .records = records};
    bool ok = count_init(&count);
    for (uint64_t i = 0, end; ok && i < records->count; i = end) {
        end = groups_end(records, i);
        count_group(&count, i, end);
    }
    if (ok) {
        count_zeros(&count);
        count_alone(&count, alone);
        finish_common(figures);
        sum_growth(figures, set);
        fill_total(figures);
        ok = refs_read(&count.refs, &figures->refs, &figures->refs_counts) &&
             holders_read(count.table, &figures->holders);
        figures->analysis_bytes = ok ? analysis_nbytes(&count) : 0;
    }
    count_fini(&count);
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
    holders_free(&figures->holders);
    *figures = (struct figures){0};
}
