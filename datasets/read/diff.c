/* SPDX-License-Identifier: MIT */
/*
 * "diff:BASE+DIFF[+DIFF...]": the memory of a snapshot, and what later snapshots changed in it.
 *
 * Firecracker and cloud-hypervisor write a diff as a sparse file as large as the memory: what is a
 * hole in it did not change. So a page is what the last file has of it that has it, and a hole of
 * the base is what it is in any raw file. One base may be under any number of diffs.
 *
 * File names may have '+' in them: of all ways to split the argument, that is taken by which all
 * parts are files. By specification: Firecracker's docs/snapshotting.
 */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLUS_MAX 12 /* 4096 ways */

/* One way to split: '+' number i separates if bit i is set. */
struct split {
    char *list; /* owned: the argument, NUL for each '+' that separates */
    size_t parts;
};

static struct split split_by(const char *argument, unsigned ways)
{
    struct split split = {strdup(argument), 1};
    unsigned plus = 0;
    for (char *at = split.list; at && *at; at++) {
        if (*at == '+' && ways >> plus++ & 1) {
            *at = '\0';
            split.parts++;
        }
    }
    return split;
}

static bool all_exist(const struct split *split)
{
    const char *at = split->list;
    for (size_t i = 0; i < split->parts; i++, at += strlen(at) + 1) {
        if (!*at || access(at, F_OK) != 0)
            return false;
    }
    return true;
}

/* The way by which all parts exist; more than one is an error. */
static bool find_split(struct ds_source *source, const char *argument, struct split *found)
{
    unsigned plus = 0;
    for (const char *at = argument; *at; at++)
        plus += *at == '+';
    if (plus == 0 || plus > PLUS_MAX)
        return ds_fail(source, "expected diff:BASE+DIFF with up to %d '+', found %u", PLUS_MAX,
                       plus);
    for (unsigned ways = 1; ways < 1u << plus; ways++) {
        struct split split = split_by(argument, ways);
        if (!split.list)
            return ds_fail(source, "out of memory");
        bool exist = all_exist(&split);
        if (exist && found->list)
            ds_fail(source,
                    "expected one way to split it into files, found two: a base of %.100s, or of "
                    "%.100s (give a file another name)",
                    found->list, split.list);
        if (exist && !found->list) {
            *found = split;
            continue;
        }
        free(split.list);
        if (exist)
            return false;
    }
    return found->list != NULL ||
           ds_fail(source,
                   "expected diff:BASE+DIFF of files that exist, found no way to split it "
                   "into such");
}

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

static bool open_part(struct ds_source *source, const char *path)
{
    struct ds_part *part = &source->part[source->parts];
    struct stat st;
    part->path = strdup(path);
    part->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    source->parts++;
    if (!part->path || part->fd < 0 || fstat(part->fd, &st) != 0)
        return ds_fail(source, "cannot open %.200s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return ds_fail(source, "expected a regular file, found something else in %.200s", path);
    ds_identity_of(&st, &part->identity);
    off_t base = source->part[0].identity.nbytes;
    if (st.st_size != base || st.st_size % DS_PAGE_SIZE != 0 || st.st_size == 0)
        return ds_fail(source,
                       "expected a base and diffs of one size, in whole pages, found %lld bytes in "
                       "%.200s, and %lld in the base",
                       (long long)st.st_size, path, (long long)base);
    return check_raw(source, part->fd, path);
}

static bool open_parts(struct ds_source *source, const struct split *split)
{
    const char *at = split->list;
    source->part = calloc(split->parts, sizeof *source->part);
    if (!source->part)
        return ds_fail(source, "out of memory");
    for (size_t i = 0; i < split->parts; i++, at += strlen(at) + 1) {
        if (!open_part(source, at))
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
    struct split split = {0};
    snprintf(source->format, sizeof source->format, "diff");
    bool ok = find_split(source, source->spec + strlen("diff:"), &split) &&
              open_parts(source, &split) &&
              overlay(source, source->parts, 0,
                      (uint64_t)source->part[0].identity.nbytes / DS_PAGE_SIZE) &&
              ds_list_finish(source);
    for (size_t i = 0; i < source->parts; i++) {
        if (source->part[i].fd >= 0)
            close(source->part[i].fd);
        source->part[i].fd = -1;
    }
    free(split.list);
    source->kind = &ds_format_raw;
    source->info.stays = true;
    return ok;
}
