/* SPDX-License-Identifier: MIT */
/* See load.h. */
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool fail(struct ds_error *error)
{
    snprintf(error->text, sizeof error->text, "out of memory");
    return false;
}

/* Writes all data pages to the file. */
static bool copy(int fd, struct ds_source *source, struct ds_error *error)
{
    struct ds_look *look = ds_look_new(source, error);
    struct ds_run run = {0};
    bool ok = look != NULL;
    do {
        ok = ok && ds_look_at(look, run.index + run.pages, 1024, &run, error);
        size_t nbytes = run.pages * DS_PAGE_SIZE;
        if (ok && nbytes &&
            pwrite(fd, run.bytes, nbytes, (off_t)(run.index * DS_PAGE_SIZE)) != (ssize_t)nbytes)
            ok = fail(error);
    } while (ok && run.pages);
    ds_look_free(look);
    return ok;
}

static bool map(uint8_t **to, size_t nbytes, int fd)
{
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_PRIVATE;
    void *mapped = nbytes ? mmap(NULL, nbytes, PROT_READ, flags, fd, 0) : NULL;
    *to = mapped == MAP_FAILED ? NULL : mapped;
    return mapped != MAP_FAILED;
}

static bool list(struct load *load)
{
    struct ds_info *info = &load->info;
    struct ds_extent *extent = malloc((info->extents + 1) * sizeof *extent);
    for (size_t e = 0; extent && e < info->extents; e++) {
        extent[e] = info->extent[e];
        if (extent[e].state == DS_DATA)
            extent[e].bytes = load->data + extent[e].index * DS_PAGE_SIZE;
        if (extent[e].state == DS_ZERO)
            extent[e].bytes = load->zero;
        if (extent[e].state == DS_ZERO)
            extent[e].state = DS_DATA;
    }
    info->extent = extent;
    info->pages[DS_DATA] += info->pages[DS_ZERO];
    info->pages[DS_ZERO] = 0;
    return extent != NULL;
}

bool load_pages(struct load *load, struct ds_source *source, struct ds_error *error)
{
    int fd = memfd_create("pages", MFD_CLOEXEC);
    bool ok = fd >= 0 ? copy(fd, source, error) : fail(error);
    *load = (struct load){.info = *ds_source_info(source)};
    for (size_t e = 0; e < load->info.extents; e++)
        if (load->info.extent[e].state == DS_ZERO &&
            load->info.extent[e].pages * DS_PAGE_SIZE > load->zero_nbytes)
            load->zero_nbytes = load->info.extent[e].pages * DS_PAGE_SIZE;
    load->data_nbytes = load->info.data_pages * DS_PAGE_SIZE;
    if (ok &&
        (!map(&load->data, load->data_nbytes, fd) || !map(&load->zero, load->zero_nbytes, -1)))
        ok = fail(error);
    ok = ok && (list(load) || fail(error));
    if (fd >= 0)
        close(fd);
    return ok;
}

void load_free(struct load *load)
{
    free((void *)(uintptr_t)load->info.extent);
    if (load->data)
        munmap(load->data, load->data_nbytes);
    if (load->zero)
        munmap(load->zero, load->zero_nbytes);
}
