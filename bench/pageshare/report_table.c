/* SPDX-License-Identifier: MIT */
/* The tables for people. */
#include "report.h"
#include "text.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_COLUMNS_MAX 40
#define SETS_MAX         5 /* of sources, in the foot */
#define NAMES_MAX        4 /* of one set */

static const char *bold(void)
{
    return isatty(STDOUT_FILENO) ? "\033[1m" : "";
}

static const char *plain(void)
{
    return isatty(STDOUT_FILENO) ? "\033[0m" : "";
}

/* Padded with spaces to `columns`, or cut there. */
static void print_name(const char *name, int columns)
{
    char clean[4 * NAME_COLUMNS_MAX + 1];
    size_t chars = text_clean(clean, sizeof clean, name, (size_t)columns);
    printf("%s%*s", clean, columns - (int)chars, "");
}

static int name_columns(const struct set *set)
{
    char clean[4 * NAME_COLUMNS_MAX + 1];
    size_t columns = strlen("source");
    for (size_t s = 0; s < set->sources; s++) {
        size_t chars = text_clean(clean, sizeof clean, set->source[s].name, NAME_COLUMNS_MAX);
        columns = chars > columns ? chars : columns;
    }
    return (int)columns;
}

static double percent(double part, uint64_t of)
{
    return of ? 100 * part / (double)of : 0;
}

static void print_row(const char *name, int columns, uint64_t pages, uint64_t shared, double zero,
                      double self, double inter)
{
    print_name(name, columns);
    printf(" %11lu %8.1f %10.1f %7.1f %7.1f %7.1f\n", (unsigned long)pages,
           percent((double)shared, pages), percent(zero + self + inter, pages),
           percent(zero, pages), percent(self, pages), percent(inter, pages));
}

static double mib(double bytes)
{
    return bytes / (1 << 20);
}

static double mib_of(uint64_t pages)
{
    return mib((double)pages * DS_PAGE_SIZE);
}

/* A truncated dump is never measured without a word. */
static void print_cut(const struct set *set)
{
    for (size_t s = 0; s < set->sources; s++) {
        char name[256];
        const struct ds_info *info = set->source[s].info;
        text_clean(name, sizeof name, set->source[s].name, sizeof name);
        if (info->cut_pages)
            printf("truncated: %s, of which %lu pages are not there\n", name,
                   (unsigned long)info->cut_pages);
    }
}

static void print_states(const struct set *set)
{
    uint64_t pages[DS_STATES] = {0}, left_out = 0;
    for (size_t s = 0; s < set->sources; s++)
        for (unsigned state = 0; state < DS_STATES; state++)
            pages[state] += set->source[s].info->pages[state];
    for (unsigned state = DS_ABSENT; state < DS_STATES; state++)
        left_out += pages[state];
    print_cut(set);
    if (!left_out)
        return;
    printf("not counted:");
    for (unsigned state = DS_ABSENT; state < DS_STATES; state++)
        if (pages[state])
            printf(" %lu %s", (unsigned long)pages[state], ds_state_name((enum ds_state)state));
    printf("\n");
}

static void print_isolation(const struct figures *figures)
{
    uint64_t lost = figures->reclaimed_pages - figures->isolated_reclaimed_pages;
    printf(
        "isolated:   %.1f MiB (%.1f %%) reclaimed if no source shares with another: isolation "
        "loses %.1f MiB, %.1f %% of the savings\n",
        mib((double)figures->isolated_reclaimed_pages * DS_PAGE_SIZE),
        percent((double)figures->isolated_reclaimed_pages, figures->pages),
        mib((double)lost * DS_PAGE_SIZE), percent((double)lost, figures->reclaimed_pages));
}

static void print_sum(const struct figures *figures)
{
    double gross = (double)figures->reclaimed_pages * DS_PAGE_SIZE;
    printf(
        "\n%sof %.1f MiB: %.1f MiB reclaimed gross, %.1f MiB net of at most %.2f MiB metadata "
        "(%u bytes a page)\n",
        figures->estimated ? "estimate, " : "", mib((double)figures->pages * DS_PAGE_SIZE),
        mib(gross), mib((double)figures->net_reclaimed_bytes), mib((double)figures->metadata_bytes),
        FIGURES_PAGE_METADATA);
    if (figures->estimated)
        printf(
            "estimate:   by hashes of 128 bits under a key that was drawn; that any two contents "
            "were taken for one has a probability of at most %.1e\n",
            figures->collision_bound);
    if (figures->false_match_pages)
        printf(
            "note: %lu pages have the hash of another content; they were told apart by their "
            "bytes\n",
            (unsigned long)figures->false_match_pages);
}

