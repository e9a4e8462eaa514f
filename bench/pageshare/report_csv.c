/* SPDX-License-Identifier: MIT */
/* CSV (RFC 4180): a row a source, a row a failed source, then total; what a row does not have is
 * empty. */
#include "report.h"
#include <inttypes.h>
#include <stdio.h>

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_counts(const uint64_t *counts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf(",%" PRIu64, counts[i]);
}

#define COUNTS(...) (const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / 8

static bool any_cut(const struct set *set)
{
    for (size_t s = 0; s < set->sources; s++)
        if (set->source[s].info->cut_pages)
            return true;
    return false;
}

static void print_source(const struct set_source *source, const struct source_figures *figures,
                         bool cut)
{
    const uint64_t *states = source->info->pages;
    print_text(source->name);
    putchar(',');
    print_text(source->info->format);
    print_counts(COUNTS(set_source_pages(source), states[DS_ABSENT], states[DS_EXCLUDED],
                        states[DS_HOLE], states[DS_KERNEL_SHARED], figures->zero_pages,
                        figures->distinct_pages, figures->shared_pages,
                        figures->self_reclaimed_pages));
    fputs(",,,,,,,,,,", stdout);
    if (cut)
        print_counts(&source->info->cut_pages, 1);
    puts("");
}

static void print_total(const struct set *set, const struct figures *f)
{
    uint64_t states[DS_STATES] = {0};
    for (size_t s = 0; s < set->sources; s++)
        for (unsigned state = 0; state < DS_STATES; state++)
            states[state] += set->source[s].info->pages[state];
    fputs(f->estimated ? "total,estimate" : "total,", stdout);
    print_counts(COUNTS(f->pages, states[DS_ABSENT], states[DS_EXCLUDED], states[DS_HOLE],
                        states[DS_KERNEL_SHARED], f->zero_pages, f->distinct_pages, f->shared_pages,
                        f->self_reclaimed_pages, f->reclaimed_pages, f->zero_reclaimed_pages,
                        f->inter_reclaimed_pages, f->self_nonzero_reclaimed_pages,
                        f->inter_nonzero_reclaimed_pages, f->metadata_bytes, f->analysis_bytes));
    printf(",%" PRId64 ",", f->net_reclaimed_bytes);
    if (f->isolated)
        printf("%" PRIu64, f->isolated_reclaimed_pages);
    printf(",%" PRIu64 "\n", f->false_match_pages);
}

/* A source that failed has a row, and no figures. */
static void print_failure(const struct set_failure *failure)
{
    print_text(failure->name);
    fputs(",\"failed\",,,,,,,,,,,,,,,,,,,\n", stdout);
}

void report_csv(const struct set *set, const struct figures *figures)
{
    bool cut = any_cut(set); /* then there is one column more */
    fputs(
        "name,format,pages,absent_pages,excluded_pages,hole_pages,kernel_shared_pages,zero_pages,"
        "distinct_pages,shared_pages,self_reclaimed_pages,reclaimed_pages,zero_reclaimed_pages,"
        "inter_reclaimed_pages,self_nonzero_reclaimed_pages,inter_nonzero_reclaimed_pages,"
        "metadata_bytes,analysis_bytes,net_reclaimed_bytes,isolated_reclaimed_pages,"
        "false_match_pages",
        stdout);
    puts(cut ? ",cut_pages" : "");
    for (size_t s = 0; s < set->sources; s++)
        print_source(&set->source[s], &figures->source[s], cut);
    for (size_t f = 0; f < set->failures; f++)
        print_failure(&set->failure[f]);
    print_total(set, figures);
}
