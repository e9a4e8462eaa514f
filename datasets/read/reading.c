/* SPDX-License-Identifier: MIT */
/* An input and its format, opened together, and what a format says checked against the input. */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Enough for every magic number, those of disk images at 32 KiB among them. */
#define HEAD_NBYTES ((size_t)36 << 10)

/* Which format is it? */
static bool find(struct ds_reading *reading)
{
    struct ds_source *source = reading->source;
    const uint8_t *head;
    size_t got;
    if (!ds_input_at(&reading->input, 0, HEAD_NBYTES, &head, &got))
        return false;
    if (got == 0)
        return ds_fail(source, "expected memory pages, found an empty %s",
                       source->packing                  ? "content"
                       : source->bytes_in == DS_IN_FILE ? "file"
                                                        : "pipe (it gives its bytes once)");
    const struct ds_packing *inner = source->options.as_raw ? NULL : ds_packing_find(head, got);
    const char *refused = inner ? inner->name : NULL;
    source->kind = &ds_format_raw;
    if (!source->options.as_raw && !refused)
        source->kind = ds_format_find(head, got, &refused);
    if (refused)
        return ds_fail_at(source, 0, "expected memory, found %s (not supported%s)", refused,
                          source->packing ? " here" : "");
    snprintf(source->format, sizeof source->format, "%s%s%s", source->kind->name,
             source->packing ? "+" : "", source->packing ? source->packing->name : "");
    return true;
}

bool ds_reading_truncated(struct ds_reading *reading, uint64_t nbytes)
{
    struct ds_source *source = reading->source;
    if (source->options.partial)
        return true;
    if (reading->expected_nbytes == 0)
        return ds_fail_at(source, nbytes,
                          "truncated: expected more pages, found the end of the %s (--partial "
                          "measures what is there)",
                          source->packing ? "content" : "file");
    return ds_fail_at(source, nbytes,
                      "truncated: %llu of %llu bytes are there, then the end of the %s (--partial "
                      "measures these)",
                      (unsigned long long)nbytes, (unsigned long long)reading->expected_nbytes,
                      source->packing ? "content" : "file");
}

static bool begin(struct ds_reading *reading)
{
    struct ds_source *source = reading->source;
    const struct ds_input *input = &reading->input;
    if (!source->kind && !find(reading))
        return false;
    if (source->kind->open && !source->kind->open(reading))
        return false;
    reading->input.keeping = false;
    return !input->seekable || reading->expected_nbytes <= input->nbytes ||
           ds_reading_truncated(reading, input->nbytes);
}

/* All that a stream holds. */
static bool copy(struct ds_reading *reading, int fd)
{
    struct ds_source *source = reading->source;
    struct ds_input *input = &reading->input;
    size_t ahead = input->filled; /* was kept */
    uint64_t done = 0;
    for (size_t got = 1; got > 0; done += got) {
        const uint8_t *bytes;
        input->keeping = done < ahead;
        uint64_t nbytes = input->keeping ? ahead - done : DS_INPUT_NBYTES;
        if (!ds_input_at(input, done, nbytes < DS_INPUT_NBYTES ? (size_t)nbytes : DS_INPUT_NBYTES,
                         &bytes, &got) ||
            !ds_spool_write(source, fd, done, bytes, got))
            return false;
        if (source->options.progress)
            source->options.progress(source->options.progress_ctx, done, 0);
    }
    return ds_spool_end(source, fd, done);
}

/* An unnamed file takes the place of what the format cannot read as it comes. */
static bool spool(struct ds_reading *reading)
{
    struct ds_source *source = reading->source;
    const struct ds_format *kind = source->kind;
    int fd = ds_spool_create(source);
    bool assembles = kind && kind->reassemble;
    reading->input.keeping = !assembles;
    bool ok = fd >= 0 && (assembles ? kind->reassemble(reading, fd) : copy(reading, fd));
    if (assembles)
        source->kind = NULL; /* what it is, is seen now */
    if (source->fd >= 0)
        close(source->fd);
    source->fd = fd;
    source->bytes_in = DS_IN_SPOOL;
    return ok;
}

struct ds_reading *ds_reading_new(struct ds_source *source, int fd)
{
    for (;;) {
        struct ds_reading *reading = calloc(1, sizeof *reading);
        if (!reading) {
            ds_fail(source, "out of memory");
            return NULL;
        }
        reading->source = source;
        if (ds_input_init(source, &reading->input, fd) && begin(reading))
            return reading;
        bool again = reading->input.needs_file && source->bytes_in != DS_IN_SPOOL && spool(reading);
        ds_reading_free(reading);
        if (!again)
            return NULL;
        fd = source->fd;
    }
}

void ds_reading_free(struct ds_reading *reading)
{
    if (!reading)
        return;
    if (reading->source->kind && reading->source->kind->close)
        reading->source->kind->close(reading);
    ds_input_fini(&reading->input);
    free(reading);
}

bool ds_reading_next(struct ds_reading *reading, struct ds_piece *piece)
{
    *piece = (struct ds_piece){0};
    if (!reading->source->kind->next(reading, piece))
        return false;
    if (piece->stride == 0)
        piece->stride = DS_PAGE_SIZE;
    reading->pieces += piece->pages > 0;
    return true;
}

/* How many pages of a piece are within the first `nbytes` of the input. */
static uint64_t pages_within(const struct ds_piece *piece, uint64_t nbytes)
{
    if (piece->state != DS_DATA)
        return piece->pages;
    if (piece->offset > nbytes || nbytes - piece->offset < DS_PAGE_SIZE)
        return 0;
    uint64_t there = (nbytes - piece->offset - DS_PAGE_SIZE) / piece->stride + 1;
    return there < piece->pages ? there : piece->pages;
}

bool ds_reading_list(struct ds_reading *reading)
{
    struct ds_source *source = reading->source;
    uint64_t nbytes = reading->input.nbytes;
    for (;;) {
        struct ds_piece piece, cut;
        if (!ds_reading_next(reading, &piece))
            return false;
        if (piece.pages == 0) {
            source->info.alias_pages = reading->alias_pages;
            return ds_list_finish(source);
        }
        cut = piece;
        piece.pages = pages_within(&piece, nbytes);
        cut.key += piece.pages;
        cut.pages -= piece.pages;
        if (cut.pages > 0 && !ds_reading_truncated(reading, nbytes))
            return false;
        if (!ds_list_add(source, reading->input.fd, &piece) || !ds_list_cut(source, &cut))
            return false;
    }
}
