/* SPDX-License-Identifier: MIT */
/*
 * Unpacks LZO1X, as kdump packs pages by it: written from the description of the stream, so that no
 * library under the GPL is needed for it.
 *
 * A stream is a row of instructions. Each copies bytes from behind what is unpacked already, and
 * then 0 to 3 literals, whose number is in the lowest two bits of its distance; or it is a longer
 * run of literals alone. What an instruction below 16 means depends on how many literals came
 * before it. Source: Linux, Documentation/staging/lzo.rst ("LZO stream format as understood by
 * Linux' LZO decompressor").
 */
#include "lzo.h"

#include <string.h>

enum { RUN = 4 /* as `literals`: a run of them came before */, ZEROS = 255 };

struct lzo {
    const uint8_t *in, *in_end;
    uint8_t *out, *out_begin, *out_end;
    unsigned literals; /* that the last instruction copied: 0 to 3, or RUN */
    bool wrong;        /* something lay outside */
};

static unsigned take(struct lzo *lzo)
{
    if (lzo->in < lzo->in_end)
        return *lzo->in++;
    lzo->wrong = true;
    return 1; /* ends a length */
}

/* A length of so many bits; all zero: it goes on in the next bytes, from `more` on. */
static size_t take_length(struct lzo *lzo, unsigned bits, size_t more)
{
    if (bits)
        return bits;
    unsigned byte;
    while ((byte = take(lzo)) == 0)
        more += ZEROS;
    return more + byte;
}

static void copy_literals(struct lzo *lzo, size_t nbytes)
{
    if (nbytes > (size_t)(lzo->in_end - lzo->in) || nbytes > (size_t)(lzo->out_end - lzo->out)) {
        lzo->wrong = true;
        return;
    }
    memcpy(lzo->out, lzo->in, nbytes);
    lzo->in += nbytes;
    lzo->out += nbytes;
}

/* Byte by byte: what is copied may reach into what it becomes. */
static void copy_back(struct lzo *lzo, size_t distance, size_t nbytes)
{
    if (distance > (size_t)(lzo->out - lzo->out_begin) ||
        nbytes > (size_t)(lzo->out_end - lzo->out)) {
        lzo->wrong = true;
        return;
    }
    for (; nbytes; nbytes--, lzo->out++)
        *lzo->out = *(lzo->out - distance);
}

static void copy_and_literals(struct lzo *lzo, size_t distance, size_t nbytes, unsigned literals)
{
    copy_back(lzo, distance, nbytes);
    lzo->literals = literals;
    copy_literals(lzo, literals);
}

/* Below 16. */
static void run_or_short_copy(struct lzo *lzo, unsigned byte)
{
    if (lzo->literals == 0) {
        copy_literals(lzo, 3 + take_length(lzo, byte, 15));
        lzo->literals = RUN;
        return;
    }
    size_t distance = ((size_t)take(lzo) << 2) + (byte >> 2) + 1;
    bool far = lzo->literals == RUN;
    copy_and_literals(lzo, far ? distance + 2048 : distance, far ? 3 : 2, byte & 3);
}

/* From 16 on. False: it was the end of the stream. */
static bool copy(struct lzo *lzo, unsigned byte)
{
    if (byte >= 64) {
        size_t nbytes = byte >= 128 ? 5 + (byte >> 5 & 3) : 3 + (byte >> 5 & 1);
        size_t distance = ((size_t)take(lzo) << 3) + (byte >> 2 & 7) + 1;
        copy_and_literals(lzo, distance, nbytes, byte & 3);
        return true;
    }
    size_t nbytes =
        byte >= 32 ? 2 + take_length(lzo, byte & 31, 31) : 2 + take_length(lzo, byte & 7, 7);
    unsigned low = take(lzo), high = take(lzo);
    size_t distance = (high << 8 | low) >> 2;
    if (byte >= 32)
        distance += 1;
    else
        distance += 16384 + ((size_t)(byte & 8) << 11);
    if (byte < 32 && distance == 16384) {
        lzo->wrong |= nbytes != 3;
        return false;
    }
    copy_and_literals(lzo, distance, nbytes, low & 3);
    return true;
}

/* The first byte may be a number of literals. */
static void begin(struct lzo *lzo)
{
    if (lzo->in == lzo->in_end || *lzo->in <= 17)
        return;
    unsigned literals = *lzo->in++ - 17u;
    copy_literals(lzo, literals);
    lzo->literals = literals < RUN ? literals : RUN;
}

bool ds_lzo_unpack(const uint8_t *packed, size_t packed_nbytes, uint8_t *to, size_t nbytes)
{
    struct lzo lzo = {.in = packed,
                      .in_end = packed + packed_nbytes,
                      .out = to,
                      .out_begin = to,
                      .out_end = to + nbytes};
    begin(&lzo);
    while (!lzo.wrong) {
        unsigned byte = take(&lzo);
        if (byte < 16)
            run_or_short_copy(&lzo, byte);
        else if (!copy(&lzo, byte))
            break;
    }
    return !lzo.wrong && lzo.in == lzo.in_end && lzo.out == lzo.out_end;
}
