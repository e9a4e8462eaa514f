/* SPDX-License-Identifier: MIT */
/* Looks at a regular file whose data pages are known: any of them, in any order. */
#include "look.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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

static bool read_at(struct ds_look *look, uint64_t offset, size_t nbytes, struct ds_error *error)
{
    for (size_t done = 0; done < nbytes;) {
        ssize_t some =
            pread(ds_look_fd(look), look->buffer + done, nbytes - done, (off_t)(offset + done));
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return ds_fail_look(look->source, error, "at offset 0x%llx: cannot read: %s",
                                (unsigned long long)(offset + done), strerror(errno));
        if (some == 0)
            return ds_fail_look(look->source, error,
                                "at offset 0x%llx: changed: became shorter while it was read",
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
    if (!read_at(look, offset, (count - 1) * span->stride + DS_PAGE_SIZE, error) ||
        !ds_identity_check(look->source, ds_look_fd(look), error))
        return false;
    if (span->stride != DS_PAGE_SIZE)
        ds_look_pack(look->buffer, look->buffer, count, span->stride);
    run->pages = count;
    run->bytes = look->buffer;
    return true;
}
