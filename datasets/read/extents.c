/* SPDX-License-Identifier: MIT */
/* The list of extents that every reader builds. */
#include "reader.h"

#include <stdlib.h>

static bool joins(const struct ds_extent *last, const struct ds_extent *next)
{
    return last->state == next->state && last->key + last->pages == next->key &&
           (next->state != DS_DATA || last->index + last->pages == next->index) &&
           (!next->bytes || last->bytes + last->pages * DS_PAGE_SIZE == next->bytes);
}

bool ds_extent_add(struct ds_source *source, struct ds_extent extent)
{
    struct ds_info *info = &source->info;
    if (extent.pages == 0)
        return true;
    info->pages[extent.state] += extent.pages;
    extent.index = info->data_pages;
    if (extent.state == DS_DATA)
        info->data_pages += extent.pages;
    if (info->extents > 0 && joins(&source->extent[info->extents - 1], &extent)) {
        source->extent[info->extents - 1].pages += extent.pages;
        return true;
    }
    if (info->extents == source->extent_capacity) {
        size_t capacity = source->extent_capacity ? 2 * source->extent_capacity : 4;
        struct ds_extent *more = realloc(source->extent, capacity * sizeof *more);
        if (!more)
            return ds_fail(source, "out of memory for %zu extents", capacity);
        source->extent = more;
        info->extent = more;
        source->extent_capacity = capacity;
    }
    source->extent[info->extents++] = extent;
    return true;
}
