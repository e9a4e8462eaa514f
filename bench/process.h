/* SPDX-License-Identifier: MIT */
/*
 * A set of pages as memory of this process, shared live: the like-for-like rival of KSM.
 *
 * As libshare/examples/process_memory.c does it, at scale: a memfd is the machine; the guest's view
 * is mappings of it. userfaultfd write-protects a page that is looked at. A page that has joined a
 * frame is a read-only mapping of the frame: one mmap, which replaces the old mapping and flushes.
 * A store to either faults in the thread that made it (SIGBUS, SIGSEGV), which breaks the page and
 * tries again.
 *
 * Each page that joined may be a mapping of its own: vm.max_map_count is raised if it has to be,
 * and put back. One at a time in a process: signals have one handler.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include "pages.h"
#include <pthread.h>

struct process {
    const struct pages *pages; /* borrowed: what it started with */
    int uffd, memfd;           /* owned */
    unsigned char *guest;      /* the guest's view: by PPN */
    unsigned char *machine;    /* the whole pool, for the engine: by MPN */
    uint64_t pool_pages;
    uint32_t *physmap;    /* owned; by PPN */
    bool *joined;         /* owned; by PPN: mapped read-only */
    pthread_mutex_t lock; /* owns spare and spares */
    uint32_t *spare;      /* owned: a stack of unused MPNs */
    uint64_t spares;
    struct share *share; /* owned; the pages are its VM 0 */
};

/* Why it cannot be done here; NULL if it can. */
const char *process_refusal(void);

/* NULL if the kernel refuses. Exits if there is not enough memory. */
struct process *process_new(const struct pages *pages, const struct share_alloc *alloc);
void process_free(struct process *process);

/* Physical pages that the pool takes, as the kernel counts them. */
uint64_t process_frames(const struct process *process);

#endif
