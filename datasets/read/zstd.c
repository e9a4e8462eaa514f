/* SPDX-License-Identifier: MIT */
/*
 * Unpacks a zstd stream of any number of frames into a file.
 *
 * Frames made with a window of up to 2 GiB (zstd --long=31) are accepted. libzstd allocates the
 * window that a frame's header claims, but touches only as much of it as the frame has content.
 */
#include "reader.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <zstd.h>

#define WINDOW_LOG_MAX 31

struct unpacker {
    ZSTD_DCtx *zstd;
    uint8_t *buffer;
    size_t buffer_nbytes;
    size_t frame_rest; /* 0 if the last frame is complete, as ZSTD_decompressStream returns it */
    uint64_t frame_offset; /* in the input: where the frame that is being unpacked begins */
};

/* Unpacks what is in the stream's buffer. */
static bool unpack_buffer(struct ds_source *source, const struct ds_stream *stream,
                          struct unpacker *to, int to_fd)
{
    ZSTD_inBuffer in = {stream->buffer, stream->filled, 0};
    bool flushed = false;
    while (in.pos < in.size || !flushed) {
        ZSTD_outBuffer out = {to->buffer, to->buffer_nbytes, 0};
        bool idle = in.pos == in.size && to->frame_rest == 0;
        if (idle)
            break;
        if (to->frame_rest == 0)
            to->frame_offset = stream->offset + in.pos;
        to->frame_rest = ZSTD_decompressStream(to->zstd, &out, &in);
        if (ZSTD_isError(to->frame_rest))
            return ds_fail_at(source, to->frame_offset,
                              "expected a zstd frame from here on, found it corrupt somewhere: %s",
                              ZSTD_getErrorName(to->frame_rest));
        if (!ds_spool_write(source, to_fd, to->buffer, out.pos))
            return false;
        flushed = out.pos < out.size; /* a full buffer: there may be more without more input */
    }
    return true;
}

static bool unpack_stream(struct ds_source *source, struct ds_stream *stream, struct unpacker *to,
                          int to_fd)
{
    struct stat st;
    uint64_t total_nbytes =
        fstat(source->fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    while (stream->filled > 0) {
        if (!unpack_buffer(source, stream, to, to_fd) || !ds_stream_next(source, stream))
            return false;
        if (source->options.progress)
            source->options.progress(source->options.progress_ctx, stream->offset, total_nbytes);
    }
    if (to->frame_rest != 0)
        return ds_fail_at(source, stream->offset,
                          "expected the rest of a zstd frame, found the end of the stream");
    return true;
}

static bool unpack_zstd(struct ds_source *source, struct ds_stream *stream, int to_fd)
{
    struct unpacker to = {ZSTD_createDCtx(), malloc(DS_STREAM_NBYTES), DS_STREAM_NBYTES, 0, 0};
    bool ok;
    if (!to.zstd || !to.buffer ||
        ZSTD_isError(ZSTD_DCtx_setParameter(to.zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
        ok = ds_fail(source, "out of memory");
    else
        ok = unpack_stream(source, stream, &to, to_fd);
    free(to.buffer);
    ZSTD_freeDCtx(to.zstd);
    return ok;
}

const struct ds_format ds_format_zstd = {"zstd", "\x28\xb5\x2f\xfd", 4, NULL, unpack_zstd};
