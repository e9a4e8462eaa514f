/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a VM go to the host's disk, when balloons are too slow or not there.
 *
 * The VMM does not know which pages a guest's kernel holds dear; any rule of its own would fight
 * the kernel's (it pages out what the VMM just did, "double paging"): so it chooses at random. A
 * page whose content another page has is shared instead.
 *
 * Threads: between turns.
 * Source: Waldspurger 2002, 3.1 (why at random) and 4 (sharing first).
 */
#ifndef HV_PAGING_H
#define HV_PAGING_H

#include <stdint.h>

#include "memory/pages.h"

struct hv_vm;

enum hv_paging {
    HV_PAGING_NOTHING, /* it has no machine page of its own, is pinned, or the host has no room */
    HV_PAGING_SHARED,  /* another page has its content: they share a machine page now */
    HV_PAGING_OUT,
};

/* Takes machine memory from this page. */
enum hv_paging hv_paging_take(struct hv_vm *vm, hv_ppn ppn);
/* Does so with random pages until it has freed `pages` machine pages, or finds no more. Returns how
 * many it freed. `random`: the state of the choice. */
uint64_t hv_paging_reclaim(struct hv_vm *vm, uint64_t *random, uint64_t pages);

#endif
