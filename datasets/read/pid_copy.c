/* SPDX-License-Identifier: MIT */
/*
 * Copies the planned pages of a process into memory of ours, and settles what each page is.
 *
 * The copy is held in memory, not in a file: what a process has in memory does not belong on a
 * disk. Reading a page that was just given back would make the kernel map a page of zeros there, so
 * that the read succeeds: the page tables are looked at again before each batch, and after it, for
 * what went meanwhile. (A few kernels are built without the one zero page for all; there, what
 * goes in between becomes a page of zeros of the process's own, and is counted as that.)
 * Pages that were swapped out are read, too, which brings them back into the process's memory.
 */
#include "pid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH_PAGES 2048 /* 8 MiB: calls cost nothing beside it, and progress is steady */

struct copy {
    struct ds_process *process;
    uint8_t *to; /* where the next page goes */
    uint64_t entry[BATCH_PAGES];
    bool lost[BATCH_PAGES]; /* could not be read */
};

/* What the machine can give without swapping, or UINT64_MAX if it does not say. */
static uint64_t available_nbytes(void)
{
    unsigned long long kib = 0;
    char line[128];
    bool found = false;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = sscanf(line, "MemAvailable: %llu kB", &kib) == 1;
    if (file)
        fclose(file);
    return found ? kib * 1024 : UINT64_MAX;
}

static bool make_room(struct ds_process *process)
{
    struct ds_source *source = process->source;
    uint64_t nbytes = process->planned_pages * DS_PAGE_SIZE;
    uint64_t available = available_nbytes();
    if (nbytes == 0)
        return true;
    if (nbytes > available)
        return ds_fail(source,
                       "expected %llu MiB of available memory for a copy of its pages, found %llu "
                       "MiB",
                       (unsigned long long)(nbytes >> 20), (unsigned long long)(available >> 20));
    void *bytes =
        mmap(NULL, (size_t)nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return ds_fail(source, "out of memory for a copy of its %llu pages",
                       (unsigned long long)process->planned_pages);
    madvise(bytes, (size_t)nbytes, MADV_HUGEPAGE); /* a wish: faster to fill and to hash */
    madvise(bytes, (size_t)nbytes, MADV_DONTDUMP); /* not our memory to leave in a core dump */
    source->bytes = bytes;
    source->nbytes = nbytes;
    return true;
}

/* Returns how many of the pages were read; 0 if the first one cannot be. */
static size_t read_some(struct ds_process *process, uint64_t first, size_t pages, uint8_t *to)
{
    size_t nbytes = pages * DS_PAGE_SIZE;
    uint64_t address = first * DS_PAGE_SIZE;
    ssize_t some = -1;
    if (!process->no_vm_readv) {
        struct iovec local = {to, nbytes};
        struct iovec remote = {(void *)(uintptr_t)address, nbytes};
        some = process_vm_readv(process->pid, &local, 1, &remote, 1, 0);
        process->no_vm_readv = some < 0 && (errno == EPERM || errno == ENOSYS);
    }
    /* /proc/N/mem also reads what the process itself may only write or execute. */
    if (some < DS_PAGE_SIZE)
        some = pread(process->mem_fd, to, nbytes, (off_t)address);
    return some < DS_PAGE_SIZE ? 0 : (size_t)some / DS_PAGE_SIZE;
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, DS_PAGE_SIZE - 1) == 0;
}

static bool is_populated(uint64_t entry)
{
    return entry & (DS_PAGEMAP_PRESENT | DS_PAGEMAP_SWAPPED);
}

/* What page i of the batch is, now that it was read and its page table entry read again. */
static enum ds_state settle(const struct copy *copy, size_t i)
{
    uint64_t entry = copy->entry[i];
    bool present = entry & DS_PAGEMAP_PRESENT;
    if (copy->lost[i] || !is_populated(entry))
        return DS_ABSENT;
    if (!present || (entry & DS_PAGEMAP_EXCLUSIVE))
        return DS_DATA;
    return is_zero(copy->to + i * DS_PAGE_SIZE) ? DS_ABSENT : DS_KERNEL_SHARED;
}

/* Reads the pages of a batch that are there. */
static bool read_batch(struct copy *copy, uint64_t first, size_t pages)
{
    if (!ds_pagemap_read(copy->process, first, pages, copy->entry))
        return false;
    for (size_t done = 0; done < pages;) {
        size_t end = done, some = 0;
        while (end < pages && is_populated(copy->entry[end]))
            end++;
        if (end > done)
            some =
                read_some(copy->process, first + done, end - done, copy->to + done * DS_PAGE_SIZE);
        copy->lost[done] = some == 0;
        for (size_t i = 1; i < some; i++)
            copy->lost[done + i] = false;
        done += some ? some : 1;
    }
    return true;
}

static bool copy_batch(struct copy *copy, uint64_t first, size_t pages)
{
    struct ds_source *source = copy->process->source;
    if (!read_batch(copy, first, pages) ||
        !ds_pagemap_read(copy->process, first, pages, copy->entry))
        return false;
    for (size_t i = 0, j; i < pages; i = j) {
        enum ds_state state = settle(copy, i);
        const uint8_t *bytes = state == DS_DATA ? copy->to + i * DS_PAGE_SIZE : NULL;
        for (j = i + 1; j < pages && settle(copy, j) == state; j++) {
        }
        if (!ds_extent_add(source,
                           (struct ds_extent){
                               .key = first + i, .pages = j - i, .bytes = bytes, .state = state}))
            return false;
    }
    copy->to += pages * DS_PAGE_SIZE;
    copy->process->copied_pages += pages;
    if (source->options.progress)
        source->options.progress(source->options.progress_ctx,
                                 copy->process->copied_pages * DS_PAGE_SIZE,
                                 copy->process->planned_pages * DS_PAGE_SIZE);
    return true;
}

static bool copy_extent(struct copy *copy, const struct ds_extent *extent)
{
    if (extent->state != DS_DATA)
        return ds_extent_add(copy->process->source, *extent);
    for (uint64_t done = 0, pages; done < extent->pages; done += pages) {
        pages = extent->pages - done < BATCH_PAGES ? extent->pages - done : BATCH_PAGES;
        if (!copy_batch(copy, extent->key + done, (size_t)pages))
            return false;
    }
    return true;
}

/* Makes the settled extents from the planned ones, which leave the source for that time. */
static bool copy_all(struct copy *copy)
{
    struct ds_source *source = copy->process->source;
    struct ds_extent *plan = source->extent;
    size_t planned = source->info.extents;
    source->extent = NULL;
    source->extent_capacity = 0;
    source->info.extents = 0;
    source->info.data_pages = 0;
    memset(source->info.pages, 0, sizeof source->info.pages);
    bool ok = true;
    for (size_t i = 0; ok && i < planned; i++)
        ok = copy_extent(copy, &plan[i]);
    free(plan);
    return ok;
}

bool ds_copy(struct ds_process *process)
{
    struct ds_source *source = process->source;
    if (!make_room(process))
        return false;
    struct copy *copy = malloc(sizeof *copy);
    if (!copy)
        return ds_fail(source, "out of memory");
    copy->process = process;
    copy->to = source->bytes;
    bool ok = copy_all(copy);
    if (ok && source->bytes)
        mprotect(source->bytes, (size_t)source->nbytes, PROT_READ);
    free(copy);
    return ok;
}
