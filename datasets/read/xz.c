/* SPDX-License-Identifier: MIT */
/* xz: any number of streams, and what may be between them. */
#include "input.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 6 && memcmp(head, "\xfd\x37zXZ\0", 6) == 0;
}

static void *open_xz(void)
{
    lzma_stream *xz = calloc(1, sizeof *xz);
    /* Dictionaries of up to 1.5 GiB (xz -9 has 64 MiB) are accepted: only what is used is touched.
     */
    if (xz && lzma_stream_decoder(xz, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK) {
        free(xz);
        return NULL;
    }
    return xz;
}

static const char *reason(lzma_ret result)
{
    switch (result) {
    case LZMA_OK:
    case LZMA_STREAM_END:
    case LZMA_BUF_ERROR: /* wants more, or the input ends: the caller knows */
        return NULL;
    case LZMA_MEM_ERROR:
        return "out of memory";
    case LZMA_FORMAT_ERROR:
        return "not an xz stream";
    case LZMA_OPTIONS_ERROR:
        return "unknown options";
    default:
        return "data or checksum wrong";
    }
}

static const char *step(void *state, struct ds_flow *flow)
{
    lzma_stream *xz = state;
    xz->next_in = flow->in;
    xz->avail_in = flow->in_nbytes;
    xz->next_out = flow->out;
    xz->avail_out = flow->out_nbytes;
    lzma_ret result = lzma_code(xz, flow->in_end ? LZMA_FINISH : LZMA_RUN);
    flow->in = xz->next_in;
    flow->in_nbytes = xz->avail_in;
    flow->out = xz->next_out;
    flow->out_nbytes = xz->avail_out;
    flow->unit_end = result == LZMA_STREAM_END;
    return reason(result);
}

static void close_xz(void *state)
{
    lzma_end(state);
    free(state);
}

const struct ds_packing ds_packing_xz = {"xz", "xz stream", matches, open_xz, step, close_xz};
