/* SPDX-License-Identifier: MIT */
/*
 * Looks at regular files whose data pages are known: any of them, in any order.
 *
 * They are mapped while there are looks, once for all of them, which takes half the time that
 * copying takes. So a file that becomes shorter in that time is a signal (SIGBUS), unless it is
 * seen before: each run of several pages asks whether the file is what it was, and now and then
 * single pages do. Reading around a fault is switched off: what a caller wants from disk it says
 * ahead.
 */
#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHECK_PAGES 64 /* asking costs as much as comparing a page */

static size_t parts_of(const struct ds_source *source)
{
    return source->parts ? source->parts : 1;
}

static bool map_part(struct ds_source *source, size_t part, struct ds_error *error)
{
    struct ds_map *map = &source->map[part];
    struct stat st;
    map->fd = source->fd;
    if (map->fd < 0)
        map->fd = ds_look_open(source, source->parts ? source->part[part].path : source->spec, part,
                               error);
    if (map->fd < 0 || !ds_identity_check(source, part, map->fd, error))
        return false;
    if (fstat(map->fd, &st) != 0)
        return ds_fail_look(source, error, "cannot read its size: %s", strerror(errno));
    if (st.st_size == 0 || source->info.data_pages == 0)
        return true;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, map->fd, 0);
    if (bytes == MAP_FAILED)
        return ds_fail_look(source, error, "cannot map its %lld bytes: %s", (long long)st.st_size,
                            strerror(errno));
    (void)madvise(bytes, (size_t)st.st_size, MADV_RANDOM);
    map->bytes = bytes;
    map->nbytes = (uint64_t)st.st_size;
    return true;
}

/* Undoes map_all, also if that stopped half way. */
static void unmap_all(struct ds_source *source)
{
    for (size_t i = 0; source->map && i < parts_of(source); i++) {
        if (source->map[i].bytes)
            munmap(source->map[i].bytes, source->map[i].nbytes);
        if (source->map[i].fd >= 0 && source->map[i].fd != source->fd)
            close(source->map[i].fd);
    }
    free(source->map);
    source->map = NULL;
}

static bool map_all(struct ds_source *source, struct ds_error *error)
{
    size_t parts = parts_of(source);
    source->map = calloc(parts, sizeof *source->map);
    if (!source->map)
        return ds_fail_look(source, error, "out of memory");
    for (size_t i = 0; i < parts; i++)
        source->map[i].fd = -1;
    for (size_t i = 0; i < parts; i++) {
        if (!map_part(source, i, error))
            return false;
    }
    return true;
}

bool ds_look_enter(struct ds_look *look, struct ds_error *error)
{
    struct ds_source *source = look->source;
    pthread_mutex_lock(&source->mutex);
    look->shares = source->looks > 0 || map_all(source, error);
    source->looks += look->shares;
    if (!look->shares)
        unmap_all(source);
    pthread_mutex_unlock(&source->mutex);
    return look->shares;
}

void ds_look_leave(struct ds_look *look)
{
    struct ds_source *source = look->source;
    if (!look->shares)
        return;
    pthread_mutex_lock(&source->mutex);
    if (--source->looks == 0)
        unmap_all(source);
    pthread_mutex_unlock(&source->mutex);
}

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

/* Pages from `index` on that lie together: up to `pages`, and where. */
static size_t run_at(struct ds_look *look, uint64_t index, size_t pages,
                     const struct ds_span **span, uint64_t *offset)
{
    *span = find(look, index);
    uint64_t left = span_end(look->source, (size_t)(*span - look->source->span)) - index;
    *offset = (*span)->offset + (index - (*span)->index) * (*span)->stride;
    if ((*span)->stride != DS_PAGE_SIZE)
        return 1;
    return left < pages ? (size_t)left : pages;
}

bool ds_look_at_spans(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                      struct ds_error *error)
{
    const struct ds_span *span;
    uint64_t offset;
    size_t count = run_at(look, index, pages, &span, &offset);
    const struct ds_map *map = &look->source->map[span->part];
    if (offset > map->nbytes || count * DS_PAGE_SIZE > map->nbytes - offset)
        return ds_fail_look(look->source, error, "became shorter while it was read");
    look->unchecked += count > 1 ? CHECK_PAGES : 1;
    if (look->unchecked >= CHECK_PAGES) {
        look->unchecked = 0;
        if (!ds_identity_check(look->source, span->part, map->fd, error))
            return false;
    }
    run->pages = count;
    run->bytes = map->bytes + offset;
    return true;
}

/* ---------------------------------------------------------------------------------- hints -- */

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

/* For what [index, index + pages) is in the files: whole spans, also where pages lie apart. */
static void for_runs(struct ds_look *look, uint64_t index, size_t pages,
                     void (*each)(int fd, uint64_t offset, uint64_t nbytes))
{
    const struct ds_source *source = look->source;
    while (look->shares && pages > 0 && index < source->info.data_pages) {
        const struct ds_span *span = find(look, index);
        uint64_t left = span_end(source, (size_t)(span - source->span)) - index;
        size_t count = left < pages ? (size_t)left : pages;
        each(source->map[span->part].fd, span->offset + (index - span->index) * span->stride,
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

/* 256 to 1024 bytes do; the processor guesses the rest. */
void ds_look_next(struct ds_look *look, uint64_t index)
{
    enum { NBYTES = 512, LINE = 64 };
    if (!look->shares || index >= look->source->info.data_pages)
        return;
    const struct ds_span *span;
    uint64_t offset;
    (void)run_at(look, index, 1, &span, &offset);
    for (size_t at = 0; at < NBYTES; at += LINE)
        __builtin_prefetch(look->source->map[span->part].bytes + offset + at);
}

void ds_look_idle(struct ds_look *look)
{
    const struct ds_source *source = look->source;
    for (size_t i = 0; look->shares && i < parts_of(source); i++) {
        if (source->map[i].bytes) /* another look faults in again what it still wants */
            (void)madvise(source->map[i].bytes, source->map[i].nbytes, MADV_DONTNEED);
    }
}
