/* SPDX-License-Identifier: MIT */
/*
 * A temporary file without a name, for input that can be read only once or must be unpacked.
 * It lies in $TMPDIR, else in /var/tmp (which is on disk where /tmp is often memory), and is gone
 * when its descriptor is closed, however the program ends.
 */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *spool_dir(void)
{
    const char *dir = getenv("TMPDIR");
    return dir && *dir ? dir : "/var/tmp";
}

int ds_spool_create(struct ds_source *source)
{
    const char *dir = spool_dir();
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        /* A file system without O_TMPFILE. */
        char path[4096];
        int length = snprintf(path, sizeof path, "%s/libshare.XXXXXX", dir);
        if (length < (int)sizeof path && (fd = mkostemp(path, O_CLOEXEC)) >= 0)
            unlink(path);
    }
    if (fd < 0)
        ds_fail(source, "cannot make a temporary file in %.200s: %s (TMPDIR names another place)",
                dir, strerror(errno));
    return fd;
}

bool ds_spool_write(struct ds_source *source, int fd, const uint8_t *bytes, size_t nbytes)
{
    while (nbytes > 0) {
        ssize_t some = write(fd, bytes, nbytes);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0) {
            struct stat st = {0};
            int reason = errno;
            fstat(fd, &st);
            return ds_fail(source,
                           "cannot write to a temporary file in %.200s after %lld bytes: %s "
                           "(TMPDIR names another place)",
                           spool_dir(), (long long)st.st_size, strerror(reason));
        }
        bytes += some;
        nbytes -= (size_t)some;
    }
    return true;
}

bool ds_spool_copy(struct ds_source *source, struct ds_stream *stream, int to_fd)
{
    while (stream->filled > 0) {
        if (!ds_spool_write(source, to_fd, stream->buffer, stream->filled) ||
            !ds_stream_next(source, stream))
            return false;
        if (source->options.progress)
            source->options.progress(source->options.progress_ctx, stream->offset, 0);
    }
    return true;
}
