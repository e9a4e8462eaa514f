/* SPDX-License-Identifier: MIT */
/* See snappy_frames.h. */
#include "snappy_frames.h"
#include "reader.h"

#include <snappy-c.h>
#include <string.h>

enum { COMPRESSED = 0, UNCOMPRESSED = 1, SKIPPABLE = 0x80, PADDING = 0xfe, IDENTIFIER = 0xff };
enum { HEADER_NBYTES = 4, CHECKSUM_NBYTES = 4 };

/* CRC-32C (Castagnoli), bit by bit over a table of a nibble: memory is read faster than that, but a
 * chunk is unpacked more slowly. */
static uint32_t crc32c(const uint8_t *bytes, size_t nbytes)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                       0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < nbytes; i++) {
        crc = table[(crc ^ bytes[i]) & 15] ^ crc >> 4;
        crc = table[(crc ^ bytes[i] >> 4) & 15] ^ crc >> 4;
    }
    return ~crc;
}

/* As the format stores it. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static uint32_t little(const uint8_t *bytes, size_t nbytes)
{
    uint32_t value = 0;
    while (nbytes-- > 0)
        value = value << 8 | bytes[nbytes];
    return value;
}

static bool fail(const struct ds_input *input, uint64_t offset, const char *found)
{
    return ds_fail_at(input->source, offset, "expected a chunk of framed snappy, found %s", found);
}

static bool unpack(struct ds_input *input, struct ds_snappy *snappy, unsigned type,
                   const uint8_t *chunk, size_t nbytes)
{
    if (nbytes < CHECKSUM_NBYTES)
        return fail(input, snappy->offset, "one without a checksum");
    uint32_t checksum = little(chunk, CHECKSUM_NBYTES);
    chunk += CHECKSUM_NBYTES;
    nbytes -= CHECKSUM_NBYTES;
    snappy->used = 0;
    snappy->filled = sizeof snappy->bytes;
    if (type == COMPRESSED) {
        if (snappy_uncompress((const char *)chunk, nbytes, (char *)snappy->bytes,
                              &snappy->filled) != SNAPPY_OK)
            return fail(input, snappy->offset, "corrupt bytes");
    } else {
        if (nbytes > sizeof snappy->bytes)
            return fail(input, snappy->offset, "one of more than 64 KiB");
        memcpy(snappy->bytes, chunk, nbytes);
        snappy->filled = nbytes;
    }
    return masked(crc32c(snappy->bytes, snappy->filled)) == checksum ||
           fail(input, snappy->offset, "a wrong checksum");
}

bool ds_snappy_next(struct ds_input *input, struct ds_snappy *snappy)
{
    for (snappy->used = snappy->filled = 0; snappy->filled == 0;) {
        const uint8_t *bytes;
        size_t got;
        if (!ds_input_at(input, snappy->offset, HEADER_NBYTES, &bytes, &got))
            return false;
        if (got < HEADER_NBYTES)
            return true;
        unsigned type = bytes[0];
        size_t nbytes = little(bytes + 1, 3);
        bool has_bytes = type == COMPRESSED || type == UNCOMPRESSED;
        if (!has_bytes && type < SKIPPABLE)
            return fail(input, snappy->offset, "an unknown kind");
        if (has_bytes && nbytes > DS_INPUT_NBYTES / 2)
            return fail(input, snappy->offset, "one of more than 64 KiB");
        if (has_bytes) {
            if (!ds_input_at(input, snappy->offset + HEADER_NBYTES, nbytes, &bytes, &got))
                return false;
            if (got < nbytes)
                return true;
            if (!unpack(input, snappy, type, bytes, nbytes))
                return false;
        }
        snappy->offset += HEADER_NBYTES + nbytes;
    }
    return true;
}
