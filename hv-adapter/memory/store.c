/* SPDX-License-Identifier: MIT */
/* An unlinked temporary file. See store.h. */
#include "memory/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

bool hv_store_init(struct hv_store *store, uint64_t nbytes)
{
    const char *dir = getenv("TMPDIR");
    char path[4096];
    *store = (struct hv_store){.fd = -1};
    if (nbytes > INT64_MAX || (size_t)snprintf(path, sizeof path, "%s/hv-store-XXXXXX",
                                               dir && *dir ? dir : "/tmp") >= sizeof path)
        return false;
    store->fd = mkstemp(path);
    if (store->fd < 0)
        return false;
    unlink(path);
    store->nbytes = nbytes;
    if (ftruncate(store->fd, (off_t)nbytes) == 0)
        return true;
    hv_store_fini(store);
    return false;
}

void hv_store_fini(struct hv_store *store)
{
    if (store->fd >= 0)
        close(store->fd);
    store->fd = -1;
}

static bool inside(const struct hv_store *store, uint64_t offset, size_t nbytes)
{
    return store->fd >= 0 && offset <= store->nbytes && nbytes <= store->nbytes - offset;
}

bool hv_store_read(const struct hv_store *store, uint64_t offset, void *bytes, size_t nbytes)
{
    if (!inside(store, offset, nbytes))
        return false;
    for (size_t done = 0; done < nbytes;) {
        ssize_t got = pread(store->fd, (char *)bytes + done, nbytes - done, (off_t)(offset + done));
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
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
