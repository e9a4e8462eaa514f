/* SPDX-License-Identifier: MIT */
/*
 * Bytes of the VMM's that are not in memory: a temporary file, for disks of guests and for pages
 * that the VMM paged out. What was never written reads as zeros and takes no room.
 *
 * Threads: any; the file's own.
 */
#ifndef HV_STORE_H
#define HV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hv_store {
    int fd;           /* owned; -1: none */
    const char *path; /* borrowed; NULL: the file has no name */
    uint64_t nbytes;
};

/* A new file of this name, for this user alone, that goes with the store; NULL: one without a name
 * in $TMPDIR, else /tmp. False, and errno says why: the host gives none. */
bool hv_store_init(struct hv_store *store, const char *path, uint64_t nbytes);
/* Bytes that such a file could have now. */
uint64_t hv_store_room(const char *path);
void hv_store_fini(struct hv_store *store);
/* False: outside the store, or the host's file system failed, and errno says why. */
bool hv_store_read(const struct hv_store *store, uint64_t offset, void *bytes, size_t nbytes);
bool hv_store_write(const struct hv_store *store, uint64_t offset, const void *bytes,
                    size_t nbytes);

#endif
