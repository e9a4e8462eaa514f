/* SPDX-License-Identifier: MIT */
/* What the fuzz targets of file readers share: the input as a file that is opened as a source. */
#ifndef FUZZ_READ_UTIL_H
#define FUZZ_READ_UTIL_H

#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                               \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

/* What every source promises: ordered extents, sums, readable data. */
static inline void fuzz_check_source(const struct ds_source *source)
{
    const struct ds_info *info = ds_source_info(source);
    uint64_t pages[DS_STATES] = {0};
    uint64_t end = 0;
    uint64_t read_budget_pages = 4096; /* aliases make a small file claim many pages */
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        FUZZ_CHECK((unsigned)e->state < DS_STATES && e->pages > 0);
        FUZZ_CHECK((i == 0 || e->key >= end) && e->key + e->pages > e->key);
        FUZZ_CHECK((e->bytes != NULL) == (e->state == DS_DATA));
        end = e->key + e->pages;
        pages[e->state] += e->pages;
        for (uint64_t p = 0; e->bytes && p < e->pages && read_budget_pages > 0; p++) {
            sink = (uint8_t)(sink + e->bytes[p * DS_PAGE_SIZE]);
            sink = (uint8_t)(sink + e->bytes[p * DS_PAGE_SIZE + DS_PAGE_SIZE - 1]);
            read_budget_pages--;
        }
        if (e->bytes) {
            const uint8_t *last = e->bytes + e->pages * DS_PAGE_SIZE - 1;
            sink = (uint8_t)(sink + *last);
        }
    }
    for (int state = 0; state < DS_STATES; state++)
        FUZZ_CHECK(pages[state] == info->pages[state]);
}

/* A memfd of these bytes. */
static inline int fuzz_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(size == 0 || write(fd, data, size) == (ssize_t)size);
    return fd;
}

/* Opens the file and checks what comes of it; closes it. */
static inline void fuzz_open(int fd, const struct ds_options *options)
{
    char path[64];
    struct ds_source *source = NULL;
    struct ds_error error;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (ds_source_open(path, options, &source, &error)) {
        fuzz_check_source(source);
        ds_source_free(source);
    } else {
        FUZZ_CHECK(!source && strstr(error.text, path) && !strchr(error.text, '\n'));
    }
    close(fd);
}

#endif
