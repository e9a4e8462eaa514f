/* SPDX-License-Identifier: MIT */
/*
 * "diff:BASE+DIFF[+DIFF...]": the memory of a snapshot, and what later snapshots changed in it.
 *
 * Firecracker and cloud-hypervisor write a diff as a sparse file as large as the memory: what is a
 * hole in it did not change. So a page is what the last file has of it that has it, and a hole of
 * the base is what it is in any raw file. One base may be under any number of diffs. By
 * specification: Firecracker's docs/snapshotting.
 */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool check_raw(struct ds_source *source, int fd, const char *path)
{
    static const size_t nbytes = (size_t)36 << 10;
    uint8_t *head = malloc(nbytes);
    ssize_t got = head ? pread(fd, head, nbytes, 0) : -1;
    const char *refused = NULL;
    bool raw = got >= 0 && (source->options.as_raw ||
                            (!ds_packing_find(head, (size_t)got) &&
                             ds_format_find(head, (size_t)got, &refused) == &ds_format_raw));
    free(head);
    return raw || ds_fail(source, "expected raw memory, found %s in %.200s",
                          refused ? refused : "a dump or something packed", path);
}

static bool check_part(struct ds_source *source, const struct ds_part *part)
{
    off_t nbytes = part->identity.nbytes, base = source->part[0].identity.nbytes;
    if (nbytes != base || nbytes % DS_PAGE_SIZE != 0 || nbytes == 0)
        return ds_fail(source,
                       "expected a base and diffs of one size, in whole pages, found %lld bytes in "
                       "%.200s, and %lld in the base",
                       (long long)nbytes, part->path, (long long)base);
    return check_raw(source, part->fd, part->path);
}

static bool check_parts(struct ds_source *source)
{
    for (size_t i = 0; i < source->parts; i++) {
        if (!check_part(source, &source->part[i]))
            return false;
    }
    return true;
}

static bool add_hole(struct ds_source *source, uint64_t first, uint64_t end)
{
    enum ds_state state = source->options.holes_zero ? DS_ZERO : DS_HOLE;
    return ds_extent_add(source,
                         (struct ds_extent){.key = first, .pages = end - first, .state = state});
}

static bool add_data(struct ds_source *source, size_t part, uint64_t first, uint64_t end)
{
    struct ds_span span = {source->info.data_pages, first * DS_PAGE_SIZE, DS_PAGE_SIZE,
                           (uint32_t)part};
    return ds_span_add(source, span) &&
           ds_extent_add(source,
                         (struct ds_extent){.key = first, .pages = end - first, .state = DS_DATA});
}

/* Pages [first, end) as parts [0, parts) have them: the last one, and where it has holes, those
 * below it. It calls itself as often as there are parts. */
static bool overlay(struct ds_source *source, size_t parts, uint64_t first, uint64_t end)
{
    if (parts == 0)
        return add_hole(source, first, end);
    int fd = source->part[parts - 1].fd;
    uint64_t end_nbytes = end * DS_PAGE_SIZE;
    while (first < end) {
        uint64_t data = ds_seek_within(fd, first * DS_PAGE_SIZE, end_nbytes, SEEK_DATA);
        uint64_t page = data / DS_PAGE_SIZE;
        if (page > first && !overlay(source, parts - 1, first, page))
            return false;
        if (page >= end)
            return true;
        uint64_t hole = ds_seek_within(fd, data, end_nbytes, SEEK_HOLE);
        first = (hole + DS_PAGE_SIZE - 1) / DS_PAGE_SIZE;
        if (first <= page) /* the file changes under us */
            first = page + 1;
        if (!add_data(source, parts - 1, page, first))
            return false;
    }
    return true;
}

bool ds_diff_read(struct ds_source *source)
{
    snprintf(source->format, sizeof source->format, "diff");
    bool ok = ds_parts_open(source, "diff:BASE+DIFF") && check_parts(source) &&
              overlay(source, source->parts, 0,
                      (uint64_t)source->part[0].identity.nbytes / DS_PAGE_SIZE) &&
              ds_list_finish(source);
    ds_parts_close(source);
    source->kind = &ds_format_raw;
    source->info.stays = true;
    return ok;
}
