/* SPDX-License-Identifier: MIT */
/*
 * Paging by the VMM: pages of guests on the host's disk, when balloons are too slow or not there.
 *
 * The VMM does not know which pages a guest's kernel holds dear; any rule of its own would fight
 * the kernel's (it pages out what the VMM just did, "double paging"): so it chooses at random. A
 * page that another has the content of is shared instead.
 *
 * A page that was paged out is absent with HV_PAGE_SWAPPED; a touch by anyone brings it back, and
 * the VM waits for the disk.
 *
 * Threads: pages go out between turns, by the caller of hv.h; they come back in any. A VM's slots
 * belong to its lock.
 * Source: Waldspurger 2002, 3.1 (why at random) and 4 (sharing first).
 */
#ifndef HV_SWAP_H
#define HV_SWAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/pages.h"
#include "memory/store.h"

struct hv_vm;

/* The world's: pages of the store. */
struct hv_swap {
    struct hv_store store;
    bool ready;     /* the store was made */
    uint32_t next;  /* slots below were handed out once */
    uint32_t *free; /* owned: a stack of slots given back */
    uint32_t free_count, free_room;
    pthread_mutex_t lock; /* owns all but what is in the store */
};

/* A VM's: which slot has a page. */
struct hv_swap_map {
    uint32_t *slot;   /* owned: [i] of PPN begin + i, if HV_PAGE_SWAPPED; NULL before the first */
    uint64_t pages;   /* that are paged out */
    uint64_t out, in; /* ever */
    uint64_t shared;  /* pages that found their content elsewhere instead, ever */
    uint64_t random;
};

void hv_swap_init(struct hv_swap *swap);
void hv_swap_fini(struct hv_swap *swap);

/* Takes machine memory from a page of this VM, by sharing or by paging out. No lock held. False: it
 * has none of its own, is being written, or the host has no room. */
bool hv_swap_page_out(struct hv_vm *vm, hv_ppn ppn);
/* Does so with random pages until so many machine pages are free again, or too few are found. How
 * many it were. */
uint64_t hv_swap_reclaim(struct hv_vm *vm, uint64_t pages);

/* With the VM's lock; the page is paged out. Reads it, without bringing it back: */
bool hv_swap_peek(const struct hv_vm *vm, hv_ppn ppn, size_t offset, void *bytes, size_t nbytes);
/* Its content into `page`, and forgets it. */
bool hv_swap_page_in(struct hv_vm *vm, hv_ppn ppn, void *page);
/* Nobody needs it any more. */
void hv_swap_forget(struct hv_vm *vm, hv_ppn ppn);
/* The VM ends. */
void hv_swap_leave(struct hv_vm *vm);

#endif
