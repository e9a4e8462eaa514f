/* SPDX-License-Identifier: MIT */
/*
 * Looks at a source whose bytes are mapped: a run is a piece of an extent.
 *
 * All looks at a source share one mapping. Of a resting source the first look opens and maps the
 * file, and the last one undoes that. Reading around a fault is switched off: what a caller wants
 * from disk it says ahead.
 */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

struct ds_look {
    struct ds_source *source;
    size_t extent; /* that held the last run: the next one is most often in it, too */
};

/* ---------------------------------------------------------------------- resting and waking -- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool changed(struct ds_source *source, const struct stat *now)
{
    if (now->st_ino == source->found.st_ino && now->st_size < source->found.st_size)
        return ds_fail(source, "became shorter while it was read");
    return ds_fail(source, "changed while it was read");
}

bool ds_source_check(struct ds_source *source, struct ds_error *error)
{
    struct stat now;
    source->error = error;
    if (!source->by_path)
        return true;
    if (stat(source->spec, &now) != 0)
        return ds_fail(source, "was there, and is gone: %s", strerror(errno));
    return is_same(&now, &source->found) || changed(source, &now);
}

/* Opens and maps the file again. */
static bool wake(struct ds_source *source)
{
    struct stat now;
    source->fd = open(source->spec, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (source->fd < 0 || fstat(source->fd, &now) != 0)
        return ds_fail(source, "cannot open it again: %s", strerror(errno));
    if (!is_same(&now, &source->found))
        return changed(source, &now);
    void *bytes = mmap(NULL, source->nbytes, PROT_READ, MAP_PRIVATE, source->fd, 0);
    if (bytes == MAP_FAILED)
        return ds_fail(source, "cannot map its %llu bytes again: %s",
                       (unsigned long long)source->nbytes, strerror(errno));
    (void)madvise(bytes, source->nbytes, MADV_RANDOM);
    (void)posix_fadvise(source->fd, 0, 0, POSIX_FADV_RANDOM);
    source->bytes = bytes;
    return true;
}

/* Undoes wake, also if that stopped half way. */
static void sleep_again(struct ds_source *source)
{
    if (source->bytes)
        munmap(source->bytes, source->nbytes);
    source->bytes = NULL;
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

void ds_source_rest(struct ds_source *source)
{
    if (!source->by_path || source->resting)
        return;
    source->resting = true;
    sleep_again(source);
}

/* Counts one look more; the first one wakes the source. */
static bool enter(struct ds_source *source, struct ds_error *error)
{
    bool ok = true;
    pthread_mutex_lock(&source->mutex);
    if (source->resting && source->looks == 0) {
        source->error = error;
        ok = wake(source);
        if (!ok)
            sleep_again(source);
    }
    source->looks += ok;
    pthread_mutex_unlock(&source->mutex);
    return ok;
}

static void leave(struct ds_source *source)
{
    pthread_mutex_lock(&source->mutex);
    if (--source->looks == 0 && source->resting)
        sleep_again(source);
    pthread_mutex_unlock(&source->mutex);
}

/* --------------------------------------------------------------------------------- looking -- */

struct ds_look *ds_look_new(struct ds_source *source, struct ds_error *error)
{
    struct ds_look *look = calloc(1, sizeof *look);
    if (!look) {
        snprintf(error->text, sizeof error->text, "%.300s: out of memory", source->spec);
        return NULL;
    }
    if (!enter(source, error)) {
        free(look);
        return NULL;
    }
    look->source = source;
    return look;
}

static bool holds(const struct ds_extent *extent, uint64_t index)
{
    return extent->state == DS_DATA && index >= extent->index &&
           index - extent->index < extent->pages;
}

/* Extents ascend by key, and here so do their indexes: one that is not data has the index of the
 * data behind it. */
static const struct ds_extent *find(struct ds_look *look, uint64_t index)
{
    const struct ds_extent *extent = look->source->info.extent;
    if (holds(&extent[look->extent], index))
        return &extent[look->extent];
    size_t low = 0, high = look->source->info.extents;
    while (high - low > 1) { /* extent[low].index <= index, and extent[high] begins behind it */
        size_t middle = low + (high - low) / 2;
        if (extent[middle].index <= index)
            low = middle;
        else
            high = middle;
    }
    while (!holds(&extent[low], index))
        low--;
    look->extent = low;
    return &extent[low];
}

/* Of the page's bytes: their offset in the mapping. */
static uint64_t offset_of(const struct ds_look *look, const struct ds_extent *extent,
                          uint64_t index)
{
    return (uint64_t)(extent->bytes - look->source->origin) +
           (index - extent->index) * DS_PAGE_SIZE;
}

bool ds_look_at(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                struct ds_error *error)
{
    (void)error;
    *run = (struct ds_run){.index = index};
    if (index >= look->source->info.data_pages)
        return true;
    const struct ds_extent *extent = find(look, index);
    uint64_t left = extent->pages - (index - extent->index);
    run->pages = left < pages ? (size_t)left : pages;
    run->bytes = look->source->bytes + offset_of(look, extent, index);
    return true;
}

/* Is this byte in memory? One that cannot be told is not. */
static bool is_cached(int fd, uint64_t offset)
{
    char byte;
    struct iovec to = {&byte, 1};
    return preadv2(fd, &to, 1, (off_t)offset, RWF_NOWAIT) == 1;
}

/* A run of pages that lie together: for `each` piece of [index, index + pages). */
static void for_runs(struct ds_look *look, uint64_t index, size_t pages,
                     void (*each)(const struct ds_source *source, uint64_t offset, size_t nbytes))
{
    struct ds_run run;
    struct ds_error error;
    if (!look->source->resting)
        return;
    for (; pages > 0; index += run.pages, pages -= run.pages) {
        if (!ds_look_at(look, index, pages, &run, &error) || run.pages == 0)
            return;
        each(look->source, (uint64_t)(run.bytes - look->source->bytes), run.pages * DS_PAGE_SIZE);
    }
}

/* To look for pages that are there costs more than to ask for a few of them. */
static void begin_reading(const struct ds_source *source, uint64_t offset, size_t nbytes)
{
    enum { SAMPLES = 4 };
    for (size_t i = 0; i < SAMPLES; i++) {
        if (!is_cached(source->fd, offset + (nbytes - 1) * i / (SAMPLES - 1))) {
            (void)posix_fadvise(source->fd, (off_t)offset, (off_t)nbytes, POSIX_FADV_WILLNEED);
            return;
        }
    }
}

void ds_look_ahead(struct ds_look *look, uint64_t index, size_t pages)
{
    for_runs(look, index, pages, begin_reading);
}

void ds_look_idle(struct ds_look *look)
{
    if (look->source->resting)
        (void)madvise(look->source->bytes, look->source->nbytes, MADV_DONTNEED);
}

static void drop(const struct ds_source *source, uint64_t offset, size_t nbytes)
{
    (void)posix_fadvise(source->fd, (off_t)offset, (off_t)nbytes, POSIX_FADV_DONTNEED);
}

void ds_look_behind(struct ds_look *look, uint64_t index, size_t pages)
{
    for_runs(look, index, pages, drop);
}

void ds_look_free(struct ds_look *look)
{
    if (look)
        leave(look->source);
    free(look);
}
