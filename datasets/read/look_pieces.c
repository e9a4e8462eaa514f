/* SPDX-License-Identifier: MIT */
/*
 * Looks at a sequential source: its format names the pieces while the input goes by.
 *
 * The first look to reach the end records what the pieces were. Of a pipe, it also writes the pages
 * to a spool, page n at n times the page size: later looks read that as any file.
 */
#include "look.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ds_look_begin_pieces(struct ds_look *look)
{
    struct ds_source *source = look->source;
    look->recording = !source->info.complete;
    look->buffer = malloc(DS_INPUT_NBYTES);
    if (!look->buffer)
        return ds_fail(source, "out of memory");
    if (look->recording)
        ds_list_reset(source);
    if (source->bytes_in != DS_IN_PIPE) {
        int fd = ds_look_fd(look);
        if (look->fd < 0 && lseek(fd, 0, SEEK_SET) != 0)
            return ds_fail(source, "cannot read it again");
        look->reading = ds_reading_new(source, fd);
        return look->reading != NULL;
    }
    if (!source->pending)
        return ds_fail(source, "a pipe is read once, and was not read to its end");
    look->reading = source->pending;
    source->pending = NULL;
    look->fd = source->fd;
    source->fd = -1;
    look->spool_fd = ds_spool_create(source);
    return look->spool_fd >= 0;
}

/* From now on, a pipe's pages are in the spool. */
static bool keep_spool(struct ds_look *look)
{
    struct ds_source *source = look->source;
    uint64_t pages = source->info.data_pages;
    if (!ds_spool_end(source, look->spool_fd, pages * DS_PAGE_SIZE) ||
        (pages > 0 && !ds_span_add(source, (struct ds_span){.stride = DS_PAGE_SIZE})))
        return false;
    source->fd = look->spool_fd;
    look->spool_fd = -1;
    source->bytes_in = DS_IN_SPOOL;
    source->info.sequential = false;
    source->info.stays = true;
    return true;
}

static bool finish(struct ds_look *look)
{
    struct ds_source *source = look->source;
    look->ended = true;
    if (source->parts > 0 ? !ds_source_check(source, source->error)
                          : !ds_identity_check(source, 0, ds_look_fd(look), source->error))
        return false;
    if (!look->recording)
        return true;
    source->info.alias_pages = look->reading->alias_pages;
    return (look->spool_fd < 0 || keep_spool(look)) && ds_list_finish(source);
}

static bool next_piece(struct ds_look *look)
{
    struct ds_source *source = look->source;
    struct ds_piece *piece = &look->piece;
    if (!ds_reading_next(look->reading, piece))
        return false;
    if (piece->pages == 0)
        return finish(look);
    if (piece->state == DS_DATA)
        return true;
    bool ok = !look->recording || ds_list_add(source, -1, piece);
    piece->pages = 0;
    return ok;
}

/* `pages` pages of the piece are done with. */
static void advance(struct ds_look *look, uint64_t pages)
{
    struct ds_piece *piece = &look->piece;
    piece->key += pages;
    piece->offset += pages * piece->stride;
    piece->pages -= piece->pages == DS_TO_END ? 0 : pages;
    look->index += pages;
}

/* The input ended before the next page of the piece did. */
static bool end_early(struct ds_look *look)
{
    struct ds_source *source = look->source;
    struct ds_piece *piece = &look->piece;
    uint64_t nbytes = ds_input_end(&look->reading->input);
    if (piece->pages == DS_TO_END) {
        if (!ds_raw_whole(source, nbytes))
            return false;
        piece->pages = nbytes % DS_PAGE_SIZE != 0;
    } else if (!ds_reading_truncated(look->reading, nbytes)) {
        return false;
    }
    bool ok = !look->recording || ds_list_cut(source, piece);
    piece->pages = 0;
    return ok;
}

/* Moves pages at a distance of `stride` bytes together. */
static void pack(uint8_t *to, const uint8_t *from, size_t pages, size_t stride)
{
    for (size_t i = 0; i < pages; i++)
        memcpy(to + i * DS_PAGE_SIZE, from + i * stride, DS_PAGE_SIZE);
}

/* The next pages of the piece, up to `wanted`; *count is 0 if the input has no more of them. */
static bool read_pages(struct ds_look *look, size_t wanted, const uint8_t **bytes, size_t *count)
{
    struct ds_piece *piece = &look->piece;
    const struct ds_format *format = look->source->kind;
    *count = 0;
    if (format->unpack) {
        *bytes = look->buffer;
        return format->unpack(look->reading, look->buffer, wanted, count) &&
               (*count > 0 || end_early(look));
    }
    size_t got, room = DS_INPUT_NBYTES / piece->stride;
    wanted = wanted < room ? wanted : room;
    if (!ds_input_at(&look->reading->input, piece->offset,
                     (wanted - 1) * piece->stride + DS_PAGE_SIZE, bytes, &got))
        return false;
    if (got < DS_PAGE_SIZE)
        return end_early(look);
    *count = (got - DS_PAGE_SIZE) / piece->stride + 1;
    if (piece->stride != DS_PAGE_SIZE) {
        pack(look->buffer, *bytes, *count, piece->stride);
        *bytes = look->buffer;
    }
    return true;
}

static bool record(struct ds_look *look, const uint8_t *bytes, size_t pages)
{
    struct ds_source *source = look->source;
    struct ds_extent extent = {.key = look->piece.key, .pages = pages, .state = DS_DATA};
    if (!look->recording)
        return true;
    return ds_extent_add(source, extent) &&
           (look->spool_fd < 0 || ds_spool_write(source, look->spool_fd, look->index * DS_PAGE_SIZE,
                                                 bytes, pages * DS_PAGE_SIZE));
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Goes forward to page `index`, or to the end of the piece. */
static bool skip(struct ds_look *look, uint64_t index)
{
    uint64_t ahead = least(index - look->index, look->piece.pages);
    bool blindly = !look->recording && !look->source->kind->unpack;
    const uint8_t *bytes;
    size_t count;
    if (blindly) {
        advance(look, ahead);
        return true;
    }
    if (!read_pages(look, (size_t)least(ahead, DS_INPUT_PAGES), &bytes, &count) ||
        (count > 0 && !record(look, bytes, count)))
        return false;
    advance(look, count);
    return true;
}

bool ds_look_at_pieces(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run)
{
    if (index < look->index)
        return ds_fail(look->source, "a packed source is read forward only");
    while (!look->ended) {
        if (look->piece.pages == 0) {
            if (!next_piece(look))
                return false;
        } else if (index > look->index) {
            if (!skip(look, index))
                return false;
        } else {
            size_t count;
            if (!read_pages(look, (size_t)least(least(pages, DS_INPUT_PAGES), look->piece.pages),
                            &run->bytes, &count) ||
                (count > 0 && !record(look, run->bytes, count)))
                return false;
            if (count > 0) {
                advance(look, count);
                run->pages = count;
                return true;
            }
        }
    }
    return true;
}
