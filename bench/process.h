/* SPDX-License-Identifier: MIT */
/*
 * A set of pages as memory of this process, shared live: the like-for-like rival of KSM.
 *
 * As libshare/examples/process_memory.c does it, at scale: memfds are the machine; the guest's view
 * is mappings of them. userfaultfd write-protects a page that is looked at. A page that has joined
 * a frame is a read-only mapping of the frame: one mmap, which replaces the old mapping and
 * flushes. A store to either faults in the thread that made it (SIGBUS, SIGSEGV), which breaks the
 * page and tries again.
 *
 * A page is mapped once: one that lies where it started (PPN = MPN) is read where the guest has it,
 * others through the pool's own view of all. A second mapping makes a page three times as dear to
 * free.
 *
 * Each page that joined may be a mapping of its own: vm.max_map_count is raised if it has to be,
 * and put back. One at a time in a process: signals have one handler.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include "pages.h"
#include "process_pool.h"

struct process {
    const struct pages *pages; /* borrowed: what it started with */
    int uffd;                  /* owned */
    unsigned char *guest;      /* owned: the guest's view, by PPN */
    struct process_pool pool;
    uint32_t *physmap;      /* owned; by PPN */
    bool *joined;           /* owned; by PPN: mapped read-only */
    _Atomic uint32_t *home; /* owned; by MPN: 1 and its readers, if it is read where the guest has
                               it, at the PPN of its number; else 0 */
    struct share *share;    /* owned; the pages are its VM 0 */
};

/* What the engine calls; its ops_ctx is the process. A remap is BUSY while a page is read where the
 * guest has it, and would move. */
extern const struct share_ops process_ops;

/* Why it cannot be done here; NULL if it can. */
const char *process_refusal(void);

/* NULL if the kernel refuses. Exits if there is not enough memory. */
struct process *process_new(const struct pages *pages, const struct share_alloc *alloc);
void process_free(struct process *process);

/* Physical pages that the pool takes, as the kernel counts them. */
uint64_t process_frames(const struct process *process);

#endif
