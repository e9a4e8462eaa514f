/* SPDX-License-Identifier: MIT */
/*
 * Machine memory: a pool of pages in one mapping of the host.
 *
 * A page handed out is all zero. A freed page really goes back to the host, so that what is saved
 * shows in the process's resident memory; that is done for many pages at a time, and from
 * Linux 6.13 on in one call, with one flush of the host's TLB. The base lies on a multiple of 4
 * GiB: what depends on addresses' low bits is the same in every run.
 *
 * Threads: any; one mutex, held for short.
 */
#ifndef HV_MACHINE_H
#define HV_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/pages.h"

enum { HV_MACHINE_BATCH = 64 }; /* freed pages that may wait to be given back */

struct hv_machine {
    uint8_t *base;                   /* owned: pages * 4096 bytes; MPN 0 lies here */
    void *mapping;                   /* what munmap gets */
    size_t mapping_nbytes;           /* of it */
    int self;                        /* this process, as a file; -1: the kernel has no such */
    uint64_t pages;                  /* MPNs are below this */
    pthread_mutex_t lock;            /* owns what follows */
    uint32_t *free;                  /* owned: a stack of clean pages */
    uint64_t free_count;             /* clean pages */
    uint32_t late[HV_MACHINE_BATCH]; /* freed, not yet given back to the host */
    unsigned late_count;
    uint64_t used_peak;
    /* pages in use = pages - free_count - late_count; no page is in free[] or late[] twice */
};

/* False if the host has no room. `scattered`: consecutive allocations are never neighbours. */
bool hv_machine_init(struct hv_machine *machine, uint64_t pages, bool scattered);
void hv_machine_fini(struct hv_machine *machine);

/* A page of zeros; false if all are in use. */
bool hv_machine_alloc(struct hv_machine *machine, hv_mpn *mpn);
/* The pages must be mapped by nobody. */
void hv_machine_release(struct hv_machine *machine, const hv_mpn *mpns, size_t count);
/* Gives the host what still waits. */
void hv_machine_trim(struct hv_machine *machine);

uint64_t hv_machine_used(struct hv_machine *machine);

static inline uint8_t *hv_machine_page(const struct hv_machine *machine, hv_mpn mpn)
{
    return machine->base + mpn.n * HV_PAGE_BYTES;
}

#endif
