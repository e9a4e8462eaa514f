/* SPDX-License-Identifier: MIT */
/*
 * "split:PART+PART[+PART...]": a kdump-compressed dump in several files (makedumpfile --split).
 *
 * Each part has the headers and bitmaps of the whole dump, and the pages of its own range. They may
 * be given in any order; each is read by kdump.c, one behind the other.
 */
#include "kdump.h"
#include "look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct part {
    const char *path;
    int fd;
    struct ds_reading reading;
    struct ds_kdump_range range;
};

struct split {
    size_t parts, at; /* opened ones; that the next piece is of */
    struct part part[];
};

/* Adds to the error which part it is in. */
static bool fail_in(struct ds_source *source, const char *path)
{
    size_t length = strlen(source->error->text);
    snprintf(source->error->text + length, sizeof source->error->text - length, " (in %s)", path);
    return false;
}

static bool open_part(struct ds_reading *reading, size_t number)
{
    struct ds_source *source = reading->source;
    struct split *split = reading->state;
    struct part *part = &split->part[split->parts];
    part->path = source->part[number].path;
    part->fd = ds_look_open(source, part->path, number, source->error);
    if (part->fd < 0)
        return fail_in(source, part->path);
    split->parts++;
    part->reading.source = source;
    const uint8_t *head;
    size_t got;
    if (!ds_input_init(source, &part->reading.input, part->fd) ||
        !ds_input_at(&part->reading.input, 0, 8, &head, &got))
        return fail_in(source, part->path);
    if (!part->reading.input.seekable || !ds_format_kdump.matches(head, got))
        return ds_fail(source,
                       "expected a part of a kdump-compressed dump, found something else "
                       "in %s",
                       part->path);
    if (!ds_format_kdump.open(&part->reading))
        return fail_in(source, part->path);
    part->reading.input.keeping = false;
    part->range = ds_kdump_range(&part->reading);
    return true;
}

static int compare(const void *a, const void *b)
{
    uint64_t first = ((const struct part *)a)->range.first;
    uint64_t other = ((const struct part *)b)->range.first;
    return (first > other) - (first < other);
}

/* One behind the other they are all of one dump. */
static bool check_parts(struct ds_source *source, const struct split *split)
{
    const struct ds_kdump_range *dump = &split->part[0].range;
    uint64_t end = 0;
    for (size_t i = 0; i < split->parts; i++) {
        const struct part *part = &split->part[i];
        if (part->range.whole != dump->whole || part->range.page_nbytes != dump->page_nbytes)
            return ds_fail(source,
                           "expected parts of one dump, found that of %llu pages in %s, and "
                           "of %llu in %s",
                           (unsigned long long)dump->whole, split->part[0].path,
                           (unsigned long long)part->range.whole, part->path);
        if (part->range.first != end)
            return ds_fail(source,
                           "expected the part that has pages from 0x%llx on, found %s, which has "
                           "those from 0x%llx on",
                           (unsigned long long)end, part->path,
                           (unsigned long long)part->range.first);
        end = part->range.end;
    }
    return end == dump->whole ||
           ds_fail(source, "expected the part that has pages from 0x%llx on, found no such",
                   (unsigned long long)end);
}

static bool open_split(struct ds_reading *reading)
{
    struct ds_source *source = reading->source;
    struct split *split = calloc(1, sizeof *split + source->parts * sizeof(struct part));
    char producer[sizeof source->producer] = "";
    reading->state = split;
    if (!split)
        return ds_fail(source, "out of memory");
    for (size_t i = 0; i < source->parts; i++) {
        if (!open_part(reading, i))
            return false;
        if (i > 0 && strcmp(producer, source->producer) != 0)
            return ds_fail(source, "expected parts of one dump, found %s, and %s in %s", producer,
                           source->producer, split->part[i].path);
        memcpy(producer, source->producer, sizeof producer);
    }
    qsort(split->part, split->parts, sizeof *split->part, compare);
    return check_parts(source, split);
}

static bool next(struct ds_reading *reading, struct ds_piece *piece)
{
    struct split *split = reading->state;
    for (; split->at < split->parts; split->at++) {
        struct part *part = &split->part[split->at];
        if (!ds_format_kdump.next(&part->reading, piece))
            return fail_in(reading->source, part->path);
        if (piece->pages > 0)
            return true;
    }
    return true;
}

static bool unpack(struct ds_reading *reading, uint8_t *to, size_t pages, size_t *count)
{
    struct split *split = reading->state;
    struct part *part = &split->part[split->at];
    return ds_format_kdump.unpack(&part->reading, to, pages, count) ||
           fail_in(reading->source, part->path);
}

static void close_split(struct ds_reading *reading)
{
    struct split *split = reading->state;
    for (size_t i = 0; split && i < split->parts; i++) {
        ds_format_kdump.close(&split->part[i].reading);
        ds_input_fini(&split->part[i].reading.input);
        close(split->part[i].fd);
    }
    free(split);
}

const struct ds_format ds_format_split = {
    .name = "split", .open = open_split, .next = next, .unpack = unpack, .close = close_split};

bool ds_split_read(struct ds_source *source)
{
    snprintf(source->format, sizeof source->format, "%s", ds_format_kdump.name);
    if (!ds_parts_open(source, "split:PART+PART"))
        return false;
    source->kind = &ds_format_split;
    source->bytes_in = DS_IN_FILE;
    source->info.sequential = true;
    struct ds_reading *reading = ds_reading_new(source, source->part[0].fd);
    bool ok = reading != NULL;
    ds_reading_free(reading);
    ds_parts_close(source);
    return ok;
}
