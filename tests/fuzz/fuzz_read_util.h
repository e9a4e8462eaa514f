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

/* A look, of a limited number of pages: aliases make a small file claim many. */
static inline bool fuzz_look(struct ds_source *source, uint64_t *pages, struct ds_error *error)
{
    struct ds_look *look = ds_look_new(source, error);
    struct ds_run run = {0};
    volatile uint8_t sink = 0;
    bool ok = look != NULL;
    *pages = 0;
    while (ok && (*pages < 4096 || ds_source_info(source)->sequential)) {
        uint64_t next = run.index + run.pages;
        ok = ds_look_at(look, next, 100, &run, error);
        if (!ok || run.pages == 0)
            break;
        FUZZ_CHECK(run.index == next && run.pages <= 100);
        for (size_t i = 0; i < run.pages * DS_PAGE_SIZE; i += DS_PAGE_SIZE / 2)
            sink = (uint8_t)(sink + run.bytes[i]);
        sink = (uint8_t)(sink + run.bytes[run.pages * DS_PAGE_SIZE - 1]);
        *pages += run.pages;
    }
    ds_look_free(look);
    return ok;
}

/* What every source that was looked at to its end promises: ordered extents, sums. */
static inline void fuzz_check_source(const struct ds_source *source)
{
    const struct ds_info *info = ds_source_info(source);
    uint64_t pages[DS_STATES] = {0};
    uint64_t end = 0;
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        FUZZ_CHECK((unsigned)e->state < DS_STATES && e->pages > 0);
        FUZZ_CHECK((i == 0 || e->key >= end) && e->key + e->pages > e->key);
        FUZZ_CHECK(e->state != DS_DATA || e->index + e->pages <= info->data_pages);
        end = e->key + e->pages;
        pages[e->state] += e->pages;
    }
    for (int state = 0; state < DS_STATES; state++)
        FUZZ_CHECK(pages[state] == info->pages[state]);
    FUZZ_CHECK(info->data_pages == info->pages[DS_DATA]);
}

/* Looks twice: what the second one gives is as much. */
static inline void fuzz_source(struct ds_source *source)
{
    struct ds_error error;
    uint64_t first, second;
    if (!fuzz_look(source, &first, &error)) {
        FUZZ_CHECK(*error.text && !strchr(error.text, '\n'));
        return;
    }
    FUZZ_CHECK(ds_source_info(source)->complete);
    fuzz_check_source(source);
    FUZZ_CHECK(fuzz_look(source, &second, &error) && second == first);
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
        fuzz_source(source);
        ds_source_free(source);
    } else {
        FUZZ_CHECK(!source && strstr(error.text, path) && !strchr(error.text, '\n'));
    }
    close(fd);
}

#endif
