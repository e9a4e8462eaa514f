/* SPDX-License-Identifier: MIT */
/* Looks at a source whose bytes are mapped: a run is a piece of an extent. */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>

struct ds_look {
    const struct ds_source *source;
    size_t extent; /* that held the last run: the next one is most often in it, too */
};

struct ds_look *ds_look_new(struct ds_source *source, struct ds_error *error)
{
    struct ds_look *look = calloc(1, sizeof *look);
    if (look)
        look->source = source;
    else
        snprintf(error->text, sizeof error->text, "out of memory");
    return look;
}

static bool holds(const struct ds_extent *extent, uint64_t index)
{
    return extent->state == DS_DATA && index >= extent->index &&
           index - extent->index < extent->pages;
}

/* Extents ascend by key, and here so do the indexes of those that are data. */
static const struct ds_extent *find(struct ds_look *look, uint64_t index)
{
    const struct ds_info *info = &look->source->info;
    for (size_t i = 0; i < info->extents; i++) {
        size_t at = (look->extent + i) % info->extents;
        if (holds(&info->extent[at], index)) {
            look->extent = at;
            return &info->extent[at];
        }
    }
    return NULL;
}

bool ds_look_at(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                struct ds_error *error)
{
    (void)error;
    *run = (struct ds_run){.index = index};
    if (index >= look->source->info.data_pages)
        return true;
    const struct ds_extent *extent = find(look, index);
    uint64_t skipped = index - extent->index, left = extent->pages - skipped;
    run->pages = left < pages ? (size_t)left : pages;
    run->bytes = extent->bytes + skipped * DS_PAGE_SIZE;
    return true;
}

void ds_look_free(struct ds_look *look)
{
    free(look);
}
