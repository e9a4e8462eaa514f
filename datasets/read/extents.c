/* SPDX-License-Identifier: MIT */
/* The list of extents that every reader builds, and which pages of a sparse file are holes. */
#include "reader.h"

#include <stdlib.h>
#include <unistd.h>

static bool joins(const struct ds_extent *last, const struct ds_extent *next)
{
    return last->state == next->state && last->key + last->pages == next->key &&
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
        size_t capacity = source->extent_capacity ? 2 * source->extent_capacity : 16;
        struct ds_extent *more = realloc(source->extent, capacity * sizeof *more);
        if (!more)
            return ds_fail(source, "out of memory for %zu extents", capacity);
        source->extent = more;
        source->extent_capacity = capacity;
    }
    source->extent[info->extents++] = extent;
    return true;
}

/* lseek's answer within [from, end]; a file system that knows no holes, or whose file shrank
 * meanwhile, says that there is nothing of the kind before the end. */
static uint64_t seek_within(int fd, uint64_t from, uint64_t end, int whence)
{
    off_t at = lseek(fd, (off_t)from, whence);
    return at < 0 || (uint64_t)at > end ? end : (uint64_t)at;
}

static bool add_run(struct ds_source *source, struct ds_extent run, uint64_t offset)
{
    if (run.state == DS_DATA)
        run.bytes = source->bytes + offset;
    return ds_extent_add(source, run);
}

/*
 * A page is a hole only if all of it lies inside a hole of the file: pages need not be aligned
 * there, so that one at the edge of a hole is data. Cost: two lseek per hole.
 */
bool ds_extent_add_file(struct ds_source *source, uint64_t key, uint64_t offset, uint64_t pages)
{
    uint64_t end = offset + pages * DS_PAGE_SIZE;
    uint64_t page = 0; /* the first one that is not added yet */
    uint64_t seek = source->options.holes_zero ? end : offset;
    while (page < pages) {
        uint64_t hole = seek_within(source->fd, seek, end, SEEK_HOLE);
        uint64_t data = hole == end ? end : seek_within(source->fd, hole, end, SEEK_DATA);
        if (data <= seek) /* the file changes under us */
            hole = data = end;
        uint64_t first = (hole - offset + DS_PAGE_SIZE - 1) / DS_PAGE_SIZE;
        uint64_t last = (data - offset) / DS_PAGE_SIZE;
        if (last > first || hole == end) {
            struct ds_extent before = {.key = key + page, .pages = first - page, .state = DS_DATA};
            struct ds_extent inside = {.key = key + first, .pages = last - first, .state = DS_HOLE};
            if (!add_run(source, before, offset + page * DS_PAGE_SIZE) ||
                !add_run(source, inside, 0))
                return false;
            page = last;
        }
        seek = data;
    }
    return true;
}
