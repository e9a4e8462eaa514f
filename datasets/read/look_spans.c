/* SPDX-License-Identifier: MIT */
/* Looks at a regular file whose data pages are known: any of them, in any order. */
#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHECK_PAGES 8

static uint64_t span_end(const struct ds_source *source, size_t span)
{
    return span + 1 < source->spans ? source->span[span + 1].index : source->info.data_pages;
}

/* The span that holds a page that there is. */
static const struct ds_span *find(struct ds_look *look, uint64_t index)
{
    const struct ds_source *source = look->source;
    size_t low = 0, high = source->spans;
    if (look->last < source->spans && source->span[look->last].index <= index) {
        low = look->last;
        if (index < span_end(source, low))
            return &source->span[low];
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (source->span[middle].index <= index)
            low = middle;
        else
            high = middle;
    }
    look->last = low;
    return &source->span[low];
}

static bool read_at(struct ds_look *look, int fd, uint64_t offset, size_t nbytes,
                    struct ds_error *error)
{
    for (size_t done = 0; done < nbytes;) {
        ssize_t some = pread(fd, look->buffer + done, nbytes - done, (off_t)(offset + done));
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return ds_fail_look(look->source, error, "at offset 0x%llx: cannot read: %s",
                                (unsigned long long)(offset + done), strerror(errno));
        if (some == 0)
            return ds_fail_look(look->source, error,
                                "at offset 0x%llx: became shorter while it was read",
                                (unsigned long long)(offset + done));
        done += (size_t)some;
    }
    return true;
}

void ds_look_pack(uint8_t *to, const uint8_t *from, size_t pages, size_t stride)
{
    for (size_t i = 0; i < pages; i++)
        memmove(to + i * DS_PAGE_SIZE, from + i * stride, DS_PAGE_SIZE);
}

bool ds_look_at_spans(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                      struct ds_error *error)
{
    const struct ds_span *span = find(look, index);
    uint64_t left = span_end(look->source, (size_t)(span - look->source->span)) - index;
    size_t room = DS_INPUT_NBYTES / span->stride;
    size_t count = pages < room ? pages : room;
    count = left < count ? (size_t)left : count;
    uint64_t offset = span->offset + (index - span->index) * span->stride;
    int fd = ds_look_fd(look, span->part);
    if (!read_at(look, fd, offset, (count - 1) * span->stride + DS_PAGE_SIZE, error))
        return false;
    look->unchecked += count;
    if (look->unchecked >= CHECK_PAGES) { /* asking costs as much as reading a page */
        look->unchecked = 0;
        if (!ds_identity_check(look->source, span->part, fd, error))
            return false;
    }
    if (span->stride != DS_PAGE_SIZE)
        ds_look_pack(look->buffer, look->buffer, count, span->stride);
    run->pages = count;
    run->bytes = look->buffer;
    return true;
}

/* Is this byte in memory? One that cannot be told is not. */
static bool is_cached(int fd, uint64_t offset)
{
    char byte;
    struct iovec to = {&byte, 1};
    return preadv2(fd, &to, 1, (off_t)offset, RWF_NOWAIT) == 1;
}

/* To look for pages that are there costs more than to ask for a few of them. */
static void begin_reading(int fd, uint64_t offset, uint64_t nbytes)
{
    enum { SAMPLES = 4 };
    for (size_t i = 0; i < SAMPLES; i++) {
        if (!is_cached(fd, offset + (nbytes - 1) * i / (SAMPLES - 1))) {
            (void)posix_fadvise(fd, (off_t)offset, (off_t)nbytes, POSIX_FADV_WILLNEED);
            return;
        }
    }
}

static void drop(int fd, uint64_t offset, uint64_t nbytes)
{
    (void)posix_fadvise(fd, (off_t)offset, (off_t)nbytes, POSIX_FADV_DONTNEED);
}

/* For what [index, index + pages) is in the file. */
static void for_runs(struct ds_look *look, uint64_t index, size_t pages,
                     void (*each)(int fd, uint64_t offset, uint64_t nbytes))
{
    const struct ds_source *source = look->source;
    if (!source->kind || look->reading)
        return;
    while (pages > 0 && index < source->info.data_pages) {
        const struct ds_span *span = find(look, index);
        uint64_t left = span_end(source, (size_t)(span - source->span)) - index;
        size_t count = left < pages ? (size_t)left : pages;
        each(ds_look_fd(look, span->part), span->offset + (index - span->index) * span->stride,
             (count - 1) * (uint64_t)span->stride + DS_PAGE_SIZE);
        index += count;
        pages -= count;
    }
}

void ds_look_ahead(struct ds_look *look, uint64_t index, size_t pages)
{
    for_runs(look, index, pages, begin_reading);
}

void ds_look_behind(struct ds_look *look, uint64_t index, size_t pages)
{
    for_runs(look, index, pages, drop);
}

/* Pages are copied out of the kernel when they are asked for, and nothing is mapped. */
void ds_look_next(struct ds_look *look, uint64_t index)
{
    (void)look;
    (void)index;
}

void ds_look_idle(struct ds_look *look)
{
    (void)look;
}
