/* SPDX-License-Identifier: MIT */
/* Looks: at a process's pages in memory, at pages of a file (look_spans.c), or at those that a
 * sequential source brings (look_pieces.c). */
#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ds_look_fd(const struct ds_look *look)
{
    return look->fd >= 0 ? look->fd : look->source->fd;
}

int ds_look_open(const struct ds_source *source, const char *path, size_t part,
                 struct ds_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        ds_fail_look(source, error, "cannot open it again: %s", strerror(errno));
    if (fd < 0 || ds_identity_check(source, part, fd, error))
        return fd;
    close(fd);
    return -1;
}

/* A sequential source from its front. */
static bool begin(struct ds_look *look, struct ds_error *error)
{
    struct ds_source *source = look->source;
    source->error = error;
    if (source->fd < 0 && source->bytes_in == DS_IN_FILE) {
        const char *path = source->parts > 0 ? source->part[0].path : source->spec;
        look->fd = ds_look_open(source, path, 0, error);
        if (look->fd < 0)
            return false;
    }
    return ds_look_begin_pieces(look);
}

struct ds_look *ds_look_new(struct ds_source *source, struct ds_error *error)
{
    struct ds_look *look = calloc(1, sizeof *look);
    if (!look) {
        snprintf(error->text, sizeof error->text, "out of memory");
        return NULL;
    }
    look->source = source;
    look->fd = look->spool_fd = -1;
    if (!source->kind)
        return look;
    if (source->info.sequential ? begin(look, error) : ds_look_enter(look, error))
        return look;
    ds_look_free(look);
    return NULL;
}

static bool holds(const struct ds_extent *extent, uint64_t index)
{
    return extent->state == DS_DATA && index >= extent->index &&
           index - extent->index < extent->pages;
}

/* A process's extents ascend by key, and so do the indexes of those that are data. */
static const struct ds_extent *find(struct ds_look *look, uint64_t index)
{
    const struct ds_info *info = &look->source->info;
    for (size_t i = 0; i < info->extents; i++) {
        size_t at = (look->last + i) % info->extents;
        if (holds(&info->extent[at], index)) {
            look->last = at;
            return &info->extent[at];
        }
    }
    return NULL;
}

static bool look_at_process(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run)
{
    const struct ds_extent *extent = find(look, index);
    if (!extent)
        return true;
    uint64_t skipped = index - extent->index, left = extent->pages - skipped;
    run->pages = left < pages ? (size_t)left : pages;
    run->bytes = extent->bytes + skipped * DS_PAGE_SIZE;
    return true;
}

bool ds_look_at(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                struct ds_error *error)
{
    *run = (struct ds_run){.index = index};
    if (look->reading) {
        look->source->error = error;
        return ds_look_at_pieces(look, index, pages, run);
    }
    if (index >= look->source->info.data_pages)
        return true;
    return look->source->kind ? ds_look_at_spans(look, index, pages, run, error)
                              : look_at_process(look, index, pages, run);
}

void ds_look_free(struct ds_look *look)
{
    if (!look)
        return;
    ds_reading_free(look->reading);
    ds_look_leave(look);
    if (look->fd >= 0)
        close(look->fd);
    if (look->spool_fd >= 0)
        close(look->spool_fd);
    free(look->buffer);
    free(look);
}
