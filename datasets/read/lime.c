/* SPDX-License-Identifier: MIT */
/*
 * LiME dumps (format=lime): a header of 32 bytes before each range of a machine's memory.
 *
 * What no range has is no memory of the machine: absent. By specification: LiME's documentation and
 * src/lime.h (e_addr is the last byte's address; a page in part is padded with zeros by LiME).
 */
#include "lime.h"

#include <stdlib.h>
#include <string.h>

struct lime {
    uint64_t offset; /* of the next header */
    uint64_t end;    /* of the last range */
    struct ds_lime_pieces pieces;
};

static uint64_t little(const uint8_t *bytes, size_t nbytes)
{
    uint64_t value = 0;
    while (nbytes-- > 0)
        value = value << 8 | bytes[nbytes];
    return value;
}

/* The end of the input, or zeros up to whole pages, as some copies have them. */
static bool is_padding(const uint8_t *bytes, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return nbytes < DS_PAGE_SIZE;
}

bool ds_lime_read(struct ds_reading *reading, uint64_t offset, const char magic[4],
                  uint32_t version, struct ds_lime_range *range)
{
    struct ds_source *source = reading->source;
    const uint8_t *head;
    size_t got;
    *range = (struct ds_lime_range){.last = true};
    if (!ds_input_at(&reading->input, offset, DS_PAGE_SIZE, &head, &got))
        return false;
    uint64_t there = ds_input_end(&reading->input);
    if (there < offset)
        return ds_reading_truncated(reading, there); /* within a page that nobody has whole */
    if (is_padding(head, got))
        return true;
    if (got < DS_LIME_HEADER_NBYTES)
        return ds_reading_truncated(reading, offset + got);
    if (memcmp(head, magic, 4) != 0)
        return ds_fail_at(source, offset,
                          "expected the header of a range (%.4s), found other bytes", magic);
    uint64_t found = little(head + 4, 4), start = little(head + 8, 8), end = little(head + 16, 8);
    if (found != version)
        return ds_fail_at(source, offset + 4, "expected version %u of a range, found %llu", version,
                          (unsigned long long)found);
    if (end < start || end > INT64_MAX)
        return ds_fail_at(source, offset + 8, "expected a range below 2^63, found 0x%llx to 0x%llx",
                          (unsigned long long)start, (unsigned long long)end);
    *range = (struct ds_lime_range){start, end + 1, false};
    return true;
}

static void add(struct ds_lime_pieces *pieces, uint64_t from, uint64_t to, enum ds_state state)
{
    if (from < to)
        pieces->piece[pieces->count++] =
            (struct ds_piece){.key = from, .pages = to - from, .state = state};
}

void ds_lime_split(const struct ds_lime_range *range, uint64_t before, enum ds_state gap,
                   uint64_t offset, struct ds_lime_pieces *pieces)
{
    uint64_t begin = range->start / DS_PAGE_SIZE, end = (range->end - 1) / DS_PAGE_SIZE + 1;
    uint64_t skipped = -range->start % DS_PAGE_SIZE; /* to the first whole page */
    uint64_t nbytes = range->end - range->start;
    uint64_t whole = nbytes > skipped ? (nbytes - skipped) / DS_PAGE_SIZE : 0;
    uint64_t first = whole > 0 ? begin + (skipped != 0) : begin;
    /* Two ranges may each have a part of one page. */
    uint64_t covered = before / DS_PAGE_SIZE + (before % DS_PAGE_SIZE != 0);
    uint64_t head = begin > covered ? begin : covered;
    uint64_t tail = first + whole > covered ? first + whole : covered;
    *pieces = (struct ds_lime_pieces){0};
    add(pieces, covered, begin, gap);
    add(pieces, head, first, DS_EXCLUDED);
    add(pieces, first, first + whole, DS_DATA);
    if (whole > 0)
        pieces->piece[pieces->count - 1].offset = offset + skipped;
    add(pieces, tail, end, DS_EXCLUDED);
}

static bool open_lime(struct ds_reading *reading)
{
    reading->state = calloc(1, sizeof(struct lime));
    return reading->state || ds_fail(reading->source, "out of memory");
}

static bool next(struct ds_reading *reading, struct ds_piece *piece)
{
    struct lime *lime = reading->state;
    struct ds_lime_range range;
    while (lime->pieces.next == lime->pieces.count) {
        if (!ds_lime_read(reading, lime->offset, "EMiL", 1, &range))
            return false;
        if (range.last)
            return true;
        if (range.start < lime->end)
            return ds_fail_at(reading->source, lime->offset,
                              "expected a range from 0x%llx on, found one from 0x%llx on",
                              (unsigned long long)lime->end, (unsigned long long)range.start);
        lime->offset += DS_LIME_HEADER_NBYTES;
        ds_lime_split(&range, lime->end, DS_ABSENT, lime->offset, &lime->pieces);
        lime->offset += range.end - range.start;
        lime->end = range.end;
    }
    *piece = lime->pieces.piece[lime->pieces.next++];
    return true;
}

static void close_lime(struct ds_reading *reading)
{
    free(reading->state);
}

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 8 && memcmp(head, "EMiL\1\0\0\0", 8) == 0;
}

const struct ds_format ds_format_lime = {
    .name = "lime", .matches = matches, .open = open_lime, .next = next, .close = close_lime};
