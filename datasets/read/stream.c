/* SPDX-License-Identifier: MIT */
/* A file or pipe read once from front to back, whose first bytes can be looked at beforehand. */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Fills the buffer with the next `wanted` bytes, or those that are left. */
static bool fill(struct ds_source *source, struct ds_stream *stream, size_t wanted)
{
    stream->offset += stream->filled;
    stream->filled = 0;
    while (!stream->end && stream->filled < wanted) {
        ssize_t some = read(stream->fd, stream->buffer + stream->filled, wanted - stream->filled);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return ds_fail_at(source, stream->offset + stream->filled, "cannot read: %s",
                              strerror(errno));
        stream->end = some == 0;
        stream->filled += (size_t)some;
    }
    return true;
}

bool ds_stream_next(struct ds_source *source, struct ds_stream *stream)
{
    return fill(source, stream, DS_STREAM_NBYTES);
}

bool ds_stream_init(struct ds_source *source, struct ds_stream *stream, int fd)
{
    *stream = (struct ds_stream){.fd = fd, .buffer = malloc(DS_STREAM_NBYTES)};
    if (!stream->buffer)
        return ds_fail(source, "out of memory");
    return fill(source, stream, DS_PAGE_SIZE); /* most files are mapped, and read no further */
}

void ds_stream_fini(struct ds_stream *stream)
{
    free(stream->buffer);
    stream->buffer = NULL;
}
