/* SPDX-License-Identifier: MIT */
/* Page sets from dumps and processes; their copies are found without the engine. */
#include "pages.h"
#include "source.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES_MAX = 64 };

struct sources {
    struct ds_source *source[SOURCES_MAX];
    unsigned count;
    uint64_t pages;
};

/* Copies the data pages, or only counts them: of a packed source, a look to the end tells. */
static bool look_at_all(struct ds_source *source, unsigned char **to, struct ds_error *error)
{
    struct ds_look *look = ds_look_new(source, error);
    struct ds_run run = {0};
    bool ok = look != NULL;
    do {
        ok = ok && ds_look_at(look, run.index + run.pages, 1024, &run, error);
        if (ok && *to) {
            memcpy(*to, run.bytes, run.pages * SHARE_PAGE_SIZE);
            *to += run.pages * SHARE_PAGE_SIZE;
        }
    } while (ok && run.pages);
    ds_look_free(look);
    return ok;
}

static bool count_pages(struct ds_source *source, uint64_t *pages, struct ds_error *error)
{
    const struct ds_info *info = ds_source_info(source);
    unsigned char *nowhere = NULL;
    if (!info->complete && !look_at_all(source, &nowhere, error))
        return false;
    *pages += info->pages[DS_DATA] + info->pages[DS_ZERO];
    return true;
}

static bool open_one(struct sources *sources, const char *spec)
{
    struct ds_error error;
    if (sources->count == SOURCES_MAX) {
        fprintf(stderr, "%s: more than %d sources in a set\n", spec, SOURCES_MAX);
        return false;
    }
    if (!ds_source_open(spec, NULL, &sources->source[sources->count], &error)) {
        fprintf(stderr, "%s\n", error.text);
        return false;
    }
    if (!count_pages(sources->source[sources->count++], &sources->pages, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return false;
    }
    return true;
}

static bool open_all(struct sources *sources, const char *list)
{
    char *specs = strdup(list), *rest = specs;
    bool ok = specs != NULL;
    for (char *spec; ok && (spec = strsep(&rest, ","));)
        ok = open_one(sources, spec);
    free(specs);
    return ok && sources->pages;
}

static bool copy_bytes(const struct sources *sources, unsigned char *to)
{
    for (unsigned i = 0; i < sources->count; i++) {
        uint64_t zero_nbytes = ds_source_info(sources->source[i])->pages[DS_ZERO] * SHARE_PAGE_SIZE;
        struct ds_error error;
        if (!look_at_all(sources->source[i], &to, &error)) {
            fprintf(stderr, "%s\n", error.text);
            return false;
        }
        memset(to, 0, zero_nbytes);
        to += zero_nbytes;
    }
    return true;
}

/* By content, then by place. */
static int by_content(const void *a, const void *b)
{
    const unsigned char *x = *(unsigned char *const *)a, *y = *(unsigned char *const *)b;
    int order = memcmp(x, y, SHARE_PAGE_SIZE);
    return order ? order : (x > y) - (x < y);
}

static bool find_copies(struct pages *pages)
{
    unsigned char **sorted = malloc(pages->count * sizeof *sorted);
    if (!sorted)
        return false;
    for (uint64_t i = 0; i < pages->count; i++)
        sorted[i] = pages->bytes + i * SHARE_PAGE_SIZE;
    qsort(sorted, pages->count, sizeof *sorted, by_content);
    uint64_t first = 0;
    for (uint64_t i = 0; i < pages->count; i++) {
        uint64_t page = (uint64_t)(sorted[i] - pages->bytes) / SHARE_PAGE_SIZE;
        bool copies = i && memcmp(sorted[i], sorted[i - 1], SHARE_PAGE_SIZE) == 0;
        if (!copies)
            first = page;
        pages->original[page] = first;
        pages->copies += copies;
    }
    free(sorted);
    return true;
}

struct pages *pages_read(const char *list)
{
    struct sources sources = {0};
    struct pages *pages = calloc(1, sizeof *pages);
    bool ok = pages && open_all(&sources, list);
    if (ok) {
        pages->count = sources.pages;
        pages->bytes = aligned_alloc(SHARE_PAGE_SIZE, pages->count * SHARE_PAGE_SIZE);
        pages->original = malloc(pages->count * sizeof *pages->original);
        ok = pages->bytes && pages->original;
    }
    if (ok) {
        ok = copy_bytes(&sources, pages->bytes) && find_copies(pages);
    }
    for (unsigned i = 0; i < sources.count; i++)
        ds_source_free(sources.source[i]);
    if (!ok && pages) {
        pages_free(pages);
        pages = NULL;
    }
    return pages;
}

uint64_t pages_copies_within(const struct pages *pages, uint64_t sharers_max)
{
    uint32_t *sharers = calloc(pages->count, sizeof *sharers);
    uint64_t copies = pages->copies;
    if (!sharers || !sharers_max) {
        free(sharers);
        return copies;
    }
    for (uint64_t i = 0; i < pages->count; i++) /* a content takes one page more for so many */
        if (sharers[pages->original[i]]++ % sharers_max == 0 && sharers[pages->original[i]] > 1)
            copies--;
    free(sharers);
    return copies;
}
