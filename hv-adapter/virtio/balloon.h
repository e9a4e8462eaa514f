/* SPDX-License-Identifier: MIT */
/*
 * The balloon of one VM: what the VMM asks of the guest's driver, and what came of it.
 *
 * The driver takes pages from its kernel and puts their numbers into the inflate queue; their
 * machine pages go back to the host. A page that it takes out again, by the deflate queue, is
 * absent: its next touch finds a fresh page of zeros. So does a touch without deflating, which a
 * guest may do and which is counted. How many pages are in it is the VMM's own count
 * (residence/residence.h), never the driver's word.
 *
 * Threads: the VM's lock owns it.
 * Source: VIRTIO 1.2, 5.5; Waldspurger 2002, 3.2.
 */
#ifndef HV_VIRTIO_BALLOON_H
#define HV_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/pages.h"

struct hv_vm;
struct hv_virtio_mmio;

/* What the guest's kernel says of itself: VIRTIO 1.2, 5.5.6.3. Bytes, or counts of events. */
enum hv_guest_stat {
    HV_STAT_SWAP_IN,
    HV_STAT_SWAP_OUT,
    HV_STAT_MAJOR_FAULTS,
    HV_STAT_MINOR_FAULTS,
    HV_STAT_FREE,
    HV_STAT_TOTAL,
    HV_STAT_AVAILABLE,
    HV_STAT_CACHES,
    HV_STAT_HUGETLB_ALLOCATED,
    HV_STAT_HUGETLB_FAILED,
    HV_STATS,
};

struct hv_balloon {
    uint32_t target_pages; /* the VMM's wish */
    uint32_t driver_pages; /* what the driver says that it holds: its word alone */
    uint64_t inflated;     /* pages put in, ever */
    uint64_t deflated;     /* pages taken out by the driver, ever */
    uint64_t taken_back;   /* of those, pages that the VMM wanted to stay in */
    uint64_t reported;     /* free pages that the guest reported and the host took */
    uint64_t refused;      /* numbers that are no page of the VM, and reports of no whole page */
    uint64_t stat[HV_STATS];
    uint32_t stats_known;  /* bit i: stat[i] was told */
    uint64_t stats_ticks;  /* when, on the VM's clock */
    bool stats_held;       /* the device holds the driver's buffer: it may ask */
    uint16_t stats_buffer; /* its chain */
};

struct hv_balloon *hv_balloon_of(const struct hv_vm *vm);

#endif
