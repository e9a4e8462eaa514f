/* SPDX-License-Identifier: MIT */
/* lz4: any number of frames. (The old format, without a frame's header, is not read.) */
#include "input.h"

#include <lz4frame.h>
#include <string.h>

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 4 && memcmp(head, "\x04\x22\x4d\x18", 4) == 0;
}

static void *open_lz4(void)
{
    LZ4F_dctx *lz4 = NULL;
    return LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)) ? NULL : lz4;
}

static const char *step(void *state, struct ds_flow *flow)
{
    size_t in_nbytes = flow->in_nbytes, out_nbytes = flow->out_nbytes;
    size_t rest = LZ4F_decompress(state, flow->out, &out_nbytes, flow->in, &in_nbytes, NULL);
    flow->in += in_nbytes;
    flow->in_nbytes -= in_nbytes;
    flow->out += out_nbytes;
    flow->out_nbytes -= out_nbytes;
    flow->unit_end = rest == 0;
    return LZ4F_isError(rest) ? LZ4F_getErrorName(rest) : NULL;
}

static void close_lz4(void *state)
{
    LZ4F_freeDecompressionContext(state);
}

const struct ds_packing ds_packing_lz4 = {"lz4", "lz4 frame", matches, open_lz4, step, close_lz4};
