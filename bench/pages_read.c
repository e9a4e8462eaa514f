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
    sources->pages += ds_source_info(sources->source[sources->count++])->pages[DS_DATA];
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

static void copy_bytes(const struct sources *sources, unsigned char *to)
{
    for (unsigned i = 0; i < sources->count; i++) {
        const struct ds_info *info = ds_source_info(sources->source[i]);
        for (size_t e = 0; e < info->extents; e++) {
            const struct ds_extent *extent = &info->extent[e];
            if (extent->state != DS_DATA)
                continue;
            memcpy(to, extent->bytes, extent->pages * SHARE_PAGE_SIZE);
            to += extent->pages * SHARE_PAGE_SIZE;
        }
    }
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
        copy_bytes(&sources, pages->bytes);
        ok = find_copies(pages);
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
