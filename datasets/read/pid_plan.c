/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a process are its own? Told from its page tables, before anything is copied.
 *
 * A page is data if it is written private memory (or shared memory that nobody else maps: a VM's
 * memfd) and mapped once. Pages of files, and pages mapped more than once (after a fork, by KSM,
 * the kernel's zero page) are shared physically already. What is in no page table is absent. Cost:
 * a process may reserve terabytes. PAGEMAP_SCAN (Linux 6.7) skips what is not populated; on older
 * kernels 8 bytes are read for each page of each accessible mapping.
 */
#include "pid.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define BLOCK_PAGES \
    8192 /* 64 KiB of pagemap entries: small beside the cache, large beside a call */
#define SCAN_REGIONS 256

/* From linux/fs.h of Linux 6.7; Debian 12's headers do not have it yet. */
struct scan_region {
    uint64_t start, end; /* addresses */
    uint64_t categories;
};
struct scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL     _IOWR('f', 16, struct scan_arg)
#define SCAN_PRESENT   (UINT64_C(1) << 3)
#define SCAN_SWAPPED   (UINT64_C(1) << 4)
#define SCAN_POPULATED (SCAN_PRESENT | SCAN_SWAPPED)

struct plan {
    struct ds_process *process;
    enum ds_vma_kind kind; /* of the mapping that is looked at */
    uint64_t entry[BLOCK_PAGES];
    struct scan_region region[SCAN_REGIONS];
};

static enum ds_state classify(uint64_t entry, enum ds_vma_kind kind)
{
    if (entry & DS_PAGEMAP_PRESENT) {
        bool alone = entry & DS_PAGEMAP_EXCLUSIVE;
        bool own = kind == DS_VMA_SHARED || (kind == DS_VMA_PRIVATE && !(entry & DS_PAGEMAP_FILE));
        return alone && own ? DS_DATA : DS_KERNEL_SHARED;
    }
    if ((entry & DS_PAGEMAP_SWAPPED) && !(entry & DS_PAGEMAP_GUARD))
        return kind == DS_VMA_READ_ONLY ? DS_KERNEL_SHARED : DS_DATA;
    return DS_ABSENT;
}

static bool add(struct plan *plan, uint64_t first, uint64_t end, enum ds_state state)
{
    return ds_extent_add(plan->process->source,
                         (struct ds_extent){.key = first, .pages = end - first, .state = state});
}

/* Looks at each page of [first, end). */
static bool plan_pages(struct plan *plan, uint64_t first, uint64_t end)
{
    while (first < end) {
        size_t pages = end - first < BLOCK_PAGES ? (size_t)(end - first) : BLOCK_PAGES;
        if (!ds_pagemap_read(plan->process, first, pages, plan->entry))
            return false;
        for (size_t i = 0, j; i < pages; i = j) {
            enum ds_state state = classify(plan->entry[i], plan->kind);
            for (j = i + 1; j < pages && classify(plan->entry[j], plan->kind) == state; j++) {
            }
            if (!add(plan, first + i, first + j, state))
                return false;
        }
        first += pages;
    }
    return true;
}

/* The populated regions of [first, end), up to SCAN_REGIONS, and where to go on; negative if this
 * kernel cannot tell. */
static int scan(struct plan *plan, uint64_t first, uint64_t end, uint64_t *next)
{
    struct scan_arg arg = {
        .size = sizeof arg,
        .start = first * DS_PAGE_SIZE,
        .end = end * DS_PAGE_SIZE,
        .vec = (uintptr_t)plan->region,
        .vec_len = SCAN_REGIONS,
        .category_anyof_mask = SCAN_POPULATED,
        .return_mask = SCAN_POPULATED,
    };
    int regions;
    do {
        regions = ioctl(plan->process->pagemap_fd, SCAN_IOCTL, &arg);
    } while (regions < 0 && errno == EINTR);
    *next = arg.walk_end / DS_PAGE_SIZE;
    return regions;
}

/* Looks at the populated pages of [first, end). */
static bool plan_mapping(struct plan *plan, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint64_t next = end;
        int regions = plan->process->no_scan ? -1 : scan(plan, first, end, &next);
        if (regions < 0 || next <= first) {
            plan->process->no_scan = true;
            return plan_pages(plan, first, end);
        }
        for (int i = 0; i < regions; i++) {
            uint64_t from = plan->region[i].start / DS_PAGE_SIZE;
            uint64_t to = plan->region[i].end / DS_PAGE_SIZE;
            if (!add(plan, first, from, DS_ABSENT) || !plan_pages(plan, from, to))
                return false;
            first = to;
        }
        if (!add(plan, first, next, DS_ABSENT))
            return false;
        first = next;
    }
    return true;
}

bool ds_plan(struct ds_process *process)
{
    struct plan *plan = malloc(sizeof *plan);
    if (!plan)
        return ds_fail(process->source, "out of memory");
    plan->process = process;
    bool ok = true;
    for (size_t i = 0; ok && i < process->vmas; i++) {
        const struct ds_vma *vma = &process->vma[i];
        plan->kind = vma->kind;
        ok = vma->kind == DS_VMA_NONE ? add(plan, vma->first, vma->end, DS_ABSENT)
                                      : plan_mapping(plan, vma->first, vma->end);
    }
    free(plan);
    process->planned_pages = process->source->info.pages[DS_DATA];
    return ok;
}
