/* SPDX-License-Identifier: MIT */
/* bzip2: any number of streams. */
#include "input.h"

#include <bzlib.h>
#include <stdlib.h>
#include <string.h>

struct bzip2 {
    bz_stream bz;
    bool started;
};

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 10 && memcmp(head, "BZh", 3) == 0 && head[3] >= '1' && head[3] <= '9' &&
           (memcmp(head + 4, "1AY&SY", 6) == 0 || memcmp(head + 4, "\x17rE8P\x90", 6) == 0);
}

static void *open_bzip2(void)
{
    return calloc(1, sizeof(struct bzip2));
}

static const char *step(void *state, struct ds_flow *flow)
{
    struct bzip2 *bzip2 = state;
    bz_stream *bz = &bzip2->bz;
    if (!bzip2->started && BZ2_bzDecompressInit(bz, 0, 0) != BZ_OK)
        return "out of memory";
    bzip2->started = true;
    bz->next_in = (char *)(uintptr_t)flow->in; /* only read */
    bz->avail_in = (unsigned)flow->in_nbytes;
    bz->next_out = (char *)flow->out;
    bz->avail_out = (unsigned)flow->out_nbytes;
    int result = BZ2_bzDecompress(bz);
    flow->in += flow->in_nbytes - bz->avail_in;
    flow->in_nbytes = bz->avail_in;
    flow->out += flow->out_nbytes - bz->avail_out;
    flow->out_nbytes = bz->avail_out;
    if (result == BZ_STREAM_END) {
        BZ2_bzDecompressEnd(bz);
        bzip2->started = false;
        flow->unit_end = true;
        result = BZ_OK;
    }
    return result == BZ_OK                 ? NULL
           : result == BZ_MEM_ERROR        ? "out of memory"
           : result == BZ_DATA_ERROR_MAGIC ? "not a bzip2 stream"
                                           : "data or checksum wrong";
}

static void close_bzip2(void *state)
{
    struct bzip2 *bzip2 = state;
    if (bzip2->started)
        BZ2_bzDecompressEnd(&bzip2->bz);
    free(bzip2);
}

const struct ds_packing ds_packing_bzip2 = {"bzip2",    "bzip2 stream", matches,
                                            open_bzip2, step,           close_bzip2};