/* "a, b and 3 more" */
static void print_names(const struct set *set, const struct holder_set *holders)
{
    char name[4 * NAME_COLUMNS_MAX + 1];
    size_t shown = holders->holders < NAMES_MAX ? holders->holders : NAMES_MAX;
    for (size_t i = 0; i < shown; i++) {
        text_clean(name, sizeof name, set->source[holders->source[i]].name, NAME_COLUMNS_MAX);
        printf("%s%s", i ? ", " : "", name);
    }
    if (shown < holders->holders)
        printf(" and %zu more", holders->holders - shown);
}

/* Who holds what is saved: the sets of sources that save most. */
static void print_holders(const struct set *set, const struct holders *holders)
{
    uint64_t contents = holders->rest.contents + holders->left_out.contents;
    uint64_t pages = holders->rest.pages + holders->left_out.pages;
    for (size_t i = 0; i < holders->sets; i++) {
        const struct holder_set *one = &holders->set[i];
        if (i >= SETS_MAX) {
            contents += one->contents;
            pages += one->pages;
            continue;
        }
        printf("%-11s %9.1f MiB: ", i ? "" : "same in:", mib_of(one->pages - one->contents));
        print_names(set, one);
        printf("\n");
    }
    if (pages)
        printf("%-11s %9.1f MiB: all other sets of sources\n", "", mib_of(pages - contents));
    if (holders->left_out.contents)
        printf(
            "note: sets of sources were too many to be told apart: a set that is not among those "
            "above may save up to %.1f MiB\n",
            mib_of(holders->left_out.pages - holders->left_out.contents));
}

static void print_failures(const struct set *set)
{
    for (size_t f = 0; f < set->failures; f++) {
        char name[256], reason[sizeof set->failure[f].error.text];
        text_clean(name, sizeof name, set->failure[f].name, sizeof name);
        text_clean(reason, sizeof reason, set->failure[f].error.text, sizeof reason);
        printf("failed: %s (%s)\n", name, reason);
    }
}

void report_table(const struct set *set, const struct figures *figures)
{
    int columns = name_columns(set);
    printf("%s%-*s %11s %8s %10s %7s %7s %7s%s\n", bold(), columns, "source", "pages", "shared %",
           "reclaimed %", "zero", "self", "inter", plain());
    for (size_t s = 0; s < set->sources; s++) {
        const struct source_figures *source = &figures->source[s];
        print_row(set->source[s].name, columns, set_source_pages(&set->source[s]),
                  source->shared_pages, source->zero_saved_pages, source->self_saved_pages,
                  source->inter_saved_pages);
    }
    fputs(bold(), stdout);
    print_row("total", columns, figures->pages, figures->shared_pages,
              (double)figures->zero_reclaimed_pages, (double)figures->self_nonzero_reclaimed_pages,
              (double)figures->inter_nonzero_reclaimed_pages);
    fputs(plain(), stdout);

    print_sum(figures);
    print_states(set);
    if (figures->isolated)
        print_isolation(figures);
    print_holders(set, &figures->holders);
    print_failures(set);
}

/* Who wrote it, and of what machine, at the end of its row: what the dump says of that. */
static void print_origin(const struct ds_info *info)
{
    char pages[48] = "";
    if (info->page_nbytes > 0)
        snprintf(pages, sizeof pages, "pages of %llu bytes", (unsigned long long)info->page_nbytes);
    const char *const parts[] = {info->producer, info->machine, pages}, *between = "  ";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!*parts[i])
            continue;
        printf("%s%s", between, parts[i]);
        between = ", ";
    }
    printf("\n");
}

void report_info_table(const struct set *set)
{
    int columns = name_columns(set);
    printf("%s%-*s %-10s %11s %9s %9s %9s %13s%s\n", bold(), columns, "source", "format", "pages",
           "absent", "excluded", "hole", "kernel-shared", plain());
    for (size_t s = 0; s < set->sources; s++) {
        const struct ds_info *info = set->source[s].info;
        print_name(set->source[s].name, columns);
        printf(" %-10s %11lu %9lu %9lu %9lu %13lu", info->format,
               (unsigned long)set_source_pages(&set->source[s]),
               (unsigned long)info->pages[DS_ABSENT], (unsigned long)info->pages[DS_EXCLUDED],
               (unsigned long)info->pages[DS_HOLE], (unsigned long)info->pages[DS_KERNEL_SHARED]);
        print_origin(info);
    }
    print_cut(set);
}
