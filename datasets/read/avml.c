/* SPDX-License-Identifier: MIT */
/*
 * AVML dumps: LiME's range headers with another magic number, each range packed by framed snappy,
 * with the number of its packed bytes behind it.
 *
 * AVML cuts memory into blocks of 16 MiB and leaves out those that are all zero. So a gap of whole
 * blocks behind a whole block is zero; any other gap is where the machine has no memory (or ends in
 * a zero block that is no whole one, which nothing tells). By specification: AVML's src/image.rs
 * and src/io/snappy.rs.
 */
#include "lime.h"
#include "snappy_frames.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_NBYTES (UINT64_C(16) << 20)
#define COUNT_NBYTES 8

struct avml {
    struct ds_lime_pieces pieces;
    struct ds_lime_range range;
    uint64_t left_nbytes; /* of the range, not unpacked */
    uint64_t packed;      /* offset of its first packed byte */
    bool ended;           /* the input is at its end, within a range */
    struct ds_snappy snappy;
};

static bool open_avml(struct ds_reading *reading)
{
    reading->state = calloc(1, sizeof(struct avml));
    return reading->state || ds_fail(reading->source, "out of memory");
}

/* The next bytes of the range, as many as the input has; to NULL: they are not wanted. */
static bool unpack_bytes(struct ds_reading *reading, uint8_t *to, uint64_t nbytes, uint64_t *done)
{
    struct avml *avml = reading->state;
    struct ds_snappy *snappy = &avml->snappy;
    for (*done = 0; nbytes > 0;) {
        if (snappy->used == snappy->filled && !ds_snappy_next(&reading->input, snappy))
            return false;
        if (snappy->filled == 0)
            return true;
        size_t some = snappy->filled - snappy->used;
        some = some < nbytes ? some : (size_t)nbytes;
        if (to) {
            memcpy(to, snappy->bytes + snappy->used, some);
            to += some;
        }
        snappy->used += some;
        nbytes -= some;
        *done += some;
        avml->left_nbytes -= some;
    }
    return true;
}

static bool end_early(struct ds_reading *reading)
{
    struct avml *avml = reading->state;
    avml->ended = true;
    return ds_reading_truncated(reading, ds_input_end(&reading->input));
}

/* What is left of the range, and how many packed bytes it had. */
static bool end_range(struct ds_reading *reading)
{
    struct avml *avml = reading->state;
    const uint8_t *count;
    uint64_t done;
    size_t got;
    if (avml->range.end == 0)
        return true; /* the first one is still to come */
    if (!unpack_bytes(reading, NULL, avml->left_nbytes, &done))
        return false;
    if (avml->left_nbytes > 0)
        return end_early(reading);
    uint64_t packed = avml->snappy.offset - avml->packed;
    if (avml->snappy.used < avml->snappy.filled)
        return ds_fail_at(reading->source, avml->snappy.offset,
                          "expected the end of a range, found more bytes of it");
    if (!ds_input_at(&reading->input, avml->snappy.offset, COUNT_NBYTES, &count, &got))
        return false;
    if (got < COUNT_NBYTES)
        return end_early(reading);
    for (size_t i = 0; i < COUNT_NBYTES; i++) {
        if (count[i] != (uint8_t)(packed >> 8 * i))
            return ds_fail_at(reading->source, avml->snappy.offset,
                              "expected that a range had 0x%llx packed bytes, found another number",
                              (unsigned long long)packed);
    }
    avml->snappy.offset += COUNT_NBYTES;
    return true;
}

static enum ds_state gap_before(const struct avml *avml, const struct ds_lime_range *range)
{
    uint64_t last_nbytes = avml->range.end - avml->range.start;
    bool whole = last_nbytes == BLOCK_NBYTES && (range->start - avml->range.end) % last_nbytes == 0;
    return whole ? DS_ZERO : DS_ABSENT;
}

static bool next_range(struct ds_reading *reading, struct ds_lime_range *range)
{
    struct avml *avml = reading->state;
    uint64_t offset = avml->snappy.offset;
    if (!ds_lime_read(reading, offset, "AVML", 2, range))
        return false;
    if (range->last)
        return true;
    if (range->start < avml->range.end)
        return ds_fail_at(reading->source, offset,
                          "expected a range from 0x%llx on, found one from 0x%llx on",
                          (unsigned long long)avml->range.end, (unsigned long long)range->start);
    ds_lime_split(range, avml->range.end, gap_before(avml, range), 0, &avml->pieces);
    avml->packed = avml->snappy.offset = offset + DS_LIME_HEADER_NBYTES;
    avml->left_nbytes = range->end - range->start;
    avml->range = *range;
    return true;
}

static bool next(struct ds_reading *reading, struct ds_piece *piece)
{
    struct avml *avml = reading->state;
    while (avml->pieces.next == avml->pieces.count) {
        struct ds_lime_range range;
        if (!end_range(reading))
            return false;
        if (avml->ended)
            return true;
        if (!next_range(reading, &range))
            return false;
        if (range.last)
            return true;
    }
    *piece = avml->pieces.piece[avml->pieces.next++];
    if (piece->state != DS_DATA)
        return true;
    /* The part of a page that the range begins with. */
    uint64_t done;
    return unpack_bytes(reading, NULL, -avml->range.start % DS_PAGE_SIZE, &done);
}

static bool unpack(struct ds_reading *reading, uint8_t *to, size_t pages, size_t *count)
{
    uint64_t done;
    if (!unpack_bytes(reading, to, pages * DS_PAGE_SIZE, &done))
        return false;
    *count = (size_t)(done / DS_PAGE_SIZE);
    return true;
}

static void close_avml(struct ds_reading *reading)
{
    free(reading->state);
}

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 8 && memcmp(head, "AVML\2\0\0\0", 8) == 0;
}

const struct ds_format ds_format_avml = {.name = "avml",
                                         .matches = matches,
                                         .open = open_avml,
                                         .next = next,
                                         .unpack = unpack,
                                         .close = close_avml};
