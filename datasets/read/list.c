/* SPDX-License-Identifier: MIT */
/*
 * What a regular file holds, from the pieces that its format names, without a look at their bytes:
 * extents, and spans, which say where the data pages lie in the file.
 *
 * A hole of the file reads as zeros: pages that lie in one are zero pages and have no span. Of a
 * raw file they are holes, unless options say that they are zero: nobody told what was there.
 */
#include "reader.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ds_span_add(struct ds_source *source, struct ds_span span)
{
    if (source->spans > 0) {
        const struct ds_span *last = &source->span[source->spans - 1];
        if (last->stride == span.stride && last->part == span.part &&
            span.offset == last->offset + (span.index - last->index) * span.stride)
            return true; /* goes on where that one ends */
    }
    if (source->spans == source->span_capacity) {
        size_t capacity = source->span_capacity ? 2 * source->span_capacity : 2;
        struct ds_span *more = realloc(source->span, capacity * sizeof *more);
        if (!more)
            return ds_fail(source, "out of memory for %zu runs of pages", capacity);
        source->span = more;
        source->span_capacity = capacity;
    }
    source->span[source->spans++] = span;
    return true;
}

/* lseek's answer within [from, end]; a file system that knows no holes, or whose file shrank
 * meanwhile, says that there is nothing of the kind before the end. */
uint64_t ds_seek_within(int fd, uint64_t from, uint64_t end, int whence)
{
    off_t at = lseek(fd, (off_t)from, whence);
    return at < 0 || (uint64_t)at > end ? end : (uint64_t)at;
}

/* Pages [from, to) of a piece. */
static bool add(struct ds_source *source, const struct ds_piece *piece, uint64_t from, uint64_t to,
                enum ds_state state)
{
    struct ds_extent extent = {.key = piece->key + from, .pages = to - from, .state = state};
    struct ds_span span = {source->info.data_pages, piece->offset + from * DS_PAGE_SIZE,
                           DS_PAGE_SIZE, 0};
    if (from == to)
        return true;
    return (state != DS_DATA || ds_span_add(source, span)) && ds_extent_add(source, extent);
}

/*
 * A page is in a hole only if all of it is: pages need not be aligned there, so that one at the
 * edge of a hole is data. Cost: two lseek per hole.
 */
static bool add_with_holes(struct ds_source *source, int fd, const struct ds_piece *piece)
{
    bool raw = source->kind == &ds_format_raw && !source->options.holes_zero;
    uint64_t offset = piece->offset, end = offset + piece->pages * DS_PAGE_SIZE;
    uint64_t page = 0; /* the first one that is not added yet */
    for (uint64_t seek = offset; page < piece->pages;) {
        uint64_t hole = ds_seek_within(fd, seek, end, SEEK_HOLE);
        uint64_t data = hole == end ? end : ds_seek_within(fd, hole, end, SEEK_DATA);
        if (data <= seek) /* the file changes under us */
            hole = data = end;
        uint64_t first = (hole - offset + DS_PAGE_SIZE - 1) / DS_PAGE_SIZE;
        uint64_t last = (data - offset) / DS_PAGE_SIZE;
        if (last > first || hole == end) {
            if (!add(source, piece, page, first, DS_DATA) ||
                !add(source, piece, first, last, raw ? DS_HOLE : DS_ZERO))
                return false;
            page = last;
        }
        seek = data;
    }
    return true;
}

bool ds_list_cut(struct ds_source *source, const struct ds_piece *cut)
{
    source->info.cut_pages += cut->pages;
    return ds_extent_add(
        source, (struct ds_extent){.key = cut->key, .pages = cut->pages, .state = DS_EXCLUDED});
}

bool ds_list_add(struct ds_source *source, int fd, const struct ds_piece *piece)
{
    if (piece->pages == 0)
        return true;
    if (piece->cut)
        return ds_list_cut(source, piece);
    if (piece->state != DS_DATA)
        return ds_extent_add(
            source,
            (struct ds_extent){.key = piece->key, .pages = piece->pages, .state = piece->state});
    if (piece->stride == DS_PAGE_SIZE)
        return add_with_holes(source, fd, piece);
    struct ds_span span = {source->info.data_pages, piece->offset, piece->stride, 0};
    return ds_span_add(source, span) &&
           ds_extent_add(source, (struct ds_extent){
                                     .key = piece->key, .pages = piece->pages, .state = DS_DATA});
}

static int by_key(const void *a, const void *b)
{
    const struct ds_extent *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static bool sorted(const struct ds_source *source)
{
    for (size_t i = 1; i < source->info.extents; i++) {
        if (source->extent[i - 1].key > source->extent[i].key)
            return false;
    }
    return true;
}

/* Extents that meet only now that they are sorted are one; those that overlap are an error. */
static bool join(struct ds_source *source)
{
    struct ds_extent *extent = source->extent;
    size_t kept = 0;
    for (size_t i = 0; i < source->info.extents; i++) {
        struct ds_extent *last = kept > 0 ? &extent[kept - 1] : NULL;
        if (last && extent[i].key - last->key < last->pages)
            return ds_fail(source, "expected each page once, found page 0x%llx twice",
                           (unsigned long long)extent[i].key);
        if (last && last->key + last->pages == extent[i].key && last->state == extent[i].state &&
            (last->state != DS_DATA || last->index + last->pages == extent[i].index))
            last->pages += extent[i].pages;
        else
            extent[kept++] = extent[i];
    }
    source->info.extents = kept;
    return true;
}

bool ds_list_finish(struct ds_source *source)
{
    if (source->info.extents > 1 && !sorted(source))
        qsort(source->extent, source->info.extents, sizeof *source->extent, by_key);
    if (!join(source))
        return false;
    if (source->info.extents > 0 && source->info.extents < source->extent_capacity) {
        struct ds_extent *less =
            realloc(source->extent, source->info.extents * sizeof *source->extent);
        if (less) {
            source->extent = less;
            source->extent_capacity = source->info.extents;
        }
    }
    source->info.extent = source->extent;
    source->info.complete = true;
    return true;
}

void ds_list_reset(struct ds_source *source)
{
    struct ds_info *info = &source->info;
    info->extents = 0;
    info->data_pages = info->alias_pages = info->cut_pages = 0;
    memset(info->pages, 0, sizeof info->pages);
    source->spans = 0;
}
