/* SPDX-License-Identifier: MIT */
/* gzip: any number of members, and zeros behind them, as tapes leave them. */
#include "input.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define WINDOW_BITS (15 + 16) /* the largest window, in a gzip wrapping */

struct gzip {
    z_stream z;
    bool padding; /* a member has ended: zeros may follow */
};

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 3 && memcmp(head, "\x1f\x8b\x08", 3) == 0;
}

static void *open_gzip(void)
{
    struct gzip *gzip = calloc(1, sizeof *gzip);
    if (gzip && inflateInit2(&gzip->z, WINDOW_BITS) != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

static const char *step(void *state, struct ds_flow *flow)
{
    struct gzip *gzip = state;
    z_stream *z = &gzip->z;
    while (gzip->padding && flow->in_nbytes > 0 && *flow->in == 0) {
        flow->in++;
        flow->in_nbytes--;
    }
    flow->unit_end = gzip->padding && flow->in_nbytes == 0;
    if (flow->unit_end)
        return NULL;
    gzip->padding = false;
    z->next_in = (Bytef *)(uintptr_t)flow->in; /* only read */
    z->avail_in = (uInt)flow->in_nbytes;
    z->next_out = flow->out;
    z->avail_out = (uInt)flow->out_nbytes;
    int result = inflate(z, Z_NO_FLUSH);
    flow->in += flow->in_nbytes - z->avail_in;
    flow->in_nbytes = z->avail_in;
    flow->out += flow->out_nbytes - z->avail_out;
    flow->out_nbytes = z->avail_out;
    if (result == Z_STREAM_END) {
        gzip->padding = flow->unit_end = true;
        result = inflateReset(z);
    }
    return result == Z_OK || result == Z_BUF_ERROR ? NULL : z->msg ? z->msg : zError(result);
}

static void close_gzip(void *state)
{
    struct gzip *gzip = state;
    inflateEnd(&gzip->z);
    free(gzip);
}

const struct ds_packing ds_packing_gzip = {"gzip",    "gzip member", matches,
                                           open_gzip, step,          close_gzip};
