/* SPDX-License-Identifier: MIT */
/*
 * zstd: any number of frames, skippable ones among them, with which pzstd begins.
 *
 * Frames made with a window of up to 2 GiB (zstd --long=31) are accepted. libzstd allocates the
 * window that a frame's header claims, but touches only as much of it as the frame has content.
 */
#include "input.h"

#include <string.h>
#include <zstd.h>

#define WINDOW_LOG_MAX 31

static bool matches(const uint8_t *head, size_t nbytes)
{
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd}, skippable[] = {0x2a, 0x4d, 0x18};
    return nbytes >= 4 && (memcmp(head, frame, sizeof frame) == 0 ||
                           (head[0] >> 4 == 5 && memcmp(head + 1, skippable, 3) == 0));
}

static void *open_zstd(void)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    if (zstd && ZSTD_isError(ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        ZSTD_freeDCtx(zstd);
        return NULL;
    }
    return zstd;
}

static const char *step(void *zstd, struct ds_flow *flow)
{
    ZSTD_inBuffer in = {flow->in, flow->in_nbytes, 0};
    ZSTD_outBuffer out = {flow->out, flow->out_nbytes, 0};
    size_t rest = ZSTD_decompressStream(zstd, &out, &in);
    flow->in += in.pos;
    flow->in_nbytes -= in.pos;
    flow->out += out.pos;
    flow->out_nbytes -= out.pos;
    flow->unit_end = rest == 0;
    return ZSTD_isError(rest) ? ZSTD_getErrorName(rest) : NULL;
}

static void close_zstd(void *zstd)
{
    ZSTD_freeDCtx(zstd);
}

const struct ds_packing ds_packing_zstd = {"zstd",    "zstd frame", matches,
                                           open_zstd, step,         close_zstd};
