/* SPDX-License-Identifier: MIT */
/* A temporary file. See store.h. */
#include "memory/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *temporary_dir(void)
{
    const char *dir = getenv("TMPDIR");
    return dir && *dir ? dir : "/tmp";
}

uint64_t hv_store_room(const char *path)
{
    char dir[4096];
    struct statvfs found;
    struct rlimit limit;
    snprintf(dir, sizeof dir, "%s", path ? path : temporary_dir());
    if (statvfs(path ? dirname(dir) : dir, &found) != 0)
        return 0;
    uint64_t nbytes = (uint64_t)found.f_bavail * found.f_frsize;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < nbytes)
        nbytes = limit.rlim_cur;
    return nbytes;
}

static int open_unnamed(void)
{
    char path[4096];
    int nbytes = snprintf(path, sizeof path, "%s/hv-store-XXXXXX", temporary_dir());
    if ((size_t)nbytes >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

bool hv_store_init(struct hv_store *store, const char *path, uint64_t nbytes)
{
    *store = (struct hv_store){.fd = -1, .path = path, .nbytes = nbytes};
    if (nbytes > INT64_MAX) {
        errno = EFBIG;
        return false;
    }
    store->fd = path ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : open_unnamed();
    return store->fd >= 0;
}

void hv_store_fini(struct hv_store *store)
{
    if (store->fd < 0)
        return;
    if (store->path)
        unlink(store->path);
    close(store->fd);
    store->fd = -1;
}

static bool inside(const struct hv_store *store, uint64_t offset, size_t nbytes)
{
    errno = EINVAL; /* else */
    return store->fd >= 0 && offset <= store->nbytes && nbytes <= store->nbytes - offset;
}

bool hv_store_read(const struct hv_store *store, uint64_t offset, void *bytes, size_t nbytes)
{
    if (!inside(store, offset, nbytes))
        return false;
    for (size_t done = 0; done < nbytes;) {
        ssize_t got = pread(store->fd, (char *)bytes + done, nbytes - done, (off_t)(offset + done));
        if (got < 0 && errno != EINTR)
            return false;
        if (got == 0) { /* it ends before: what was never written */
            memset((char *)bytes + done, 0, nbytes - done);
            break;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

bool hv_store_write(const struct hv_store *store, uint64_t offset, const void *bytes, size_t nbytes)
{
    if (!inside(store, offset, nbytes))
        return false;
    for (size_t done = 0; done < nbytes;) {
        ssize_t put =
            pwrite(store->fd, (const char *)bytes + done, nbytes - done, (off_t)(offset + done));
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}
