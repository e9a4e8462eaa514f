/* SPDX-License-Identifier: MIT */
/*
 * A temporary file without a name, for input that can be read only once, or that its format must
 * read in any order. It lies in $TMPDIR, else in /var/tmp (which is on disk where /tmp is often
 * memory), and is gone when its descriptor is closed, however the program ends. Pages of zeros are
 * holes in it: memory that is mostly free takes little disk.
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

static bool fail_to_write(struct ds_source *source, uint64_t offset)
{
    int reason = errno;
    return ds_fail(source,
                   "cannot write to a temporary file in %.200s after %llu bytes: %s (TMPDIR names "
                   "another place)",
                   spool_dir(), (unsigned long long)offset, strerror(reason));
}

static bool write_all(struct ds_source *source, int fd, uint64_t offset, const uint8_t *bytes,
                      size_t nbytes)
{
    while (nbytes > 0) {
        ssize_t some = pwrite(fd, bytes, nbytes, (off_t)offset);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return fail_to_write(source, offset);
        bytes += some;
        nbytes -= (size_t)some;
        offset += (size_t)some;
    }
    return true;
}

/* What lies before the next page of the file. */
static size_t to_boundary(uint64_t offset, size_t nbytes)
{
    size_t some = DS_PAGE_SIZE - (size_t)(offset % DS_PAGE_SIZE);
    return some < nbytes ? some : nbytes;
}

static bool is_hole(const uint8_t *bytes, size_t nbytes)
{
    return nbytes == DS_PAGE_SIZE && bytes[0] == 0 && memcmp(bytes, bytes + 1, nbytes - 1) == 0;
}

bool ds_spool_write(struct ds_source *source, int fd, uint64_t offset, const uint8_t *bytes,
                    size_t nbytes)
{
    size_t done = 0;
    for (size_t at = 0, some; at < nbytes; at += some) {
        some = to_boundary(offset + at, nbytes - at);
        if (!is_hole(bytes + at, some))
            continue;
        if (!write_all(source, fd, offset + done, bytes + done, at - done))
            return false;
        done = at + some;
    }
    return write_all(source, fd, offset + done, bytes + done, nbytes - done);
}

bool ds_spool_end(struct ds_source *source, int fd, uint64_t nbytes)
{
    return ftruncate(fd, (off_t)nbytes) == 0 || fail_to_write(source, nbytes);
}
