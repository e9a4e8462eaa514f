/* SPDX-License-Identifier: MIT */
/*
 * Reading a live process, in steps: pid.c opens it, pid_freeze.c stops it, pid_maps.c lists its
 * mappings, pid_plan.c finds which pages are its own, pid_copy.c copies those.
 */
#ifndef DS_PID_H
#define DS_PID_H

#include "reader.h"

#include <sys/types.h>

enum ds_vma_kind {
    DS_VMA_NONE,      /* no memory of the process: devices, the kernel's pages, no access at all */
    DS_VMA_PRIVATE,   /* written pages are its own */
    DS_VMA_SHARED,    /* shared, writable: its own as long as nobody else maps them */
    DS_VMA_READ_ONLY, /* shared, read-only: a file's pages */
};

/* A mapping of the process: pages [first, end). */
struct ds_vma {
    uint64_t first, end;
    enum ds_vma_kind kind;
};

struct ds_process {
    struct ds_source *source; /* borrowed */
    pid_t pid;
    int dir_fd; /* /proc/N: names this very process even if N is given to another one */
    int mem_fd;
    int pagemap_fd;
    struct ds_vma *vma; /* owned; ascending, disjoint */
    size_t vmas;
    bool no_scan;     /* without PAGEMAP_SCAN: an old kernel, or a test */
    bool no_vm_readv; /* process_vm_readv is not allowed here */
    uint64_t planned_pages, copied_pages;
};

/* Bits of a pagemap entry (Documentation/admin-guide/mm/pagemap.rst). */
#define DS_PAGEMAP_EXCLUSIVE (UINT64_C(1) << 56) /* mapped once; Linux 4.2 */
#define DS_PAGEMAP_GUARD     (UINT64_C(1) << 58) /* a guard region, not memory */
#define DS_PAGEMAP_FILE      (UINT64_C(1) << 61) /* a page of a file or of shared memory */
#define DS_PAGEMAP_SWAPPED   (UINT64_C(1) << 62)
#define DS_PAGEMAP_PRESENT   (UINT64_C(1) << 63)

/* Reads `pages` entries from page `first` on. False with the error written if the process ended. */
bool ds_pagemap_read(struct ds_process *process, uint64_t first, size_t pages, uint64_t *entry);

/* One line of /proc/N/maps, without its newline. False if it is none. */
bool ds_maps_parse_line(const char *line, size_t nbytes, struct ds_vma *vma);
/* Reads process->vma. */
bool ds_maps_read(struct ds_process *process);

/* Adds the extents of all mappings, those of data without bytes; sets planned_pages. */
bool ds_plan(struct ds_process *process);

/* Copies the planned data pages and settles what each page is. */
bool ds_copy(struct ds_process *process);

/* A process that is held still. */
struct ds_freezer {
    int dir_fd;   /* borrowed: /proc/N */
    pid_t guard;  /* the child that lets it go on; 0 if there is nothing to do */
    int guard_fd; /* the guard acts when this is closed, by whatever means */
};

/* Stops all threads of the process, unless it is stopped already. On failure nothing is stopped. */
bool ds_freeze(struct ds_process *process, struct ds_freezer *freezer);
void ds_thaw(struct ds_freezer *freezer);

#endif
